"""Google Analytics 4, by its Measurement Protocol: server-side events beside those of the tag or the Firebase SDK.

Endpoint: POST /mp/collect with ``measurement_id`` (web) or ``firebase_app_id`` (app) and ``api_secret`` in the query,
which is created under Admin > Data streams > Measurement Protocol API secrets. One event per request: a request is
about one client.

An event needs the client it belongs to: ``client_id`` of the GA cookie for web, the app instance id for Firebase. The
default mappings use ``integrations["Google Analytics 4"].clientId``, else the anonymousId, else the userId; an id that
no browser has had counts as a new user. Without ``session_id`` (same place) an event is in no session.

GA4 answers 2xx to everything and silently drops bad events: *delivered* means that it accepted the request. So
`waybill test-event` asks its validation service first and shows the result. The payload is converted to what GA4
accepts: names of events and parameters become a letter, then letters, digits and underscores, 40 in all, and a reserved
one gets the prefix ``event_`` or ``param_``; parameters become texts and numbers; empty and nested values, and items
without id and name, are left out. An event that cannot be converted is discarded as PAYLOAD_VALIDATION_FAILED with the
field: an amount that is not a number, a user property with a reserved name or more than 36 characters, more than 25
parameters or user properties, or 200 items. Not checked: texts longer than 100 characters, of which GA 360 accepts 500.
An event older than 72 hours, such as one redriven late, counts as 72 hours old.

Track calls of Segment's e-commerce spec become GA4's recommended events; page and screen calls page_view and
screen_view; any other track call an event of its own name. GA4 has no calls like identify, group and alias. No
default mapping sets user properties: traits identify people, and Google forbids sending such data.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

import orjson
from pydantic import model_validator

from model.config.env_string import EnvString, config_error
from model.config.fields import Secret, Url
from model.destinations.default_mappings import first, merged
from model.destinations.destination import DefaultMapping, HttpDestination, Item
from model.destinations.ga4_rules import (
    AMOUNTS,
    NAME_LIMIT_CHARS,
    event_name,
    parameter_name,
    problems,
    user_property,
    user_property_name,
)
from model.http.messages import HttpRequest, HttpResponse
from model.mapping.fields import PROBLEM_LIMIT, FieldSpec, PayloadInvalid
from model.mapping.numbers import read_number
from model.mapping.times import read_moment
from model.mapping.values import is_empty

__all__ = ["NAME_LIMIT_CHARS", "Ga4Destination", "event_name"]

_HOST = "https://www.google-analytics.com"
_OPTIONS = "$.integrations['Google Analytics 4']"
_OF_EVERY_EVENT: Mapping[str, Any] = {
    "client_id": first(f"{_OPTIONS}.clientId", "$.anonymousId", "$.userId"),
    "user_id": first("$.userId"),
    "timestamp": first("$.timestamp"),
}
_SESSION = {"session_id": first(f"{_OPTIONS}.sessionId"), "engagement_time_msec": 1}
_ITEM = {
    "item_id": first("$.product_id", "$.sku"),
    "item_name": first("$.name"),
    "item_brand": first("$.brand"),
    "item_category": first("$.category"),
    "item_variant": first("$.variant"),
    "coupon": first("$.coupon"),
    "price": first("$.price"),
    "quantity": first("$.quantity"),
}
_MANY = {"items": {"@arrayPath": ["$.properties.products", _ITEM]}}
_ONE = {"items": {"@arrayPath": ["$.properties", _ITEM]}}
_MONEY = {"currency": first("$.properties.currency"), "value": first("$.properties.value", "$.properties.price")}
_TOTAL = {"currency": first("$.properties.currency"), "value": first("$.properties.total", "$.properties.revenue")}
_ORDER = {
    **_TOTAL,
    "transaction_id": first("$.properties.order_id"),
    "tax": first("$.properties.tax"),
    "shipping": first("$.properties.shipping"),
    "coupon": first("$.properties.coupon"),
}
_LIST = {"item_list_id": first("$.properties.list_id"), "item_list_name": first("$.properties.category")}
# Segment's e-commerce event -> GA4's recommended one, and its parameters.
_RECOMMENDED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "Products Searched": ("search", {"search_term": first("$.properties.query")}),
    "Product List Viewed": ("view_item_list", {**_LIST, **_MANY}),
    "Product Clicked": ("select_item", {**_LIST, **_ONE}),
    "Product Viewed": ("view_item", {**_MONEY, **_ONE}),
    "Product Added": ("add_to_cart", {**_MONEY, **_ONE}),
    "Product Removed": ("remove_from_cart", {**_MONEY, **_ONE}),
    "Product Added to Wishlist": ("add_to_wishlist", {**_MONEY, **_ONE}),
    "Cart Viewed": ("view_cart", {**_TOTAL, **_MANY}),
    "Checkout Started": ("begin_checkout", {**_TOTAL, "coupon": first("$.properties.coupon"), **_MANY}),
    "Payment Info Entered": ("add_payment_info", {**_TOTAL, "payment_type": first("$.properties.payment_method")}),
    "Order Completed": ("purchase", {**_ORDER, **_MANY}),
    "Order Refunded": ("refund", {**_ORDER, **_MANY}),
    "Signed Up": ("sign_up", {"method": first("$.properties.type")}),
    "Signed In": ("login", {"method": first("$.properties.type")}),
}
_PAGE = {
    "page_location": first("$.properties.url", "$.context.page.url"),
    "page_referrer": first("$.properties.referrer", "$.context.page.referrer"),
    "page_title": first("$.properties.title", "$.context.page.title", "$.name"),
}


def _default(name: str, trigger: str, event: Any, params: Mapping[str, Any]) -> DefaultMapping:
    mapping = {**_OF_EVERY_EVENT, "name": event, "params": {**_SESSION, **params}}
    return DefaultMapping(name=name, trigger=trigger, mapping=mapping)


def _any_other_track() -> DefaultMapping:
    others = " and ".join(f'event != "{event}"' for event in _RECOMMENDED)
    params = merged({"engagement_time_msec": 1}, "$.properties", {"session_id": _SESSION["session_id"]})
    mapping = {**_OF_EVERY_EVENT, "name": first("$.event"), "params": params}
    return DefaultMapping(name="track", trigger=f'type = "track" and {others}', mapping=mapping)


class Ga4Destination(HttpDestination):
    """Google Analytics 4."""

    title: ClassVar[str] = "Google Analytics 4"
    integration_names: ClassVar[tuple[str, ...]] = ("Google Analytics 4 Cloud", "Actions Google Analytics 4")
    link: ClassVar[str] = "https://developers.google.com/analytics/devguides/collection/protocol/ga4"
    supported_types: ClassVar[frozenset[str]] = frozenset({"track", "page", "screen"})
    default_mappings: ClassVar[tuple[DefaultMapping, ...]] = (
        *(
            _default(name, f'type = "track" and event = "{event}"', name, params)
            for event, (name, params) in _RECOMMENDED.items()
        ),
        _any_other_track(),
        _default("page", 'type = "page"', "page_view", _PAGE),
        _default("screen", 'type = "screen"', "screen_view", {"screen_name": first("$.name")}),
    )
    payload_fields: ClassVar[Mapping[str, FieldSpec]] = {
        "client_id": FieldSpec("string", required=True),
        "user_id": FieldSpec("string"),
        "timestamp": FieldSpec("datetime"),
        "name": FieldSpec("string", required=True),
        "params": FieldSpec("object"),
        "user_properties": FieldSpec("object"),
        "consent": FieldSpec("object"),
    }

    type: Literal["ga4"]
    """ga4: Google Analytics 4."""
    measurement_id: str | None = None
    """Of a web stream, such as G-A1B2C3D4E5. Either this or firebase_app_id."""
    firebase_app_id: str | None = None
    """Of an app stream, such as 1:123456789:android:0a1b2c3d."""
    api_secret: Secret
    """Measurement Protocol API secret of the stream. Only as ${NAME}."""
    url: Url | None = None
    """A host to use instead of Google's, without a path, such as https://region1.google-analytics.com or a test
    server."""

    @model_validator(mode="after")
    def _check(self) -> "Ga4Destination":
        if (self.measurement_id is None) == (self.firebase_app_id is None):
            raise config_error(
                "the data stream is not named", "Write either measurement_id (web) or firebase_app_id (app)"
            )
        if self.url is not None and "?" in self.url.value:
            raise config_error("the url has a query", "Write only the host; the stream and its secret are added to it")
        return self

    @property
    def endpoint(self) -> EnvString:
        """The host."""
        return self.url or EnvString.constant(_HOST)

    def finish(self, payload: dict[str, Any]) -> dict[str, Any]:
        """See `HttpDestination.finish`."""
        finished = super().finish(payload)
        if found := list(itertools.islice(problems(finished), PROBLEM_LIMIT)):
            raise PayloadInvalid(found)
        return finished

    def request(self, items: Sequence[Item], now_ms: int) -> HttpRequest:
        """Build the request; the API secret is in its query."""
        return self._request(items, "/mp/collect")

    def test_request(self, items: Sequence[Item], now_ms: int) -> HttpRequest | None:
        """Build the request to the validation service, which stores nothing and reports errors; see `validation`."""
        return self._request(items, "/debug/mp/collect")

    def validation(self, response: HttpResponse) -> list[str]:
        """The errors found by the validation service, a sentence each."""
        try:
            said = orjson.loads(response.body)
        except orjson.JSONDecodeError:
            said = None
        messages = said.get("validationMessages") if isinstance(said, dict) else None
        if not isinstance(messages, list):
            return [f"the validation service responded {response.status} without a readable body"]
        return [_sentence(message) for message in messages if isinstance(message, dict)]

    def _request(self, items: Sequence[Item], path: str) -> HttpRequest:
        stream = {"measurement_id": self.measurement_id, "firebase_app_id": self.firebase_app_id}
        query = {name: value for name, value in stream.items() if value} | {"api_secret": self.api_secret.value}
        url = f"{self.endpoint.value.rstrip('/')}{path}?{urlencode(query)}"
        payload = items[0].payload or orjson.loads(items[0].event)
        return self.json_request(items, orjson.dumps(self._content(payload)), url=url)

    def _content(self, payload: dict[str, Any]) -> dict[str, Any]:
        client = "client_id" if self.measurement_id else "app_instance_id"
        name = event_name(str(payload.get("name", "")), app=self.firebase_app_id is not None)
        content = {
            client: payload.get("client_id"),
            "user_id": payload.get("user_id"),
            "user_properties": _user_properties(payload.get("user_properties")),
            "consent": payload.get("consent"),
            "events": [{"name": name, "params": _params(payload.get("params"))}],
        }
        moment = read_moment(payload.get("timestamp"))
        if moment is not None:
            content["timestamp_micros"] = round(moment.timestamp() * 1_000_000)
        return {name: value for name, value in content.items() if value is not None}


def _params(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        return {}
    params = _flat({key: value for key, value in given.items() if key != "items"})
    listed = given.get("items")
    items = [_flat(item) for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    identified = [item for item in items if "item_id" in item or "item_name" in item]
    return params | ({"items": identified} if identified else {})


def _flat(given: dict[str, Any]) -> dict[str, Any]:
    sent = {parameter_name(key): value for key, value in given.items() if not is_empty(value)}
    return {name: _scalar(name, value) for name, value in sent.items() if isinstance(value, str | int | float)}


def _scalar(name: str, value: str | int | float) -> str | int | float:
    if name in AMOUNTS:
        number = read_number(value)
        return value if number is None else number
    return _text_or_number(value)


def _text_or_number(value: str | int | float) -> str | int | float:
    return ("true" if value else "false") if isinstance(value, bool) else value


def _user_properties(given: Any) -> dict[str, Any] | None:
    """Wrap every value in an object, as GA4 requires. Null is kept: it removes the property."""
    if not isinstance(given, dict):
        return None
    named = ((user_property_name(key), user_property(said)) for key, said in given.items())
    return {
        name: {"value": None if value is None else _text_or_number(value)}
        for name, value in named
        if name and (value is None or (isinstance(value, str | int | float) and not is_empty(value)))
    }


def _sentence(message: dict[str, Any]) -> str:
    place, said = str(message.get("fieldPath") or ""), str(message.get("description") or message.get("validationCode"))
    return f"{place}: {said}"[:300] if place else said[:300]
