"""What a link or a typed text puts into a variable stays a value: it finds nothing or is refused, and never runs."""

import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

import pytest

from sinks.clickhouse.store import StoreError
from tests.dashboards.boards import BOARDS, GIVEN
from tests.dashboards.data import TIME
from tests.dashboards.grafana.choices import resolve
from tests.dashboards.grafana.engine import Answer, NotARead, Run
from tests.dashboards.grafana.macros import expand
from tests.dashboards.grafana.variables import Choice, interpolate

pytestmark = pytest.mark.slow  # every query of every panel on the engine, for many choices

CANARY = "4242424242"
VECTORS = (
    f"') UNION ALL SELECT toString({CANARY}) -- ",
    f"\\') UNION ALL SELECT toString({CANARY}) -- ",
    "\\",
    f"' OR 1=1 OR '{CANARY}' = '",
    "\\' OR 1=1 -- ",
    "'", "''", '"', "`", "%27 OR 1=1", "%2A", "**",
    "\u2019) OR 1=1 -- ", "\u02bc OR \uff071\uff07=\uff071",
    "x\n' OR 1=1\n-- ", "x\x00' OR 1=1", "/* ' */ OR 1=1", "; DROP TABLE facts",
    "${message_id:raw} $__fromTime $__conditionalAll(1, $source)", "{source:String}", "[[source:raw]]",
    "m3' --", "crm'", "crm\\",
)  # fmt: skip
UNHEARD_OF = "nobody-has-this-name"


VARIABLES = [(uid, variable.name) for uid, board in BOARDS.items() for variable in board.variables]
SAFE = re.compile(r"[\w.~%-]*", re.ASCII)


def concerned(uid: str, name: str) -> list[str]:
    """The SQL of panels and annotations that the variable is in."""
    board = BOARDS[uid]
    found = [target.raw_sql for item in board.panels for target in item.targets]
    found += [annotation.target.raw_sql for annotation in board.annotations]
    found = [sql for sql in found if f"${{{name}:" in sql]
    assert found
    return found


def ask(sql: str, run: Run, choices: Mapping[str, Choice]) -> Answer | None:
    """What the engine answers, or None if it refuses."""
    try:
        return run(expand(sql, choices, TIME))
    except StoreError:
        return None


@pytest.mark.parametrize(("uid", "name"), VARIABLES)
def test_a_value_changes_nothing_but_what_is_inside_its_literal(uid: str, name: str) -> None:
    choices = dict.fromkeys((variable.name for variable in BOARDS[uid].variables), Choice("x"))
    for sql in concerned(uid, name):
        harmless = expand(sql, choices | {name: Choice(UNHEARD_OF)}, TIME)
        for vector in VECTORS:
            encoded = quote(vector, safe="")
            assert SAFE.fullmatch(encoded)
            assert expand(sql, choices | {name: Choice(vector)}, TIME) == harmless.replace(UNHEARD_OF, encoded)


@pytest.mark.parametrize(("uid", "name"), VARIABLES)
def test_a_hostile_value_finds_what_a_name_nobody_has_finds(uid: str, name: str, full: Run) -> None:
    choices = resolve(BOARDS[uid], full, TIME, given=GIVEN.get(uid))
    # Views called with it take long to plan, so the quickest panel stands for the others, whose SQL is looked at above.
    sql = min(concerned(uid, name), key=len)
    expected = without_ages(ask(sql, full, choices | {name: Choice(UNHEARD_OF)}))
    for vector in VECTORS if uid == "event-trace" else VECTORS[:3]:
        found = without_ages(ask(sql, full, choices | {name: Choice(vector)}))
        assert found == expected and CANARY not in str(found), vector


def without_ages(answer: Answer | None) -> Answer | None:
    """An answer without the columns that count from now."""
    if answer is None:
        return None
    kept = [at for at, name in enumerate(answer.names) if name not in ("Age", "Reported", "Waits")]
    return replace(answer, rows=tuple(tuple(row[at] for at in kept) for row in answer.rows))


@pytest.mark.parametrize("name", ["source", "destination"])
def test_a_hostile_value_in_one_picker_finds_no_options_in_another(name: str, full: Run) -> None:
    board = BOARDS["event-delivery"]
    for vector in VECTORS[:3]:
        choices = resolve(board, full, TIME, given={name: vector})
        found = {value for choice in choices.values() for value, _ in choice.options}
        assert found <= {"web", "ios", "crm", "mail"}


@pytest.mark.parametrize(
    ("form", "vector"),
    [
        ("'${message_id:raw}'", VECTORS[0]),
        ("'$message_id'", VECTORS[0]),
        ("${message_id:singlequote}", VECTORS[1]),
        ("${message_id:sqlstring}", VECTORS[1]),
    ],
)
def test_the_same_values_do_run_in_the_other_ways_to_write_a_variable(form: str, vector: str, full: Run) -> None:
    sql = f"SELECT code FROM event_trace(message_id = {form})"
    answer = ask(sql, full, {"message_id": Choice(vector)})
    assert answer is not None and (CANARY,) in answer.rows


def test_nobody_can_write_even_so(full: Run) -> None:
    with pytest.raises(NotARead):
        full(interpolate("${x:raw}", {"x": Choice("DROP TABLE facts")}, TIME))
