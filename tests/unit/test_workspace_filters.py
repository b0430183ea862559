"""Filters and triggers in the workspace file: what is refused, and what `waybill check` warns about, with its place."""

import pytest

from model.workspace_errors import Severity
from tests.unit.workspace_sample import SHOP, changed, read


def with_trigger(trigger: str) -> str:
    mappings = f"\n    mappings: [{{name: orders, trigger: '{trigger}'}}]"
    return changed("  - {source: web, destination: crm}", f"  - source: web\n    destination: crm{mappings}")


@pytest.mark.parametrize(
    ("trigger", "column", "remedy"),
    [
        ("userId = 123", 10, 'Write userId = "123"'),
        ('type = "track" AND event = "x"', 16, "Write and instead"),
        ('event == "x"', 7, "Write a single ="),
        ("type=identify", 6, "Put it between double quotes"),
    ],
)
def test_a_trigger_read_leniently_is_a_warning_with_its_place(trigger: str, column: int, remedy: str) -> None:
    reading = read(with_trigger(trigger))
    assert reading.workspace is not None
    (problem,) = reading.problems
    assert (problem.severity, problem.path) == (Severity.WARNING, "connections[0].mappings[0].trigger")
    assert problem.message.startswith(f"line 1, column {column}: ")
    assert problem.remedy == remedy
    assert problem.line == SHOP[: SHOP.index("connections:")].count("\n") + 4


def test_a_clear_trigger_is_no_problem() -> None:
    assert read(with_trigger('type = "track" and userId = "123"')).problems == ()
