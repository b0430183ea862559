"""Google Analytics 4: what becomes of events, and what the validation service's words mean."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.destinations.destination import Item
from model.destinations.ga4 import NAME_LIMIT_CHARS, Ga4Destination, event_name
from model.http.messages import HttpResponse
from model.mapping.fields import PayloadInvalid
from tests.kit.destination_items import destination, items, payloads
from tests.kit.samples import T0
from tests.kit.workspaces import workspace

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
    assert event["params"]["value"] == 25.5
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


def test_the_stream_is_named_by_settings_and_not_in_the_url() -> None:
    with pytest.raises(ValueError, match="query"):
        ga4(url="https://proxy.test?measurement_id=G-1")


def test_an_answer_without_a_verdict_does_not_mean_that_all_is_well() -> None:
    (line,) = ga4().validation(HttpResponse(status=500, body=b'{"error": "internal"}'))
    assert "500" in line


def test_the_validation_service_is_asked_the_same_and_its_words_are_told() -> None:
    made = ga4()
    sending = items(made, ORDER)
    test_request = made.test_request(sending, T0)
    assert test_request is not None and "/debug/mp/collect?" in test_request.url
    assert test_request.body == made.request(sending, T0).body
    said = b'{"validationMessages":[{"fieldPath":"events[0].name","description":"too long"}]}'
    assert made.validation(HttpResponse(status=200, body=said)) == ["events[0].name: too long"]
    assert made.validation(HttpResponse(status=200, body=b'{"validationMessages":[]}')) == []


def test_only_texts_and_numbers_are_sent_as_parameters() -> None:
    properties = {"paid": True, "price": "9.90", "zip": "01234", "note": None, "tags": ["a"], "address": {"city": "B"}}
    (made,) = sent({**ORDER, "event": "Ticket Sold", "properties": properties})["events"]
    assert made["params"] == {"paid": "true", "price": 9.9, "zip": "01234", "engagement_time_msec": 1}


@pytest.mark.parametrize(("written", "number"), [("4,245.42", 4245.42), ("$12.50", 12.5), (" 12 ", 12), ("1e3", 1000)])
def test_amounts_are_read_as_people_write_them(written: str, number: float) -> None:
    (made,) = sent({**ORDER, "event": "Ticket Sold", "properties": {"Price": written, "code": written}})["events"]
    assert made["params"]["price"] == number and made["params"]["code"] == written


@pytest.mark.parametrize("price", ["ten", "NaN", "1e999", "1.234,56", "12,5"])
def test_an_amount_that_says_no_number_is_refused_with_its_field(price: str) -> None:
    properties = {"Price": price, "products": [{"sku": "a", "price": 1}, {"sku": "b", "price": price}]}
    with pytest.raises(PayloadInvalid, match=r"params\.Price must be a number") as invalid:
        sent({**ORDER, "event": "Ticket Sold", "properties": properties})
    assert price not in str(invalid.value)
    with pytest.raises(PayloadInvalid, match=r"params\.items\[1\]\.price must be a number"):
        sent({**ORDER, "properties": properties})


def test_an_empty_amount_is_no_amount() -> None:
    for empty in ("", "  ", None):
        (made,) = sent({**ORDER, "event": "Ticket Sold", "properties": {"price": empty}})["events"]
        assert "price" not in made["params"]


def test_items_without_id_and_name_are_left_out() -> None:
    order = {**ORDER, "properties": {"products": [{"price": 5}, {"sku": "s-2", "price": "7"}]}}
    assert sent(order)["events"][0]["params"]["items"] == [{"item_id": "s-2", "price": 7.0}]
    assert "items" not in sent({**ORDER, "event": "Product Viewed", "properties": {}})["events"][0]["params"]


def test_a_mapping_of_ones_own_sets_user_properties_and_consent() -> None:
    payload = {
        "client_id": "a",
        "name": "joined",
        "user_properties": {"Plan": "gold", "vip": {"value": True}, "old": None, "deep": {"a": [1]}, "x" * 30: [1]},
        "consent": {"ad_user_data": "DENIED"},
    }
    content = orjson.loads(ga4().request([Item("d", b"{}", payload)], T0).body)
    assert content["user_properties"] == {
        "plan": {"value": "gold"},
        "vip": {"value": "true"},
        "old": {"value": None},
    }
    assert content["consent"] == {"ad_user_data": "DENIED"}


RESERVED_USER_PROPERTIES = (
    "first_open_time first_visit_time last_deep_link_referrer user_id first_open_after_install "
    "firebase_x ga_x google_x _x"
)


@pytest.mark.parametrize("name", [*RESERVED_USER_PROPERTIES.split(), "First Open Time", "USER_ID", "Google-X"])
def test_a_user_property_google_reserves_is_refused_by_its_name(name: str) -> None:
    payload = {"client_id": "a", "name": "joined", "user_properties": {"plan": "gold", name: 1}}
    with pytest.raises(PayloadInvalid, match="has a name that Google reserves") as invalid:
        ga4().finish(payload)
    assert [problem.path for problem in invalid.value.problems] == [("user_properties", name)]
    content = orjson.loads(ga4().request([Item("d", b"{}", payload)], T0).body)
    assert content["user_properties"] == {"plan": {"value": "gold"}}


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"params": {f"p{n}": n for n in range(26)}}, "params are 26 parameters of an event, and GA4 accepts 25"),
        ({"params": {"items": [{"item_id": "a"}] * 201}}, "params.items are 201 items, and GA4 accepts 200"),
        ({"user_properties": {f"p{n}": n for n in range(26)}}, "user_properties are 26 user properties"),
        ({"user_properties": {"plan": {"value": "x" * 37}}}, "user_properties.plan must have at most 36 characters"),
    ],
)
def test_more_than_ga4_takes_is_refused_and_not_dropped_by_it(payload: dict[str, Any], words: str) -> None:
    with pytest.raises(PayloadInvalid) as invalid:
        ga4().finish({"client_id": "a", "name": "joined", **payload})
    assert str(invalid.value).startswith(words)


def test_what_is_not_sent_does_not_count() -> None:
    own = {"session_id": "1", "engagement_time_msec": 1, "items": [{"item_id": "a"}], "none": None, "deep": {}, "": ""}
    payload = {"client_id": "a", "name": "joined", "params": {f"p{n}": n for n in range(25)} | own}
    assert ga4().finish(payload) == payload


def test_an_app_may_send_what_google_reserves_on_the_web() -> None:
    app = {"measurement_id": None, "firebase_app_id": "1:2:android:3"}
    event = {**ORDER, "event": "in_app_purchase"}
    assert sent(event)["events"][0]["name"] == "event_in_app_purchase"
    assert sent(event, **app)["events"][0]["name"] == "in_app_purchase"


@given(st.text())
def test_names_are_always_ones_ga4_takes(text: str) -> None:
    name = event_name(text)
    assert name[:1].isalpha() and len(name) <= NAME_LIMIT_CHARS
    assert all(char.isalnum() or char == "_" for char in name)


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("Session Start", "event_session_start"),
        ("Google Ad Clicked", "event_google_ad_clicked"),
        ("_ga_hit", "event_ga_hit"),
        ("gtag.config", "event_gtag_config"),
        ("notification_send", "event_notification_send"),
        ("App Store Subscription Renew", "event_app_store_subscription_renew"),
        ("2nd Visit", "event_2nd_visit"),
        ("!!!", "event"),
        ("Größe gewählt", "größe_gewählt"),
        ("購入 完了", "購入_完了"),
    ],
)
def test_names_ga4_would_refuse_are_written_so_that_it_does_not(given_name: str, name: str) -> None:
    assert event_name(given_name) == name


def test_parameter_names_ga4_would_refuse_are_written_so_that_it_does_not() -> None:
    properties = {"google_id": 1, "_x": 2, "3d": 3, "": 4, "firebase_conversion": 5}
    (made,) = sent({**ORDER, "event": "Ticket Sold", "properties": properties})["events"]
    assert made["params"].keys() - {"engagement_time_msec"} == {
        "param_google_id",
        "x",
        "param_3d",
        "param",
        "param_firebase_conversion",
    }


@given(st.binary() | st.sampled_from([b"[]", b"null", b'{"validationMessages":7}', b'{"validationMessages":[1,{}]}']))
def test_reading_the_validation_takes_any_body(body: bytes) -> None:
    assert all(isinstance(line, str) for line in ga4().validation(HttpResponse(status=200, body=body)))
