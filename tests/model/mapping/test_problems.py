"""Everything wrong with a mapping is told at once, each with its place."""

from typing import Any

import pytest

from model.mapping.compiling import MappingInvalid, compile_mapping

A = {"@path": "$.a"}


def problems(mapping: Any) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(MappingInvalid) as invalid:
        compile_mapping(mapping)
    assert all(problem.remedy for problem in invalid.value.problems)
    return {problem.path: problem.message for problem in invalid.value.problems}


@pytest.mark.parametrize(
    ("mapping", "path", "words"),
    [
        ([], (), "a mapping is an object, not a list"),
        ("text", (), "not a text"),
        ({"x": {"foo": "bar", **A}}, ("x",), "field 'foo' stands beside directive '@path'"),
        ({**A, "@template": "x"}, (), "two directives in one object"),
        ({"x": [{"@pth": "$.a"}]}, ("x", 0, "@pth"), "there is no directive '@pth'"),
        ({"@path": 5}, ("@path",), "not a number"),
        ({"@path": {"x": 1}}, ("@path",), "not an object"),
        ({"@template": A}, ("@template",), "must be a text"),
        ({"@template": "{{ }}"}, ("@template",), "no path between the braces"),
        ({"@if": {"then": 1}}, ("@if",), "neither exists nor blank"),
        ({"@if": {"exists": False, "then": 1}}, ("@if",), "neither exists nor blank"),
        ({"@if": {"exists": A, "blank": A}}, ("@if",), "both exists and blank"),
        ({"@if": {"exists": A, "than": 1}}, ("@if", "than"), "no option 'than'"),
        ({"@if": A}, ("@if",), "not a directive"),
        ({"@if": 3}, ("@if",), "not a number"),
        ({"@case": {"operator": "Upper", "value": A}}, ("@case", "operator"), "must be lower or upper"),
        ({"@case": {"value": A}}, ("@case",), "operator is not given"),
        ({"@replace": {"pattern": "12345678901", "value": A}}, ("@replace", "pattern"), "not one of 11"),
        ({"@replace": {"pattern": "", "value": A}}, ("@replace", "pattern"), "not one of 0"),
        ({"@replace": {"pattern": 5, "value": A}}, ("@replace", "pattern"), "not a number"),
        ({"@replace": {"pattern": "x", "pattern2": "", "value": A}}, ("@replace", "pattern2"), "not one of 0"),
        (
            {"@replace": {"pattern": "x", "replacement": "12345678901", "value": A}},
            ("@replace", "replacement"),
            "not one of 11",
        ),
        ({"@replace": {"pattern": "x", "replacement": "$`", "value": A}}, ("@replace", "replacement"), "$` is not"),
        ({"@replace": {"pattern": "x", "global": "no", "value": A}}, ("@replace", "global"), "true or false"),
        ({"@arrayPath": "$.p"}, ("@arrayPath",), "must be a list"),
        ({"@arrayPath": []}, ("@arrayPath",), "must be a list"),
        ({"@arrayPath": [7, {}]}, ("@arrayPath", 0), "must be a path"),
        ({"@merge": {"objects": []}}, ("@merge",), "direction is not given"),
        ({"@merge": {"objects": [], "direction": "Left"}}, ("@merge", "direction"), "must be left or right"),
        ({"@merge": {"objects": A, "direction": "left"}}, ("@merge", "objects"), "must be a list"),
        ({"@transform": {"apply": A}}, ("@transform",), "mapping is not given"),
        ({"@flatten": {"value": A}}, ("@flatten",), "separator is not given"),
        ({"@flatten": {"value": A, "separator": 1}}, ("@flatten", "separator"), "not a number"),
        ({"@json": {"mode": "parse", "value": A}}, ("@json", "mode"), "must be encode or decode"),
        ({"@liquid": "{% for i in properties.l %}{% endfor %}"}, ("@liquid",), "unexpected tag 'for'"),
        ({"@liquid": "x" * 1001}, ("@liquid",), "not one of 1001"),
        ({"__segment_internal_directive": A, "x": 1}, ("__segment_internal_directive",), "@transform"),
        ({"x": object()}, ("x",), "no JSON value"),
        ({5: 1}, (), "the name of a field is a number"),
    ],
)
def test_a_mistake_is_told_with_its_place(mapping: Any, path: tuple[str | int, ...], words: str) -> None:
    found = problems(mapping)
    assert list(found) == [path]
    assert words in found[path]


def test_one_mistake_does_not_hide_another() -> None:
    mapping = {
        "a": {"@nope": {}},
        "b": {"@if": {"exists": {"@path": None}, "then": [{"@template": 1}], "els": 2}},
        "c": {"@replace": {"pattern": "", "value": {"@case": {}}}},
        "__segment_internal_directive": {"@transform": {"apply": {"@path": 1}}},
    }
    assert set(problems(mapping)) == {
        ("a", "@nope"),
        ("b", "@if", "exists", "@path"),
        ("b", "@if", "then", 0, "@template"),
        ("b", "@if", "els"),
        ("c", "@replace", "pattern"),
        ("c", "@replace", "value", "@case"),
        ("__segment_internal_directive", "@transform", "apply", "@path"),
    }


def test_the_text_of_the_error_names_every_place() -> None:
    with pytest.raises(MappingInvalid, match=r"(?s)a\[.@path.\]: must be .*b\[.@pat.\]: .* Did you mean '@path'\?"):
        compile_mapping({"a": {"@path": 1}, "b": {"@pat": "$.x"}})
