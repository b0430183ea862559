import random
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.fql.actions import FilterAction, MapProperties, SampleEvents, apply
from model.fql.field_edits import FieldChange
from model.fql.field_path import FieldPathInvalid
from model.mapping.errors import MappingFailed
from tests.kit.filter_actions import (
    allow_properties,
    drop,
    drop_properties,
    field_change,
    map_properties,
    sample_events,
)
from tests.model.fql.expressions import EVENTS, nested

EVENT: dict[str, Any] = {
    "type": "track",
    "userId": "u1",
    "properties": {
        "a": 1,
        "b": 2,
        "products": [{"sku": "x", "price": 5}, "odd", [{"sku": "y", "price": 6}], {"price": 7}],
    },
    "context": {"c": 3},
}


def never() -> float:
    raise AssertionError("nothing is left to chance here")


def applied(*actions: FilterAction, event: dict[str, Any] = EVENT) -> dict[str, Any] | None:
    before = deepcopy(event)
    result = apply(actions, event, never)
    assert event == before
    return result


def kept(sample: SampleEvents, users: Iterable[Any]) -> set[Any]:
    return {user for user in users if apply([sample], {"userId": user}, never) is not None}


def test_drop_drops() -> None:
    assert applied(drop()) is None


def test_no_action_changes_nothing() -> None:
    assert applied() is EVENT


def test_properties_are_dropped_from_the_root_and_deeper() -> None:
    result = applied(drop_properties({"": ("userId",), "properties": ("a", "missing")}))
    assert result is not None
    assert result.keys() == {"type", "properties", "context"}
    assert result["properties"].keys() == {"b", "products"}
    assert result["context"] is EVENT["context"]


def test_properties_are_dropped_from_every_object_in_a_list() -> None:
    result = applied(drop_properties({"properties.products": ("price",)}))
    assert result is not None
    assert result["properties"]["products"] == [{"sku": "x"}, "odd", [{"sku": "y"}], {}]


def test_a_path_goes_on_through_the_objects_of_a_list() -> None:
    event = {"rooms": [{"bed": {"size": 1, "color": 2}}, {"bed": None}, {}]}
    result = applied(drop_properties({"rooms.bed": ("size",)}), event=event)
    assert result == {"rooms": [{"bed": {"color": 2}}, {"bed": None}, {}]}


PRODUCTS: dict[str, Any] = {
    "properties": {
        "products": [{"email": "a", "id": 1, "by": {"ip": 1}}, {"email": "b"}, "c", [{"email": "d"}]],
        "mails": ["a", "b"],
        "a.b": 1,
        "a": {"b": 2, "c": 3},
        "0": 4,
    }
}


@pytest.mark.parametrize(
    ("path", "name", "gone"),
    [
        ("properties.products.0", "email", {"a"}),
        ("properties.products.1", "email", {"b"}),
        ("properties.products.3", "email", {"d"}),
        ("properties.products.3.0", "email", {"d"}),
        ("properties.products", "email", {"a", "b", "d"}),
        ("properties", "products.0.email", {"a"}),
        ("", "properties.products.email", {"a", "b", "d"}),
        ("properties.products.4", "email", set()),
        ("properties.products.-1", "email", set()),
        ("properties.products.00", "email", {"a"}),
        ("properties.products.99999999999", "email", set()),
    ],
)
def test_a_drop_reaches_the_item_it_names_or_every_item(path: str, name: str, gone: set[str]) -> None:
    result = applied(drop_properties({path: (name,)}), event=PRODUCTS)
    assert result is not None
    first, second, text, inner = result["properties"]["products"]
    left = {item["email"] for item in (first, second, *inner) if "email" in item}
    assert left == {"a", "b", "d"} - gone
    assert (first["id"], text) == (1, "c")
    assert (result is PRODUCTS) is (gone == set())


def test_an_item_that_is_dropped_leaves_its_place_empty() -> None:
    action = drop_properties({"properties.mails": ("0", "1", "2"), "properties.products": ("2",)})
    result = applied(action, event=PRODUCTS)
    assert result is not None
    assert result["properties"]["mails"] == [None, None]
    assert result["properties"]["products"][2] is None
    assert result["properties"]["products"][0] == PRODUCTS["properties"]["products"][0]


