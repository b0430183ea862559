"""Destination filters against tsub, the filters Segment runs in browsers."""

from random import Random
from typing import Any

import pytest

from model.fql.filters import compile_filter
from model.fql.syntax import Expression
from tests.differential import filter_cases
from tests.differential.node import Reference
from tests.kit.fql_printer import to_text


def differences(reference: Reference, cases: list[tuple[Expression, list[dict[str, Any]]]]) -> list[str]:
    """Say which events a filter matches here and not in Segment, or the other way round; the shortest case first."""
    found = []
    questions = [{"ir": filter_cases.ir_of(condition), "events": events} for condition, events in cases]
    for (condition, events), answer in zip(cases, reference.ask_all("filter", questions), strict=True):
        text = to_text(condition)
        matches = compile_filter(text).matches
        theirs = answer.result or [answer.error] * len(events)
        for event, expected in zip(events, theirs, strict=True):
            if matches(event) != expected:
                found.append(f"{text} on {event}: {matches(event)} here, {expected} in Segment")
    return sorted(found, key=len)


def generated(seed: int, filters: int) -> list[tuple[Expression, list[dict[str, Any]]]]:
    draw = Random(seed)
    return [(filter_cases.expression(draw), [filter_cases.event(draw) for _ in range(5)]) for _ in range(filters)]


def test_generated_filters_match_the_same_events(reference: Reference) -> None:
    cases = generated(1, 600)
    assert differences(reference, cases) == []
    matched = [compile_filter(to_text(condition)).matches(event) for condition, events in cases for event in events]
    assert 0.2 < sum(matched) / len(matched) < 0.8  # both answers are compared


@pytest.mark.slow
def test_many_generated_filters_match_the_same_events(reference: Reference) -> None:
    for seed in range(100, 112):
        assert differences(reference, generated(seed, 1_000)) == []
