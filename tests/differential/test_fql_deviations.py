"""Each deviation from Segment that is told of is real, and each that is in the table is told of."""

import re
from pathlib import Path
from typing import Any

import pytest

from model.fql.actions import apply
from model.fql.filters import compile_filter
from model.fql.syntax import FqlInvalid
from model.fql.triggers import compile_trigger
from tests.differential import action_cases, filter_cases
from tests.differential.fql_deviations import (
    ACTIONS,
    FILTERS,
    REFUSED,
    TRIGGERS,
    ActionDeviation,
    FilterDeviation,
    TriggerDeviation,
)
from tests.differential.node import AttemptResult, Reference
from tests.kit.fql_printer import to_text

DOCS = Path(__file__).parents[2] / "docs" / "delivering.md"


def only(answer: AttemptResult) -> Any:
    return REFUSED if answer.error is not None else answer.result[0]


@pytest.mark.parametrize("deviation", TRIGGERS, ids=lambda deviation: deviation.trigger)
def test_a_trigger_that_deviates(reference: Reference, deviation: TriggerDeviation) -> None:
    try:
        here: bool | str = compile_trigger(deviation.trigger).matches(deviation.event)
    except FqlInvalid:
        here = REFUSED
    segment = only(reference.ask("trigger", {"trigger": deviation.trigger, "events": [deviation.event]}))
    assert (here, segment) == (deviation.here, deviation.segment)
    assert here != segment


@pytest.mark.parametrize("deviation", FILTERS, ids=lambda deviation: to_text(deviation.condition))
def test_a_filter_that_deviates(reference: Reference, deviation: FilterDeviation) -> None:
    here = compile_filter(to_text(deviation.condition)).matches(deviation.event)
    question = {"ir": filter_cases.ir_of(deviation.condition), "events": [deviation.event]}
    segment = only(reference.ask("filter", question))
    assert (here, segment) == (deviation.here, deviation.segment)
    assert here != segment


@pytest.mark.parametrize("deviation", ACTIONS, ids=lambda deviation: deviation.said)
def test_an_action_that_deviates(reference: Reference, deviation: ActionDeviation) -> None:
    here = tuple(apply(deviation.actions, event, lambda: 0.0) for event in deviation.events)
    question = {"transformers": [*map(action_cases.transformer, deviation.actions)], "events": deviation.events}
    answer = reference.ask("actions", question)
    assert answer.error is None
    segment = tuple(REFUSED if "failed" in one else one["made"] for one in answer.result)
    assert (here, segment) == (deviation.here, deviation.segment)
    assert here != segment


@pytest.mark.parametrize(
    ("heading", "deviations"), [("Triggers", TRIGGERS), ("Filters", FILTERS), ("Filter actions", ACTIONS)]
)
def test_the_docs_tell_of_each_deviation_and_of_no_other(heading: str, deviations: tuple[Any, ...]) -> None:
    found = re.search(rf"^### {heading}\n(.*?)(?=^##|\Z)", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    lines = [line.removeprefix("- ") for line in found[1].splitlines() if line.startswith("- ")]
    said = [deviation.said for deviation in deviations]
    assert [line for line in lines if not any(line.startswith(start) for start in said)] == []
    assert [start for start in said if not any(line.startswith(start) for line in lines)] == []