@pytest.mark.parametrize(
    ("path", "name", "literal", "inner"),
    [
        ("properties", "a.b", False, False),
        ("properties", r"a\.b", False, True),
        ("properties.a", "b", True, False),
        (r"properties.\a", r"\b", True, False),
    ],
)
def test_a_name_with_a_dot_is_dropped_in_both_its_meanings(path: str, name: str, literal: bool, inner: bool) -> None:
    result = applied(drop_properties({path: (name,)}), event=PRODUCTS)
    assert result is not None
    assert ("a.b" in result["properties"], "b" in result["properties"]["a"]) == (literal, inner)
    assert result["properties"]["a"]["c"] == 3
    assert result["properties"]["0"] == 4


def test_allowed_names_are_no_paths() -> None:
    assert applied(allow_properties({"properties": ("a.b", r"0")}), event=PRODUCTS) == {
        "properties": {"a.b": 1, "0": 4}
    }
    result = applied(allow_properties({"properties.products.0": ("id",)}), event=PRODUCTS)
    assert result is not None
    assert result["properties"]["products"] == [{"id": 1}, *PRODUCTS["properties"]["products"][1:]]


MAPPED: dict[str, Any] = {
    "userId": "u1",
    "properties": {
        "n": 5,
        "zero": 0,
        "none": None,
        "list": [{"n": 1}, {"n": 2.5}, "x"],
        "name": "N",
        "inner": {"k": [1]},
    },
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"properties.plan": field_change("free")}, {"plan": "free"}),
        ({"properties.n": field_change(None)}, {"n": None}),
        ({"properties.n": field_change({"a": 1})}, {"n": {"a": 1}}),
        ({"properties.user": field_change(copy="userId")}, {"user": "u1"}),
        ({"properties.first": field_change(copy="properties.list.0.n")}, {"first": 1}),
        ({"properties.n": field_change(copy="properties.nothing")}, {}),
        ({"properties.n": field_change(copy="properties.none")}, {"n": None}),
        ({"properties.total": field_change(move="properties.n")}, {"total": 5, "n": ...}),
        ({"properties.total": field_change(move="properties.zero")}, {"total": 0, "zero": ...}),
        ({"properties.total": field_change(move="properties.nothing")}, {}),
        (
            {
                "properties.nothing.total": field_change(move="properties.n"),
                "traits.n": field_change(move="properties.zero"),
            },
            {},
        ),
        (
            {"properties.inner.k": field_change(move="properties.n"), "x": field_change(move="properties.nope")},
            {"inner": {"k": 5}, "n": ...},
        ),
        (
            {
                "properties.n": field_change(move="properties.name"),
                "properties.name": field_change(move="properties.n"),
            },
            {"n": "N", "name": 5},
        ),
        (
            {"properties.name": field_change(7), "properties.n": field_change(copy="properties.name")},
            {"name": 7, "n": "N"},
        ),
        ({"properties.inner": field_change(move="properties.inner.k")}, {"inner": [1]}),
        ({"properties.n": field_change(to_string=True)}, {"n": "5"}),
        ({"properties.none": field_change(to_string=True)}, {"none": "null"}),
        ({"properties.n": field_change(True, to_string=True)}, {"n": "true"}),
        ({"properties.n": field_change(5e-7, to_string=True)}, {"n": "5e-7"}),
        ({"properties.n": field_change(2.0, to_string=True)}, {"n": "2"}),
        ({"properties.x": field_change(copy="properties.n", to_string=True)}, {"x": "5"}),
        ({"properties.inner": field_change(to_string=True), "properties.name": field_change(to_string=True)}, {}),
        ({"properties.nothing": field_change(to_string=True)}, {}),
        (
            {
                "properties.nothing.deeper": field_change(1),
                "properties.n.deeper": field_change(1),
                "traits.x": field_change(1),
            },
            {},
        ),
        ({"properties.list.1.n": field_change(0)}, {"list": [{"n": 1}, {"n": 0}, "x"]}),
        ({"properties.list.n": field_change(to_string=True)}, {"list": [{"n": "1"}, {"n": "2.5"}, "x"]}),
        ({"properties.list.n": field_change("gone")}, {"list": [{"n": "gone"}, {"n": "gone"}, "x"]}),
        ({"properties.list.2": field_change("y")}, {"list": [{"n": 1}, {"n": 2.5}, "y"]}),
        ({"properties.list.3": field_change("y")}, {}),
        ({r"properties.a\.b": field_change(1)}, {"a.b": 1}),
    ],
)
def test_properties_are_mapped(changes: dict[str, FieldChange], expected: dict[str, Any]) -> None:
    result = applied(map_properties(changes), event=MAPPED)
    assert result is not None
    properties = {name: value for name, value in {**MAPPED["properties"], **expected}.items() if value is not ...}
    assert result == {"userId": "u1", "properties": properties}
    assert (result is MAPPED) is (expected == {})


