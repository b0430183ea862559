"""Mappings and events of any shape: a clear refusal, never anything else, within bounded memory and time."""

import copy
from time import process_time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.mapping.compiling import DIRECTIVES, MappingFailed, MappingInvalid, compile_mapping
from model.mapping.values import DEPTH_LIMIT, TEXT_LIMIT_CHARS

TEXTS = st.text(max_size=6) | st.sampled_from(["$.a", "a.b[0]", "{{a}}{{{b}}}", "{{ a | split: b }}", "left", "lower"])
NAMES = st.text(max_size=3) | st.sampled_from(["a", "b", "length"])
ATOMS = st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats() | TEXTS
JSON: st.SearchStrategy[Any] = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=10
)
EVENTS = st.dictionaries(NAMES, JSON, max_size=4)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Directives with the options they want, most of the time."""
    options: dict[str, st.SearchStrategy[Any]] = {
        "@path": st.sampled_from(["$.a", "a.b", "a[0]", "b.length", "$."]) | inner,
        "@template": TEXTS,
        "@literal": inner,
        "@if": st.fixed_dictionaries({"exists": inner}, optional={"then": inner, "else": inner})
        | st.fixed_dictionaries({"blank": inner, "then": inner}),
        "@case": st.fixed_dictionaries({"operator": st.sampled_from(["lower", "upper"]), "value": inner}),
        "@replace": st.fixed_dictionaries({"pattern": st.sampled_from(["a", "$&"]), "value": inner}),
        "@arrayPath": st.tuples(st.just("$.a"), inner).map(list),
        "@merge": st.fixed_dictionaries({"objects": st.lists(inner, max_size=3), "direction": st.just("left")}),
        "@transform": st.fixed_dictionaries({"apply": inner, "mapping": inner}),
        "@flatten": st.fixed_dictionaries({"separator": st.just("."), "value": inner}),
        "@json": st.fixed_dictionaries({"mode": st.sampled_from(["encode", "decode"]), "value": inner}),
        "@liquid": TEXTS,
        "@excludeWhenNull": inner,
    }
    assert options.keys() == DIRECTIVES.keys()
    right = st.one_of([values.map(lambda value, name=name: {name: value}) for name, values in options.items()])  # type: ignore[misc]
    wrong = st.dictionaries(st.sampled_from(list(DIRECTIVES)) | NAMES, inner, max_size=2)
    return right | wrong | st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)


MAPPINGS = st.recursive(ATOMS, _larger, max_leaves=8)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MAPPINGS, EVENTS)
def test_any_mapping_is_refused_or_works_on_any_event(raw: Any, event: dict[str, Any]) -> None:
    before = repr(event), repr(raw)
    try:
        mapping = compile_mapping(raw)
    except MappingInvalid as error:
        assert error.problems
        return
    try:
        made = mapping(event)
    except MappingFailed as error:
        assert str(error)
    else:
        scramble(made)  # what happens to the result later
    assert (repr(event), repr(raw)) == before


def scramble(value: Any) -> None:
    if isinstance(value, dict | list):
        for inner in list(value.values() if isinstance(value, dict) else value):
            scramble(inner)
        value.clear()


def test_a_result_shares_nothing_with_event_or_mapping() -> None:
    raw = {"x": {"deep": [1]}, "y": {"@path": "$.a"}, "z": {"@path": "$.a"}, "l": {"@literal": [{"m": 1}]}}
    event = {"a": {"b": [1, 2]}}
    mapping, raw_before, event_before = compile_mapping(raw), copy.deepcopy(raw), copy.deepcopy(event)
    first = mapping(event)
    first["y"]["b"].append(3)
    assert first["z"] == {"b": [1, 2]}
    scramble(first)
    assert (raw, event) == (raw_before, event_before)
    assert mapping(event) == {"x": {"deep": [1]}, "y": {"b": [1, 2]}, "z": {"b": [1, 2]}, "l": [{"m": 1}]}


@pytest.mark.parametrize("wrap", [lambda m: [m], lambda m: {"a": m}, lambda m: {"@literal": m}, lambda m: {"@path": m}])
def test_a_mapping_of_a_thousand_levels_is_refused(wrap: Any) -> None:
    raw: Any = {"@path": "$.a"}
    for _ in range(1_000):
        raw = wrap(raw)
    with pytest.raises(MappingInvalid, match="levels"):
        compile_mapping({"root": raw})


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize(
    "mapping",
    [
        {"x": {"@path": "$.deep"}},
        {"x": {"@template": "{{deep}}"}},
        {"x": {"@flatten": {"separator": ".", "value": {"@path": "$.deep"}}}},
        {"x": {"@excludeWhenNull": {"@path": "$.deep"}}},
        {"x": {"@json": {"mode": "encode", "value": {"@path": "$.deep"}}}},
        {"x": {"@liquid": "{{ deep }}{% if deep == other %}{% endif %}"}},
        {"x": {"@if": {"blank": {"@path": "$.deep"}, "then": 1}}},
    ],
)
def test_deep_events_are_mapped_to_a_hundred_levels_and_refused_far_beyond(mapping: Any) -> None:
    compiled = compile_mapping(mapping)
    assert compiled({"deep": nested(99), "other": nested(99)})["x"] is not None
    try:
        compiled({"deep": nested(5_000), "other": nested(5_000)})
    except MappingFailed as error:
        assert "level" in str(error) or "deep" in str(error) or "rendered" in str(error)


def test_text_that_decodes_to_too_many_levels_is_refused() -> None:
    decode = compile_mapping({"x": {"@json": {"mode": "decode", "value": {"@path": "$.a"}}}})
    assert decode({"a": "[" * 100 + "]" * 100})
    with pytest.raises(MappingFailed, match=r"x\[.@json.\]: the text holds more than 100 levels"):
        decode({"a": "[" * 101 + "]" * 101})


def test_results_that_double_with_every_step_are_refused() -> None:
    raw: Any = {"@path": "$."}
    for _ in range(10):
        raw = {"@transform": {"apply": raw, "mapping": {name: {"@path": "$."} for name in "abcdefghij"}}}
    with pytest.raises(MappingFailed, match="makes more than 4 MB"):
        compile_mapping(raw)({"event": "x"})


def test_texts_that_grow_with_every_step_are_refused() -> None:
    raw: Any = {"@path": "$.a"}
    for _ in range(20):
        raw = {"@replace": {"pattern": "a", "replacement": "a" * 10, "value": raw}}
    with pytest.raises(MappingFailed, match=f"longer than {TEXT_LIMIT_CHARS}"):
        compile_mapping({"x": raw})({"a": "a"})
    repeated = compile_mapping({"@template": "{{a}}" * 10_000})
    with pytest.raises(MappingFailed, match=f"longer than {TEXT_LIMIT_CHARS}"):
        repeated({"a": "a" * 1_000})


HOSTILE: dict[str, tuple[str, dict[str, Any]]] = {
    "many places": ("{{s}}" * 2_000, {"s": "x" * 501}),
    "many texts": ("{{s}}" * 20_000, {"s": [1, [2]]}),
    "braces that open": ("{" * 200_000, {}),
    "braces that open and close once": ("{{a}" * 50_000, {}),
    "braces that close": ("}" * 200_000, {}),
    "empty braces": ("{{}}" * 50_000, {}),
    "braces around braces": ("{{{" * 30_000 + "a" + "}}}" * 30_000, {}),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_templates_take_time_in_proportion_to_their_length(case: str) -> None:
    template, event = HOSTILE[case]
    started = process_time()
    compiled = compile_mapping({"x": {"@template": template}})
    try:
        assert len(compiled(event)["x"]) <= TEXT_LIMIT_CHARS
    except MappingFailed as error:
        assert "longer than" in str(error)
    assert process_time() - started < 1


@pytest.mark.parametrize(
    "directive",
    [
        {"@template": "{{a}}{{b}}"},
        {"@replace": {"pattern": "aa", "replacement": "b", "value": {"@path": "$.a"}}},
        {"@replace": {"pattern": "İa", "replacement": "b", "ignorecase": True, "value": {"@path": "$.a"}}},
        {"@json": {"mode": "encode", "value": {"@path": "$.l"}}},
        {"@json": {"mode": "decode", "value": {"@path": "$.j"}}},
        {"@flatten": {"separator": ".", "value": {"@path": "$.l"}}},
        {"@flatten": {"separator": ".", "value": {"@path": "$.wide"}}},
        {"@merge": {"direction": "right", "objects": [{"@path": "$.wide"}] * 20}},
        {"@arrayPath": ["$.l", {"i": {"@template": "{{k}}"}}]},
        {"@excludeWhenNull": {"@path": "$.wide"}},
        {"@if": {"blank": {"@path": "$.l"}, "then": 1}},
        {"@path": "$.a.length"},
        {"@liquid": "{{ a | size }}{{ l | json | size }}{{ a | strip | split: 'b' | size }}"},
    ],
    ids=lambda directive: next(iter(directive)),
)
def test_every_directive_is_quick_on_large_events(directive: Any) -> None:
    event = {
        "a": "aİ" * 100_000,
        "b": "b" * 100_000,
        "j": "[" + "1," * 100_000 + "1]",
        "l": [{"k": "v"}] * 20_000,
        "wide": {"n" * 100_000: {str(number): number for number in range(1_000)}},
    }
    compiled = compile_mapping({"x": directive})
    started = process_time()
    try:
        compiled(event)
    except MappingFailed as error:
        assert "more than" in str(error) or "longer than" in str(error)
    assert process_time() - started < 2


def test_a_result_deeper_than_can_be_sent_is_refused() -> None:
    raw: Any = {"@path": "$."}
    for _ in range(3):
        raw = {"@transform": {"apply": raw, "mapping": {"x": {"y": {"z": {"@path": "$."}}}}}}
    with pytest.raises(MappingFailed, match=f"more than {DEPTH_LIMIT} levels"):
        compile_mapping(raw)({"a": nested(DEPTH_LIMIT - 5)})


def test_a_failure_names_the_place_and_shows_nothing_of_the_event() -> None:
    mapping = compile_mapping({"a": [{"x": {"@path": {"@path": "$.secret"}}}]})
    with pytest.raises(MappingFailed) as failed:
        mapping({"secret": 4711})
    assert str(failed.value) == "a[0].x['@path']: the path is a number, not a text"
