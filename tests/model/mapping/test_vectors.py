"""What Segment's users know: mapping, event, result."""

from typing import Any

import pytest

from model.mapping.compiling import compile_mapping

A = {"@path": "$.a"}
IF_EXISTS = {"@if": {"exists": A, "then": 1, "else": 2}}
IF_BLANK = {"@if": {"blank": A, "then": 1, "else": 2}}
REPLACE = {"pattern": "-", "replacement": "", "value": A}
ARRAY = {"@arrayPath": ["$.p", {"id": {"@path": "$.k"}}]}


@pytest.mark.parametrize(
    ("mapping", "event", "result"),
    [
        ({"@path": "$.a.b"}, {"a": 0}, 0),
        ({"@path": "$.a.b"}, {"a": ""}, ""),
        ({"@path": "$.a.b"}, {"a": False}, False),
        ({"x": {"@path": "$.a.b"}}, {"a": None}, {"x": None}),
        ({"x": {"@path": "$.a.b"}}, {"a": "str"}, {}),
        ({"x": {"@path": "$.a.b"}}, {"a": 7}, {}),
        ({"@path": ""}, {"a": 1}, {"a": 1}),
        ({"@path": "$."}, {"a": 1}, {"a": 1}),
        ({"@path": "."}, {"a": 1}, {"a": 1}),
        ({"@path": "$"}, {"a": 1}, {"a": 1}),
        ({"@path": {"@path": "$.k"}}, {"k": "a", "a": 1}, 1),
        ({"@path": "a.length"}, {"a": "four"}, 4),
        ({"@path": "a.length"}, {"a": "😀"}, 2),
        ({"@path": "a.length"}, {"a": [1, 2]}, 2),
        ({"@path": "a.0.n"}, {"a": [{"n": 5}]}, 5),
        ({"@path": "a.1"}, {"a": "xyz"}, "y"),
        ({"@path": "$.it's"}, {"its": 1}, 1),
        ({"x": {"@path": "a.3"}}, {"a": "xyz"}, {}),
        ({"@path": "a[0].n"}, {"a": [{"n": 5}]}, 5),
        ({"@path": "$['a b']['c.d']"}, {"a b": {"c.d": 1}}, 1),
        ({"@path": '$.x["y"].z'}, {"x": {"y": {"z": 1}}}, 1),
        ({"@path": "$.a[b].c"}, {"a[b]": {"c": 1}}, 1),
        ({"@path": "$.first name"}, {"first name": 1}, 1),
        ({"x": {"@path": "$.a[2]"}}, {"a": [1, 2]}, {}),
        ({"x": {"@path": "$.none"}, "y": None}, {}, {"y": None}),
        ({"x": [1, {"@path": "$.none"}]}, {}, {"x": [1, None]}),
        ({"x": {"y": {"@path": "$.none"}}}, {}, {"x": {}}),
        (IF_EXISTS, {"a": None}, 2),
        (IF_EXISTS, {}, 2),
        (IF_EXISTS, {"a": 0}, 1),
        (IF_BLANK, {"a": 0}, 2),
        (IF_BLANK, {"a": False}, 2),
        (IF_BLANK, {"a": ""}, 2),
        (IF_BLANK, {"a": []}, 2),
        (IF_BLANK, {"a": [None]}, 2),
        (IF_BLANK, {}, 2),
        (IF_BLANK, {"a": "0"}, 1),
        (IF_BLANK, {"a": " "}, 1),
        (IF_BLANK, {"a": {}}, 1),
        (IF_BLANK, {"a": [0]}, 1),
        ({"x": {"@if": {"exists": {"@path": "$.none"}, "then": 1, "else": 0}}}, {}, {}),
        ({"x": {"@if": {"exists": {"@path": "$.none"}, "then": 1, "else": A}}}, {"a": 0}, {"x": 0}),
        ({"@if": {"exists": A, "then": 0, "else": 1}}, {"a": 1}, 0),
        ({"x": {"@if": {"exists": A, "else": 1}}}, {"a": 1}, {}),
        ({"@template": "{{a{b}}|{{{{a}}|{{}}|{a}|{{a}|{{a} }}"}, {"a": 1}, "||{{}}|{a}|{{a}|{{a} }}"),
        ({"@template": "{{a}}-{{b}}"}, {"a": 1}, "1-"),
        ({"@template": "{{$.a}}"}, {"a": 1}, ""),
        ({"@template": "{{{ a.b }}}!"}, {"a": {"b": "<&>"}}, "<&>!"),
        ({"@template": "{{a}}"}, {"a": "{{b}}", "b": "secret"}, "{{b}}"),
        ({"@template": "{{{a}}}"}, {"a": "{{b}}", "b": "secret"}, "{{b}}"),
        ({"@template": "{{a}}"}, {"a": [1, [2, None], True]}, "1,2,,true"),
        ({"@template": "{{a}} }} {{"}, {"a": {"b": 1}}, "[object Object] }} {{"),
        ({"@template": "{{a}}"}, {"a": 1.0}, "1"),
        ({"@literal": {"x": A, "y": [1]}}, {"a": 7}, {"x": 7, "y": [1]}),
        ({"@case": {"operator": "upper", "value": A}}, {"a": 7}, 7),
        ({"@case": {"operator": "upper", "value": A}}, {"a": "Ab"}, "AB"),
        ({"@case": {"operator": "lower", "value": A}}, {"a": "Ab"}, "ab"),
        ({"x": {"@case": {"operator": "lower"}}}, {"a": "Ab"}, {}),
        ({"@replace": REPLACE}, {"a": "x-y-z"}, "xyz"),
        ({"@replace": {**REPLACE, "global": False}}, {"a": "x-y-z"}, "xy-z"),
        ({"@replace": REPLACE}, {"a": True}, "true"),
        ({"@replace": REPLACE}, {"a": -5}, "5"),
        ({"@replace": REPLACE}, {"a": None}, ""),
        ({"@replace": REPLACE}, {}, ""),
        ({"@replace": REPLACE}, {"a": ["-"]}, ""),
        ({"@replace": {"pattern": ".", "value": A}}, {"a": "a.b"}, "ab"),
        ({"@replace": {"pattern": "s", "replacement": "z", "ignorecase": True, "value": A}}, {"a": "sSſ"}, "zzſ"),
        ({"x": {"@replace": {"pattern": ".", "value": ""}}}, {}, {}),
        ({"@replace": {"pattern": "A", "replacement": "<$&$$>", "value": A}}, {"a": "aA"}, "a<A$>"),
        ({"@replace": {"pattern": "A", "replacement": "<$&$1>", "ignorecase": True, "value": A}}, {"a": "a"}, "<a$1>"),
        ({"@replace": {"pattern": "A", "ignorecase": True, "global": False, "value": A}}, {"a": "aA"}, "A"),
        ({"@replace": {**REPLACE, "pattern2": "x", "replacement2": "yy"}}, {"a": "x-x"}, "yyyy"),
        (ARRAY, {"p": {"k": 1}}, [{"id": 1}]),
        (ARRAY, {"p": [{"k": 1}, {"k": 2}, {}]}, [{"id": 1}, {"id": 2}, {}]),
        (ARRAY, {"p": 5}, 5),
        ({"x": ARRAY}, {}, {}),
        ({"@arrayPath": ["$.p", {"@path": "$.k"}]}, {"p": [{"k": 1}, {}]}, [1, None]),
        ({"@arrayPath": [{"@path": "$.p"}]}, {"p": {"k": 1}}, {"k": 1}),
        ({"@arrayPath": [{"@path": "$.p"}, {"i": {"@path": "$.k"}}]}, {"p": [{"k": 1}]}, [{"i": 1}]),
        ({"@arrayPath": [{"@literal": [{"k": A}]}, {"i": {"@path": "$.k"}}]}, {"a": 7}, [{"i": 7}]),
        ({"@arrayPath": [{"@path": "$.p"}, {"i": 1}]}, {"p": "text"}, "text"),
        ({"@arrayPath": ["$.p", {}]}, {"p": [{"k": 1}, 2]}, [{"k": 1}, 2]),
        ({"@arrayPath": ["$.p", [A]]}, {"p": [{"a": 1}]}, [{"a": 1}]),
        ({"@merge": {"direction": "left", "objects": [{"a": 1}, {"a": 2}]}}, {}, {"a": 1}),
        ({"@merge": {"direction": "right", "objects": [{"a": 1, "b": 3}, {"a": 2}]}}, {}, {"a": 2, "b": 3}),
        ({"@merge": {"direction": "right", "objects": [{"a": 1}, {"a": {"@path": "$.none"}, "b": 2}]}}, {}, {"b": 2}),
        ({"@merge": {"direction": "right", "objects": [{"a": 1}, {"@excludeWhenNull": {"a": None}}]}}, {}, {}),
        (
            {"@merge": {"direction": "right", "objects": [{"a": {"x": 1}}, A, {"b": 1}]}},
            {"a": "text"},
            {"a": {"x": 1}, "b": 1},
        ),
        ({"@transform": {"apply": {"n": A}, "mapping": {"m": {"@path": "$.n"}, "o": A}}}, {"a": 1}, {"m": 1}),
        ({"@json": {"mode": "decode", "value": A}}, {"a": "{bad"}, "{bad"),
        ({"@json": {"mode": "decode", "value": A}}, {"a": '{"b": [1]}'}, {"b": [1]}),
        ({"@json": {"mode": "decode", "value": A}}, {"a": 5}, 5),
        ({"@json": {"mode": "encode", "value": A}}, {"a": {"b": [1, None]}}, '{"b":[1,null]}'),
        ({"x": {"@json": {"mode": "encode", "value": A}}}, {}, {}),
        (
            {"@json": {"mode": "encode", "value": A}},
            {"a": [3.0, 1e21, 1e-7, -0.0, "é\x01"]},
            '[3,1e+21,1e-7,0,"é\\u0001"]',
        ),
        ({"@json": {"mode": "encode", "value": [{"@path": "$.none"}, {"b": {"@path": "$.none"}}]}}, {}, "[null,{}]"),
        ({"@flatten": {"separator": ".", "value": A}}, {"a": {"b": [1, {"c": 2}]}}, {"b.0": 1, "b.1.c": 2}),
        (
            {"@flatten": {"separator": ".", "value": A, "omitArrays": True}},
            {"a": {"b": [1, {"c": 2}], "d": {"e": 3}}},
            {"b": [1, {"c": 2}], "d.e": 3},
        ),
        ({"@flatten": {"separator": ".", "value": A}}, {"a": 5}, 5),
        ({"@flatten": {"separator": ".", "value": A}}, {"a": {"": {"b": 1}}}, {"b": 1}),
        ({"@flatten": {"separator": ".", "value": [{"@path": "$.none"}, 1]}}, {}, {"1": 1}),
        ({"@flatten": {"separator": ".", "value": A}}, {}, {}),
        ({"x": {"@excludeWhenNull": A}}, {"a": {"b": None, "c": 1}}, {"x": {"c": 1}}),
        ({"x": {"@excludeWhenNull": A}}, {"a": {"b": {"d": None}, "c": [None]}}, {"x": {"b": {}, "c": [None]}}),
        ({"x": {"@excludeWhenNull": A}}, {"a": None}, {}),
        ({"@path": "$.a", "_metadata": {"label": "x"}}, {"a": 1}, 1),
        (
            {"__segment_internal_directive": {"@transform": {"apply": A}}, "x": {"@path": "$.b"}},
            {"a": {"b": 1}},
            {"x": 1},
        ),
        ({"__segment_internal_sync_mode": "add", "__segment_internal_matching_key": "k", "x": 1}, {}, {"x": 1}),
    ],
)
def test_a_mapping_makes_of_an_event_what_segment_makes(mapping: Any, event: dict[str, Any], result: Any) -> None:
    made = compile_mapping(mapping)(event)
    assert made == result
    assert type(made) is type(result)


def test_a_mapping_to_nothing_gives_none() -> None:
    assert compile_mapping({"@path": "$.none"})({}) is None


def test_an_object_whose_fields_are_all_missing_says_nothing() -> None:
    mapping = {"x": {"@first": [{"a": {"@path": "$.none"}}, {"@path": "$.b"}]}}
    assert compile_mapping(mapping)({"b": 1}) == {"x": 1}