def test_what_was_dropped_is_not_there_to_be_copied() -> None:
    drop = drop_properties({"properties": ("n",)})
    result = applied(map_properties({"properties.kept": field_change(copy="properties.n")}), drop, event=MAPPED)
    assert result is not None
    assert "kept" not in result["properties"]


def test_an_event_that_grows_out_of_bounds_is_refused() -> None:
    double = map_properties({"a": field_change(copy="b"), "b.x": field_change(copy="a"), "b.y": field_change(copy="b")})
    event: dict[str, Any] = {"a": {}, "b": {"text": "x" * 10_000}}
    with pytest.raises(MappingFailed, match="more than 4 MB of one event"):
        for _ in range(100):
            event = apply([double], event, never) or {}


@pytest.mark.parametrize("path", ["$.a", "a..b", ".a", "a.", "a[0].b", "a[].b", "a.*.b", "a.$.b", "a\\", "x" * 1_001])
def test_a_path_that_would_lead_nowhere_raises(path: str) -> None:
    actions: list[FilterAction] = [
        drop_properties({path: ("a",)}),
        drop_properties({"": (path,)}),
        allow_properties({path: ("a",)}),
        map_properties({path: field_change(1)}),
        map_properties({"a": field_change(copy=path)}),
        sample_events(0.5, path),
    ]
    for action in actions:
        with pytest.raises(FieldPathInvalid):
            apply([action], EVENT, never)


def test_allowed_properties_alone_stay_in_the_objects_listed() -> None:
    result = applied(allow_properties({"properties": ("a",), "missing": ("x",)}))
    assert result == {**EVENT, "properties": {"a": 1}}


def test_only_allowed_properties_stay_in_every_object_of_a_list() -> None:
    result = applied(allow_properties({"properties.products": ("sku",)}))
    assert result is not None
    assert result["properties"]["products"] == [{"sku": "x"}, "odd", [{"sku": "y"}], {}]


@pytest.mark.parametrize(
    "action",
    [
        drop_properties({"properties": ("missing",), "context.c": ("x",), "nowhere.at.all": ("x",), "": ()}),
        allow_properties({"context": ("c", "d"), "userId": ("x",)}),
        sample_events(1),
    ],
)
def test_what_changes_nothing_returns_the_very_same_event(action: FilterAction) -> None:
    assert applied(action) is EVENT


def test_actions_apply_in_their_own_order() -> None:
    by_user = sample_events(0.5, "userId")
    user = next(iter(kept(by_user, map(str, range(100)))))
    event = {"userId": user, "a": 1, "b": 2}
    actions: list[FilterAction] = [allow_properties({"": ("a",)}), drop_properties({"": ("userId", "a")}), by_user]
    assert applied(*actions, event=event) == {}
    with pytest.raises(AssertionError, match="chance"):
        apply([drop(), sample_events(0.5)], event, never)  # sampling comes first


@pytest.mark.parametrize(("percent", "expected"), [(0, False), (-1, False), (1, True), (2, True)])
@pytest.mark.parametrize("path", [None, "userId", "missing"])
def test_nothing_and_everything_need_no_chance(percent: float, expected: bool, path: str) -> None:
    assert (applied(sample_events(percent, path)) is EVENT) is expected


