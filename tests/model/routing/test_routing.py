from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.recording.facts import State
from model.routing.compile import compile_connections
from model.routing.routing import RouteResult, route
from tests.kit.workspaces import connection, webhook, workspace

EVENT = {
    "type": "track",
    "event": "Order Completed",
    "userId": "u1",
    "properties": {"total": 5, "email": "ada@example.com"},
}


def routed(
    event: dict[str, Any] = EVENT, destination: dict[str, Any] | None = None, **settings: Any
) -> list[RouteResult]:
    made = workspace([destination or webhook("crm")], [connection("web", "crm", **settings)])
    ((plan,),) = compile_connections(made).values()
    return route(plan, event, orjson.dumps(event), "0:17:crm")


def ends(found: list[RouteResult]) -> list[tuple[State | None, str]]:
    return [(one.state, one.code) for one in found]


def test_without_anything_configured_the_whole_event_is_one_delivery_byte_for_byte() -> None:
    (one,) = routed()
    assert (one.mapping, one.event, one.state) == ("", orjson.dumps(EVENT), None)


@pytest.mark.parametrize(
    ("integrations", "goes"),
    [
        ({}, True),
        ({"All": True}, True),
        ({"All": False}, False),
        ({"All": False, "Webhook": True}, True),
        ({"All": False, "crm": {"some": "option"}}, True),
        ({"All": False, "crm": {}}, True),
        ({"crm": False}, False),
        ({"Webhooks": False}, False),
        ({"CRM": False}, True),  # names are case-sensitive
        ({"Other": False}, True),
        ("nonsense", True),
    ],
)
def test_the_integrations_object_is_obeyed(integrations: Any, goes: bool) -> None:
    (one,) = routed({**EVENT, "integrations": integrations})
    assert (one.state is None) is goes
    if not goes:
        assert (one.state, one.code) == (State.FILTERED, "FILTERED_BY_INTEGRATIONS_OBJECT")
        assert one.message.startswith("integrations.")


def test_a_filter_that_matches_drops_and_says_which_it_was() -> None:
    drop = {"name": "No orders", "if": 'event = "Order Completed"', "actions": [{"type": "DROP"}]}
    keep = {"if": 'event = "Other"', "actions": [{"type": "DROP"}]}
    (one,) = routed(filters=[keep, drop])
    assert (one.state, one.code) == (State.FILTERED, "FILTERED_BY_RULES")
    assert one.message == "filters[1] 'No orders'"


def test_a_disabled_filter_does_nothing() -> None:
    drop = {"enabled": False, "if": "all", "actions": [{"type": "DROP"}]}
    assert ends(routed(filters=[drop])) == [(None, "")]


def test_a_sample_keeps_the_same_events_whenever_it_is_asked_and_about_its_share() -> None:
    sample = {"if": "all", "actions": [{"type": "SAMPLE", "percent": 0.3}]}
    made = workspace([webhook("crm")], [connection("web", "crm", filters=[sample])])
    ((plan,),) = compile_connections(made).values()
    decisions = [
        [route(plan, EVENT, b"{}", f"0:{offset}:crm")[0].state is None for offset in range(2_000)] for _ in range(2)
    ]
    assert decisions[0] == decisions[1]
    assert 500 < sum(decisions[0]) < 700
    (one,) = (found for found in [route(plan, EVENT, b"{}", f"0:{decisions[0].index(False)}:crm")[0]])
    assert (one.state, one.code) == (State.FILTERED, "FILTERED_BY_SAMPLE")


def test_dropped_properties_never_reach_a_topic() -> None:
    strip = {"if": "all", "actions": [{"type": "DROP_PROPERTIES", "fields": {"properties": ["email"]}}]}
    (one,) = routed(filters=[strip])
    assert orjson.loads(one.event)["properties"] == {"total": 5}


def test_several_mappings_that_match_make_several_deliveries() -> None:
    mappings = [
        {"name": "orders", "trigger": 'event = "Order Completed"', "mapping": {"x": {"@path": "$.properties.total"}}},
        {"name": "everything"},
        {"name": "pages", "trigger": 'type = "page"'},
        {"name": "off", "enabled": False},
    ]
    assert [one.mapping for one in routed(mappings=mappings)] == ["orders", "everything"]


