"""What official SDKs send for nothing counts as missing, in every default mapping of every destination."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.destinations.catalogue import DESTINATIONS
from model.destinations.destination import HttpDestination
from model.mapping.fields import PayloadInvalid
from tests.kit.destination_items import destination, payloads

SETTINGS: dict[str, dict[str, Any]] = {
    "ga4": {"measurement_id": "G-1", "api_secret": "${KEY}"},
    "amplitude": {"api_key": "${KEY}"},
    "mixpanel": {"project_token": "${KEY}"},
}
DESTINATION_TYPES = {kind.model_fields["type"].annotation.__args__[0]: kind for kind in DESTINATIONS}  # type: ignore[union-attr]
MAPPED = sorted(name for name, kind in DESTINATION_TYPES.items() if kind.default_mappings)

# Every field a default mapping reads, as far as it may be empty; ids are left in two of three places at least.
NESTED = {
    "device": ("id", "type", "manufacturer", "model"),
    "app": ("build", "version"),
    "os": ("name", "version"),
    "network": ("carrier",),
    "screen": ("height", "width"),
    "page": ("url", "referrer", "title"),
    "library": ("name", "version"),
    "campaign": ("source", "medium", "name", "term", "content"),
    "location": ("country", "region", "city", "latitude", "longitude"),
}
PROPERTIES = "url referrer title value price total revenue currency order_id tax shipping coupon list_id query".split()
EMPTY = ("", " \t", None)
OBJECTS = ("properties", "traits", "context")


def bare(kind: str, event: str) -> dict[str, Any]:
    """An event with what is required of it, and nothing else."""
    made = {"type": kind, "messageId": "m", "anonymousId": "anonymous-1", "timestamp": "2026-01-31T08:00:00Z"}
    named = {"track": {"event": event}, "group": {"groupId": "g-1"}, "alias": {"userId": "u-1", "previousId": "old"}}
    return made | named.get(kind, {})


def empty(kind: str, event: str, nothing: Any) -> dict[str, Any]:
    """The same event with everything else there, and empty."""
    context: dict[str, Any] = {name: dict.fromkeys(fields, nothing) for name, fields in NESTED.items()}
    context |= dict.fromkeys(("ip", "locale", "groupId"), nothing) | {"traits": {}}
    options = {"clientId": nothing, "sessionId": nothing, "session_id": nothing}
    integrations = dict.fromkeys(("Google Analytics 4", "Amplitude", "Actions Amplitude"), options)
    others = {"userId": nothing, "name": nothing, "context": context, "integrations": integrations, "traits": {}}
    return others | {"properties": {}} | bare(kind, event)


@pytest.mark.parametrize("nothing", EMPTY)
@pytest.mark.parametrize("kind", ["track", "identify", "page", "screen", "group", "alias"])
@pytest.mark.parametrize("name", MAPPED)
def test_empty_is_missing(name: str, kind: str, nothing: Any) -> None:
    of = destination(DESTINATION_TYPES[name], type=name, **SETTINGS[name])
    assert payloads(of, empty(kind, "Bought", nothing)) == payloads(of, bare(kind, "Bought"))


@pytest.mark.parametrize("event", ["Order Completed", "Product Viewed", "Products Searched", "Product List Viewed"])
def test_an_empty_property_of_the_shop_is_missing(event: str) -> None:
    of = destination(DESTINATION_TYPES["ga4"], type="ga4", **SETTINGS["ga4"])
    for nothing in EMPTY:
        without = payloads(of, bare("track", event) | {"properties": {"total": nothing, "revenue": 5, "price": 6}})
        with_all = dict.fromkeys(PROPERTIES, nothing) | {"revenue": 5, "price": 6}
        assert payloads(of, bare("track", event) | {"properties": with_all}) == without
        assert {"value": 6}.items() <= payloads(of, bare("track", "Product Added") | {"properties": with_all})[
            "add_to_cart"
        ]["params"].items()


@given(st.sampled_from(MAPPED), st.sampled_from(EMPTY), st.sets(st.sampled_from(["userId", "name", *OBJECTS])))
def test_any_of_them_may_be_missing(name: str, nothing: Any, taken: set[str]) -> None:
    of = destination(DESTINATION_TYPES[name], type=name, **SETTINGS[name])
    event = {key: value for key, value in empty("track", "Bought", nothing).items() if key not in taken}
    assert payloads(of, event) == payloads(of, bare("track", "Bought"))


@pytest.mark.parametrize("name", MAPPED)
def test_an_event_of_nobody_or_nothing_is_refused_by_name_and_never_sent_empty(name: str) -> None:
    of: HttpDestination = destination(DESTINATION_TYPES[name], type=name, **SETTINGS[name])
    with pytest.raises(PayloadInvalid, match="missing or empty"):
        payloads(of, {"type": "track", "event": " ", "userId": "", "anonymousId": ""})