def test_a_sample_without_path_is_by_chance() -> None:
    assert apply([sample_events(0.5)], EVENT, lambda: 0.499) is EVENT
    assert apply([sample_events(0.5)], EVENT, lambda: 0.5) is None


@given(st.floats(0, 1), st.floats(0, 1), st.lists(st.text(max_size=5) | st.integers(-(2**63), 2**63), max_size=20))
def test_what_is_kept_at_a_percentage_is_kept_at_every_higher_one(one: float, other: float, users: list[Any]) -> None:
    low, high = sorted((one, other))
    assert kept(sample_events(low, "userId"), users) <= kept(sample_events(high, "userId"), users)


def test_a_sample_by_path_is_stable_and_keeps_its_share() -> None:
    users = [f"user-{number}" for number in range(4000)]
    first = kept(sample_events(0.3, "userId"), users)
    assert kept(sample_events(0.3, "userId"), users) == first
    assert 0.27 < len(first) / len(users) < 0.33


def test_a_known_value_keeps_its_place_for_ever() -> None:
    # The first 8 bytes of the MD5 of '"u3"' as a fraction, 0.4541…: other implementations of this sampling agree.
    assert kept(sample_events(0.454, "userId"), ["u3"]) == set()
    assert kept(sample_events(0.455, "userId"), ["u3"]) == {"u3"}


@pytest.mark.parametrize(
    "event", [{}, {"properties": {"id": None}}, {"properties": "x"}, {"properties": {"id": 10**30}}]
)
def test_an_event_without_the_value_is_sampled_by_chance(event: dict[str, Any]) -> None:
    sample = sample_events(0.5, "properties.id")
    assert apply([sample], event, lambda: 0.1) is event
    assert apply([sample], event, lambda: 0.9) is None


PATHS = st.sampled_from(["", "properties", "properties.and", "traits.or.in", "context", "name"])
FIELDS = st.dictionaries(PATHS, st.lists(st.sampled_from(["and", "or", "type", "properties"]).map(str)).map(tuple))
INNER = st.sampled_from(["properties.and", "traits.or.in", "context.0", "name", "properties.0.type"])
CHANGES = st.one_of(
    st.builds(field_change, st.just(1), to_string=st.booleans()),
    st.builds(field_change, copy=INNER, to_string=st.booleans()),
    st.builds(field_change, move=INNER),
)
ACTIONS = st.one_of(
    st.builds(drop_properties, FIELDS),
    st.builds(allow_properties, FIELDS),
    st.builds(sample_events, st.floats(), PATHS),
    st.builds(map_properties, st.dictionaries(INNER, CHANGES, max_size=3)),
)


@given(st.lists(ACTIONS, max_size=4), EVENTS)
def test_any_event_is_taken_and_none_is_modified(actions: list[FilterAction], event: dict[str, Any]) -> None:
    before = deepcopy(event)
    result = apply(actions, event, random.Random(7).random)
    assert event == before
    maps = any(isinstance(action, MapProperties) for action in actions)
    assert result is None or result is event or result != event or maps


def test_a_number_is_sampled_as_javascript_writes_it() -> None:
    for percent in (0.1, 0.3, 0.5, 0.7, 0.9):
        assert kept(sample_events(percent, "userId"), [5.0]) == kept(sample_events(percent, "userId"), [5])


def test_values_nested_very_deeply_are_taken() -> None:
    event = nested(100_000)
    deep: Any = []
    for _ in range(100_000):
        deep = [deep, {"price": 1}]
    actions: list[FilterAction] = [
        drop_properties({"deep": ("price",)}),
        sample_events(0.5, "properties.a"),
        allow_properties({"name": ("x",)}),
    ]
    result = apply(actions, {**event, "deep": deep}, lambda: 0.1)
    assert result is not None
    assert result["deep"][1] == {}
    with pytest.raises(MappingFailed, match="more than 200 levels"):
        apply([map_properties({"deep.price": field_change(2)})], {**event, "deep": deep}, never)
    assert result["name"] == {} or result["name"] == [{}]
