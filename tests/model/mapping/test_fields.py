from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.mapping.fields import PROBLEM_LIMIT, FieldSpec, FieldType, PayloadInvalid, finish

TYPES: list[FieldType] = ["string", "number", "integer", "boolean", "object", "datetime", "any"]


def one(spec: FieldSpec, value: Any) -> Any:
    return finish({"x": value}, {"x": spec})["x"]


@pytest.mark.parametrize(
    ("type_", "value", "result"),
    [
        ("string", "a", "a"),
        ("string", 5, "5"),
        ("string", 1.0, "1"),
        ("string", True, "true"),
        ("string", ["a"], "a"),
        ("number", 1.5, 1.5),
        ("number", "1.5", 1.5),
        ("number", " -3 ", -3),
        ("number", "1e3", 1000),
        ("number", "$4,245.42", 4245.42),
        ("integer", "1,234", 1234),
        ("number", True, 1),
        ("integer", "42", 42),
        ("integer", 42.0, 42),
        ("integer", "9007199254740993", 9007199254740993),
        ("boolean", "true", True),
        ("boolean", "false", False),
        ("boolean", 1, True),
        ("boolean", 0, False),
        ("object", {"a": ""}, {"a": ""}),
        ("any", [1, None], [1, None]),
        ("datetime", "2026-01-31", "2026-01-31T00:00:00.000Z"),
        ("datetime", "2026-01-31T10:00:00+02:00", "2026-01-31T08:00:00.000Z"),
        ("datetime", "2026-01-31T08:00:00.123456Z", "2026-01-31T08:00:00.123Z"),
        ("datetime", 1769846400, "2026-01-31T08:00:00.000Z"),
        ("datetime", "1769846400", "2026-01-31T08:00:00.000Z"),
        ("datetime", 1769846400123, "2026-01-31T08:00:00.123Z"),
        ("datetime", "1769846400123", "2026-01-31T08:00:00.123Z"),
    ],
)
def test_a_value_becomes_what_the_field_has(type_: FieldType, value: Any, result: Any) -> None:
    made = one(FieldSpec(type_), value)
    assert made == result
    assert type(made) is type(result)
    assert one(FieldSpec(type_, multiple=True), [value, value]) == [result, result]


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("string", {"a": 1}),
        ("string", ["a", "b"]),
        ("number", "abc"),
        ("number", "nan"),
        ("number", "1_000"),
        ("number", "1e999"),
        ("number", float("inf")),
        ("integer", 1.5),
        ("integer", "1.5"),
        ("integer", 2**64),
        ("boolean", "yes"),
        ("boolean", 2),
        ("object", "{}"),
        ("object", [1, 2]),
        ("datetime", "soon"),
        ("datetime", "20260131"),
        ("datetime", True),
        ("datetime", 1e300),
        ("datetime", "2026-13-01"),
    ],
)
def test_a_value_that_cannot_become_one_is_told_without_showing_it(type_: FieldType, value: Any) -> None:
    with pytest.raises(PayloadInvalid, match=r"^x must be .*, not (a|an) \w+") as invalid:
        one(FieldSpec(type_), value)
    assert str(value) not in str(invalid.value).removeprefix("x must be true or false")


def test_empty_values_are_left_out_unless_they_are_allowed() -> None:
    payload: dict[str, Any] = {"a": "", "b": None, "c": "", "d": None, "e": 0, "f": False, "g": [], "h": {}}
    fields = {
        "a": FieldSpec("string"),
        "b": FieldSpec("string"),
        "c": FieldSpec("string", allow_empty=True),
        "d": FieldSpec("number", allow_null=True),
        "e": FieldSpec("number"),
        "f": FieldSpec("boolean"),
        "g": FieldSpec("string", multiple=True),
        "h": FieldSpec("object"),
    }
    assert finish(payload, fields) == {"c": "", "d": None, "e": 0, "f": False, "g": [], "h": {}}


