"""The same mappings and events through Segment's mapping kit and through Waybill: the results are the same."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.differential.comparing import Made, as_sent, map_with_waybill
from tests.differential.deviations import DEVIATIONS, FAILED, REFUSED, Deviation
from tests.differential.node import Reference
from tests.differential.strategies import EVENTS, MAPPINGS

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "delivering.md"
COMMON = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def check_mapping(reference: Reference, mapping: dict[str, Any], event: dict[str, Any]) -> None:
    answer = reference.ask("mapping", {"mapping": mapping, "event": event})
    made = map_with_waybill(mapping, event)
    if answer.error is None:
        assert (made.refused, made.failed) == (None, None)
        assert as_sent(made.result) == as_sent(answer.result)


@settings(COMMON, max_examples=150)
@given(mapping=MAPPINGS, event=EVENTS)
def test_mappings_make_what_segment_makes(reference: Reference, mapping: dict[str, Any], event: dict[str, Any]) -> None:
    check_mapping(reference, mapping, event)


@pytest.mark.slow
@settings(COMMON, max_examples=2_000)
@given(mapping=MAPPINGS, event=EVENTS)
def test_two_thousand_mappings_make_what_segment_makes(
    reference: Reference, mapping: dict[str, Any], event: dict[str, Any]
) -> None:
    check_mapping(reference, mapping, event)


A = {"@path": "$.a"}


@pytest.mark.parametrize(
    ("mapping", "event"),
    [
        ({"x": {"@arrayPath": [{"@path": "$.p"}, {"i": {"@path": "$.id"}}]}}, {"p": [{"id": 1}, {}, 5, None]}),
        ({"x": {"@arrayPath": [{"@if": {"exists": A, "then": A, "else": []}}, {"i": {"@path": "$"}}]}}, {"p": 1}),
        ({"x": {"@arrayPath": [{"@literal": [{"id": A}]}, {"i": {"@path": "$.id"}}]}}, {"a": 7}),
        ({"x": {"@arrayPath": ["$.a", {}]}}, {"a": [{"id": 1}, 2]}),
        ({"x": {"@arrayPath": ["$.a", []]}}, {"a": [{"id": 1}, 2]}),
        ({"x": {"@arrayPath": ["$.a", "text"]}}, {"a": {"id": 1}}),
        ({"x": {"@arrayPath": [{"@path": "$.none"}, {"i": 1}]}}, {}),
        ({"@merge": {"direction": "right", "objects": [{"a": 1, "b": 2}, {"a": {"@path": "$.none"}}]}}, {}),
        ({"@merge": {"direction": "left", "objects": [{"@excludeWhenNull": A}, {"b": 2, "c": 3}]}}, {"a": {"b": None}}),
        ({"x": {"@flatten": {"separator": ".", "value": A}}}, {"a": {"": {"b": 1}, "1": 2, "c": [[], {}]}}),
        ({"x": {"@flatten": {"separator": ".", "value": {"@path": "$.none"}}}}, {}),
        (
            {"x": {"@json": {"mode": "encode", "value": A}}},
            {"a": {"f": 3.0, "e": 1e21, "s": 1e-7, "n": -0.0, "1": [""]}},
        ),
        ({"x": {"@json": {"mode": "encode", "value": A}}}, {"a": '\u2028\u007f\x1f\\"/é😀'}),
        ({"x": {"@json": {"mode": "encode", "value": [{"@path": "$.none"}, {"y": {"@path": "$.none"}}]}}}, {}),
        ({"x": {"@replace": {"pattern": "s", "ignorecase": True, "value": A}}}, {"a": "sSſ-ıIi-Kk"}),
        ({"x": {"@replace": {"pattern": "a", "value": ""}}, "y": {"@case": {"operator": "upper", "value": ""}}}, {}),
        (
            {"x": {"@template": "{{{{a}} {{}} {{{a}} {{a{b}} {{b.0}} {{b.length}} {{$.a}}"}},
            {"a": [1, [None]], "b": "é😀"},
        ),
        ({"x": {"@path": "$.a.0"}, "y": {"@path": "$.a.length"}, "z": {"@path": "$.it's"}}, {"a": "xy", "its": 1}),
        ({"x": {"@if": {"exists": None, "blank": A, "then": 1, "else": 2}}}, {"a": 1}),
    ],
)
def test_what_mappings_are_known_to_rely_on(reference: Reference, mapping: Any, event: dict[str, Any]) -> None:
    answer = reference.ask("mapping", {"mapping": mapping, "event": event})
    assert answer.error is None
    assert as_sent(map_with_waybill(mapping, event).result) == as_sent(answer.result)


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda deviation: deviation.title)
def test_each_known_deviation_deviates_as_the_document_says(reference: Reference, deviation: Deviation) -> None:
    told = " ".join(DOCUMENT.read_text().split())
    assert f"- **{deviation.title}.** {deviation.reason}" in told
    for mapping, event, expected in deviation.examples:
        made = map_with_waybill(mapping, event)
        if expected is REFUSED:
            assert made.refused
        elif expected is FAILED:
            assert made.failed
        else:
            assert made == Made(expected)
        answer = reference.ask("mapping", {"mapping": mapping, "event": event})
        assert answer.error is None
        assert made != Made(answer.result)


def test_the_document_lists_no_other_deviation() -> None:
    section = DOCUMENT.read_text().partition("### Mappings\n")[2].partition("\n### ")[0]
    assert section.count("\n- **") == len(DEVIATIONS)