def test_an_event_no_mapping_takes_is_one_filtered_delivery_that_says_what_was_tried() -> None:
    (one,) = routed(mappings=[{"name": "pages", "trigger": 'type = "page"'}])
    assert (one.mapping, one.state, one.code) == ("", State.FILTERED, "NO_MATCHING_MAPPING")
    assert "pages" in one.message


def test_triggers_see_the_event_as_it_came_and_not_what_filters_left_of_it() -> None:
    strip = {"if": "all", "actions": [{"type": "DROP_PROPERTIES", "fields": {"properties": ["total"]}}]}
    found = routed(filters=[strip], mappings=[{"name": "paid", "trigger": "properties.total > 1"}])
    assert [one.mapping for one in found] == ["paid"]
    assert b"total" not in found[0].event


def test_the_order_is_type_then_integrations_then_filters_then_mappings() -> None:
    drop = {"if": "all", "actions": [{"type": "DROP"}]}
    settings: dict[str, Any] = {"filters": [drop], "mappings": [{"name": "pages", "trigger": 'type = "page"'}]}
    excluded = {**EVENT, "integrations": {"All": False}}
    assert routed({**excluded, "type": "delete"}, **settings)[0].code == "UNSUPPORTED_EVENT_TYPE"
    assert routed(excluded, **settings)[0].code == "FILTERED_BY_INTEGRATIONS_OBJECT"
    assert routed(EVENT, **settings)[0].code == "FILTERED_BY_RULES"
    assert routed(EVENT, mappings=settings["mappings"])[0].code == "NO_MATCHING_MAPPING"


def test_what_is_switched_off_is_filtered_before_anything_is_looked_at() -> None:
    assert routed(enabled=False)[0].code == "CONNECTION_DISABLED"
    assert routed(destination=webhook("crm", enabled=False))[0].code == "DESTINATION_DISABLED"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["type", "event", "userId", "properties", "integrations", "x"]), JSON))
def test_every_event_becomes_at_least_one_delivery_whatever_is_in_it(event: dict[str, Any]) -> None:
    condition = 'contains( event, "x" ) or ( properties.total > 3 and !match( userId, "u*" ) )'
    strip = {"if": condition, "actions": [{"type": "ALLOW_PROPERTIES", "fields": {"properties": ["a"]}}]}
    settings: dict[str, Any] = {
        "filters": [strip],
        "mappings": [{"name": "all"}, {"name": "t", "trigger": 'properties.a != "b"'}],
    }
    assert routed({"type": "track", **event}, **settings)


def with_actions(*actions: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"if": "all", "actions": [action]} for action in actions]


def test_a_drop_of_one_item_and_mapped_fields_are_what_goes_on() -> None:
    event = {**EVENT, "properties": {"products": [{"email": "a", "id": 1}, {"email": "b"}], "plan": 3}}
    filters = with_actions(
        {"type": "DROP_PROPERTIES", "fields": {"properties.products.0": ["email"]}},
        {"type": "MAP_PROPERTIES", "map": {"properties.level": {"move": "properties.plan", "to_string": True}}},
        {"type": "MAP_PROPERTIES", "map": {"userId": {"set": None}, "properties.user": {"copy": "userId"}}},
    )
    (one,) = routed(event, filters=filters)
    assert one.state is None
    assert orjson.loads(one.event) == {
        **EVENT,
        "userId": None,
        "properties": {"products": [{"id": 1}, {"email": "b"}], "level": "3", "user": "u1"},
    }


def test_an_event_that_filters_make_too_large_is_discarded_and_says_so() -> None:
    grow = with_actions(
        *[
            {"type": "MAP_PROPERTIES", "map": {"properties.one": {"copy": "properties"}}},
            {"type": "MAP_PROPERTIES", "map": {"properties.two": {"copy": "properties"}}},
        ]
        * 10
    )
    (one,) = routed({**EVENT, "properties": {"text": "x" * 1000}}, filters=grow)
    assert (one.state, one.code) == (State.DISCARDED, "FILTER_ERROR")
    assert one.message.startswith("filters[") and one.message.endswith("makes more than 4 MB of one event")