def test_lists_lose_their_empty_items_and_single_values_become_lists() -> None:
    spec = FieldSpec("number", multiple=True)
    assert one(spec, ["1", "", None, 2]) == [1, 2]
    assert one(spec, "3") == [3]
    assert one(FieldSpec("number", multiple=True, allow_null=True), None) is None


def test_unknown_fields_are_left_out_at_every_level_that_is_described() -> None:
    item = FieldSpec("object", multiple=True, properties={"sku": FieldSpec("string"), "more": FieldSpec("object")})
    payload = {"items": [{"sku": 1, "x": 2, "more": {"y": 3}}], "other": 1}
    assert finish(payload, {"items": item}) == {"items": [{"sku": "1", "more": {"y": 3}}]}
    assert payload == {"items": [{"sku": 1, "x": 2, "more": {"y": 3}}], "other": 1}


def test_other_fields_of_an_object_are_what_they_are_said_to_be() -> None:
    fields = {"add": FieldSpec("object", properties={"n": FieldSpec("string")}, others=FieldSpec("number"))}
    assert finish({"add": {"n": 1, "x": "2", "y": ""}}, fields) == {"add": {"n": "1", "x": 2}}
    with pytest.raises(PayloadInvalid, match=r"add\.x must be a number"):
        finish({"add": {"x": "two"}}, fields)


def test_a_blank_text_is_empty() -> None:
    fields = {"id": FieldSpec("string"), "n": FieldSpec("number"), "kept": FieldSpec("string", allow_empty=True)}
    assert finish({"id": " \t", "n": " ", "kept": " "}, fields) == {"kept": " "}


def test_without_fields_only_empty_texts_at_the_root_go() -> None:
    assert finish({"a": "", "b": None, "c": {"d": ""}, "e": 0}, {}) == {"b": None, "c": {"d": ""}, "e": 0}


def test_everything_wrong_is_told_at_once() -> None:
    fields = {
        "id": FieldSpec("string", required=True),
        "user": FieldSpec("string", required=True),
        "items": FieldSpec("object", multiple=True, properties={"n": FieldSpec("integer", required=True)}),
    }
    with pytest.raises(PayloadInvalid) as invalid:
        finish({"user": "", "items": [{"n": 1}, {"n": "x"}, {}, 5]}, fields)
    assert [(problem.path, problem.message) for problem in invalid.value.problems] == [
        (("id",), "is required and is missing or empty"),
        (("user",), "is required and is missing or empty"),
        (("items", 1, "n"), "must be a whole number, not a text that can be read as one"),
        (("items", 2, "n"), "is required and is missing or empty"),
        (("items", 3), "must be an object, not a number"),
    ]
    assert "items[1].n must be a whole number" in str(invalid.value)


def test_a_thousand_wrong_items_are_not_told_one_by_one() -> None:
    with pytest.raises(PayloadInvalid) as invalid:
        one(FieldSpec("number", multiple=True), ["x"] * 1_000)
    assert len(invalid.value.problems) == PROBLEM_LIMIT


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=25),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2),
    max_leaves=6,
)


@given(
    st.sampled_from(TYPES),
    st.booleans(),
    st.booleans(),
    st.dictionaries(st.sampled_from(["x", "y"]), JSON | st.from_regex(r"[-+.0-9eETZ:]{1,24}", fullmatch=True)),
)
def test_any_payload_is_taken_or_refused_and_what_is_taken_stays(
    type_: FieldType, multiple: bool, empty: bool, payload: dict[str, Any]
) -> None:
    inner = {"y": FieldSpec("string", required=True)} if type_ == "object" else None
    fields = {"x": FieldSpec(type_, required=True, multiple=multiple, allow_null=empty, properties=inner)}
    try:
        taken = finish(payload, fields)
    except PayloadInvalid as error:
        assert error.problems
    else:
        assert finish(taken, fields) == taken or taken != taken  # noqa: PLR0124 - not-a-number differs from itself
