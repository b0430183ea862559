"""Google Analytics 4: what becomes of events, and what the validation service's words mean."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.destinations.ga4 import NAME_LIMIT_CHARS, Ga4Destination, event_name
from model.http import HttpResponse
from tests.destination_items import destination, items, payloads
from tests.samples import T0
from tests.workspaces import workspace

SETTINGS: dict[str, Any] = {"type": "ga4", "measurement_id": "G-1", "api_secret": "${KEY}"}
ORDER = {
    "type": "track",
    "event": "Order Completed",
    "anonymousId": "a-1",
    "userId": "u-1",
    "timestamp": "2026-01-31T08:00:00.500Z",
    "properties": {
        "order_id": "o-1",
        "total": "25.5",
        "currency": "EUR",
        "products": [{"product_id": "p-1", "name": "Cup", "price": 5, "quantity": 2}, {"sku": "s-2"}],
    },
}


def ga4(**settings: Any) -> Ga4Destination:
    return destination(Ga4Destination, **{**SETTINGS, **settings})


def sent(event: dict[str, Any], **settings: Any) -> dict[str, Any]:
    made = ga4(**settings)
    (item,) = items(made, event)
    content: dict[str, Any] = orjson.loads(made.request([item], T0).body)
    return content


def test_an_order_is_a_purchase_with_its_items() -> None:
    content = sent(ORDER)
    assert (content["client_id"], content["user_id"]) == ("a-1", "u-1")
    assert content["timestamp_micros"] == 1_769_846_400_500_000
    (event,) = content["events"]
    assert event["name"] == "purchase"
    assert event["params"]["transaction_id"] == "o-1" and event["params"]["currency"] == "EUR"
    assert event["params"]["items"] == [
        {"item_id": "p-1", "item_name": "Cup", "price": 5, "quantity": 2},
        {"item_id": "s-2"},
    ]


def test_any_other_event_keeps_its_name_as_ga4_can_take_it_and_its_properties() -> None:
    event = {**ORDER, "event": "Ticket Sold!", "properties": {"Seat No": 7}}
    (made,) = sent(event)["events"]
    assert made["name"] == "ticket_sold" and made["params"]["seat_no"] == 7


@pytest.mark.parametrize(("kind", "name"), [("page", "page_view"), ("screen", "screen_view")])
def test_pages_and_screens_have_their_own_events(kind: str, name: str) -> None:
    assert sent({"type": kind, "name": "Home", "anonymousId": "a"})["events"][0]["name"] == name


def test_every_event_of_the_table_is_matched_by_one_mapping_only() -> None:
    for mapping in Ga4Destination.default_mappings:
        if '= "' in mapping.trigger and "!=" not in mapping.trigger and "event" in mapping.trigger:
            event = mapping.trigger.rpartition('= "')[2].rstrip('"')
            assert len(payloads(ga4(), {**ORDER, "event": event})) == 1


def test_the_client_and_session_of_the_browser_are_taken_when_given() -> None:
    event = {**ORDER, "integrations": {"Google Analytics 4": {"clientId": "123.456", "sessionId": "99"}}}
    content = sent(event)
    assert content["client_id"] == "123.456" and content["events"][0]["params"]["session_id"] == "99"


def test_an_app_stream_names_the_app_instance() -> None:
    settings = {"measurement_id": None, "firebase_app_id": "1:2:android:3"}
    made = ga4(**settings)
    (item,) = items(made, ORDER)
    request = made.request([item], T0)
    assert "firebase_app_id=1%3A2%3Aandroid%3A3" in request.url
    assert orjson.loads(request.body)["app_instance_id"] == "a-1"


def test_a_stream_must_be_named_exactly_once() -> None:
    for wrong in ({}, {"measurement_id": "G-1", "firebase_app_id": "1:2"}):
        with pytest.raises(ValueError, match="data stream"):
            workspace([{"id": "ga", "type": "ga4", "api_secret": "${K}", **wrong}], environ={"K": "secret"})


def test_the_validation_service_is_asked_the_same_and_its_words_are_told() -> None:
    made = ga4()
    sending = items(made, ORDER)
    test_request = made.test_request(sending, T0)
    assert test_request is not None and "/debug/mp/collect?" in test_request.url
    assert test_request.body == made.request(sending, T0).body
    said = b'{"validationMessages":[{"fieldPath":"events[0].name","description":"too long"}]}'
    assert made.validation(HttpResponse(status=200, body=said)) == ["events[0].name: too long"]
    assert made.validation(HttpResponse(status=200, body=b'{"validationMessages":[]}')) == []


@given(st.text())
def test_names_are_always_ones_ga4_takes(text: str) -> None:
    name = event_name(text)
    assert name[:1].isalpha() and len(name) <= NAME_LIMIT_CHARS
    assert all(char.isascii() and (char.isalnum() or char == "_") for char in name)


def test_reserved_names_are_not_used() -> None:
    assert event_name("Session Start") == "event_session_start"


@given(st.binary() | st.sampled_from([b"[]", b"null", b'{"validationMessages":7}', b'{"validationMessages":[1,{}]}']))
def test_reading_the_validation_takes_any_body(body: bytes) -> None:
    assert all(isinstance(line, str) for line in ga4().validation(HttpResponse(status=200, body=body)))
