import random
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.filter_actions import AllowProperties, Drop, DropProperties, FilterAction, Sample, apply
from tests.unit.fql.expressions import EVENTS, nested

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


def kept(sample: Sample, users: Iterable[Any]) -> set[Any]:
    return {user for user in users if apply([sample], {"userId": user}, never) is not None}


def test_drop_drops() -> None:
    assert applied(Drop()) is None


def test_no_action_changes_nothing() -> None:
    assert applied() is EVENT


def test_properties_are_dropped_from_the_root_and_deeper() -> None:
    result = applied(DropProperties({"": ("userId",), "properties": ("a", "missing")}))
    assert result is not None
    assert result.keys() == {"type", "properties", "context"}
    assert result["properties"].keys() == {"b", "products"}
    assert result["context"] is EVENT["context"]


def test_properties_are_dropped_from_every_object_in_a_list() -> None:
    result = applied(DropProperties({"properties.products": ("price",)}))
    assert result is not None
    assert result["properties"]["products"] == [{"sku": "x"}, "odd", [{"sku": "y"}], {}]


def test_a_path_goes_on_through_the_objects_of_a_list() -> None:
    event = {"rooms": [{"bed": {"size": 1, "color": 2}}, {"bed": None}, {}]}
    result = applied(DropProperties({"rooms.bed": ("size",)}), event=event)
    assert result == {"rooms": [{"bed": {"color": 2}}, {"bed": None}, {}]}


def test_allowed_properties_alone_stay_in_the_objects_listed() -> None:
    result = applied(AllowProperties({"properties": ("a",), "missing": ("x",)}))
    assert result == {**EVENT, "properties": {"a": 1}}


def test_only_allowed_properties_stay_in_every_object_of_a_list() -> None:
    result = applied(AllowProperties({"properties.products": ("sku",)}))
    assert result is not None
    assert result["properties"]["products"] == [{"sku": "x"}, "odd", [{"sku": "y"}], {}]


@pytest.mark.parametrize(
    "action",
    [
        DropProperties({"properties": ("missing",), "context.c": ("x",), "nowhere.at.all": ("x",), "": ()}),
        AllowProperties({"context": ("c", "d"), "userId": ("x",)}),
        Sample(1),
    ],
)
def test_what_changes_nothing_returns_the_very_same_event(action: FilterAction) -> None:
    assert applied(action) is EVENT


def test_actions_apply_in_their_own_order() -> None:
    by_user = Sample(0.5, "userId")
    user = next(iter(kept(by_user, map(str, range(100)))))
    event = {"userId": user, "a": 1, "b": 2}
    actions: list[FilterAction] = [AllowProperties({"": ("a",)}), DropProperties({"": ("userId", "a")}), by_user]
    assert applied(*actions, event=event) == {}
    with pytest.raises(AssertionError, match="chance"):
        apply([Drop(), Sample(0.5)], event, never)  # sampling comes first


@pytest.mark.parametrize(("percent", "expected"), [(0, False), (-1, False), (1, True), (2, True)])
@pytest.mark.parametrize("path", [None, "userId", "missing"])
def test_nothing_and_everything_need_no_chance(percent: float, expected: bool, path: str) -> None:
    assert (applied(Sample(percent, path)) is EVENT) is expected


def test_a_sample_without_path_is_by_chance() -> None:
    assert apply([Sample(0.5)], EVENT, lambda: 0.499) is EVENT
    assert apply([Sample(0.5)], EVENT, lambda: 0.5) is None


@given(st.floats(0, 1), st.floats(0, 1), st.lists(st.text(max_size=5) | st.integers(-(2**63), 2**63), max_size=20))
def test_what_is_kept_at_a_percentage_is_kept_at_every_higher_one(one: float, other: float, users: list[Any]) -> None:
    low, high = sorted((one, other))
    assert kept(Sample(low, "userId"), users) <= kept(Sample(high, "userId"), users)


def test_a_sample_by_path_is_stable_and_keeps_its_share() -> None:
    users = [f"user-{number}" for number in range(4000)]
    first = kept(Sample(0.3, "userId"), users)
    assert kept(Sample(0.3, "userId"), users) == first
    assert 0.27 < len(first) / len(users) < 0.33


def test_a_known_value_keeps_its_place_for_ever() -> None:
    # The first 8 bytes of the MD5 of '"u3"' as a fraction, 0.4541…: other implementations of this sampling agree.
    assert kept(Sample(0.454, "userId"), ["u3"]) == set()
    assert kept(Sample(0.455, "userId"), ["u3"]) == {"u3"}


@pytest.mark.parametrize(
    "event", [{}, {"properties": {"id": None}}, {"properties": "x"}, {"properties": {"id": 10**30}}]
)
def test_an_event_without_the_value_is_sampled_by_chance(event: dict[str, Any]) -> None:
    sample = Sample(0.5, "properties.id")
    assert apply([sample], event, lambda: 0.1) is event
    assert apply([sample], event, lambda: 0.9) is None


PATHS = st.sampled_from(["", "properties", "properties.and", "traits.or.in", "context", "name"])
FIELDS = st.dictionaries(PATHS, st.lists(st.sampled_from(["and", "or", "type", "properties"]).map(str)).map(tuple))
ACTIONS = st.builds(DropProperties, FIELDS) | st.builds(AllowProperties, FIELDS) | st.builds(Sample, st.floats(), PATHS)


@given(st.lists(ACTIONS, max_size=4), EVENTS)
def test_any_event_is_taken_and_none_is_modified(actions: list[FilterAction], event: dict[str, Any]) -> None:
    before = deepcopy(event)
    result = apply(actions, event, random.Random(7).random)
    assert event == before
    assert result is None or result is event or result != event


def test_values_nested_very_deeply_are_taken() -> None:
    event = nested(100_000)
    deep: Any = []
    for _ in range(100_000):
        deep = [deep, {"price": 1}]
    actions: list[FilterAction] = [
        DropProperties({"deep": ("price",)}),
        Sample(0.5, "properties.a"),
        AllowProperties({"name": ("x",)}),
    ]
    result = apply(actions, {**event, "deep": deep}, lambda: 0.1)
    assert result is not None
    assert result["deep"][1] == {}
    assert result["name"] == {} or result["name"] == [{}]
