"""Amplitude: its requests, what its default mappings make of events, and what its answers are taken to mean."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from model.destinations.amplitude import AmplitudeDestination
from model.destinations.destination import Item
from model.http.failure import FailureClass
from model.http.failure_rules import Classifier
from model.http.messages import HttpResponse
from model.mapping.fields import PayloadInvalid
from tests.kit.destination_items import Said, destination, items, payloads, said_of_items

NOW_MS = 1_800_000_000_000
TRACK: dict[str, Any] = {
    "type": "track",
    "event": "Order Completed",
    "userId": "user-1",
    "anonymousId": "anonymous-1",
    "timestamp": "2026-01-31T08:00:00.250Z",
    "properties": {"revenue": "12.5", "coupon": None},
    "context": {
        "ip": "192.0.2.7",
        "os": {"name": "iOS"},
        "device": {"id": "device-1", "model": "X"},
        "locale": "de-DE",
    },
    "integrations": {"Actions Amplitude": {"session_id": 1_769_846_400_000}},
}


def amplitude(**settings: Any) -> AmplitudeDestination:
    return destination(AmplitudeDestination, type="amplitude", api_key="${KEY}", **settings)


def answer(status: int, body: Any) -> HttpResponse:
    return HttpResponse(status=status, body=orjson.dumps(body))


def some(count: int, **changes: Any) -> list[Item]:
    return items(amplitude(), *({**TRACK, "userId": f"user-{number}", **changes} for number in range(count)))


def read(response: HttpResponse, sent: list[Item]) -> list[Said] | None:
    return said_of_items(amplitude(), response, sent)


def codes(response: HttpResponse, sent: list[Item]) -> list[str]:
    said = read(response, sent)
    assert said is not None
    return [code for _, code, _ in said]


def test_a_request_holds_key_events_and_options_and_names_each_event() -> None:
    sent = some(2)
    request = amplitude(min_id_length=1).request(sent, NOW_MS)
    body = orjson.loads(request.body)
    assert (request.method, request.url) == ("POST", "https://api2.amplitude.com/2/httpapi")
    assert request.headers["content-type"] == "application/json"
    assert (body["api_key"], body["options"]) == ("key-of-the-project", {"min_id_length": 1})
    assert [event["insert_id"] for event in body["events"]] == [item.key for item in sent]
    assert [event["time"] for event in body["events"]] == [1_769_846_400_250] * 2
    assert "options" not in orjson.loads(amplitude().request(sent, NOW_MS).body)
    assert amplitude().request(sent, NOW_MS + 60_000) == amplitude().request(sent, NOW_MS)


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"region": "eu"}, "https://api.eu.amplitude.com/2/httpapi"),
        ({"region": "eu", "api": "batch"}, "https://api.eu.amplitude.com/batch"),
        ({"url": "http://proxy.test/in", "api": "batch"}, "http://proxy.test/in"),
    ],
)
def test_region_api_and_url_say_where_to_send(settings: dict[str, Any], address: str) -> None:
    assert amplitude(**settings).request(some(1), NOW_MS).url == address
    assert amplitude(**settings).endpoint.value == address


def test_the_insert_id_of_a_mapping_stays() -> None:
    request = amplitude().request([Item("d-1", b"{}", {"event_type": "Bought", "insert_id": "order-7"})], NOW_MS)
    assert orjson.loads(request.body)["events"] == [{"event_type": "Bought", "insert_id": "order-7"}]


def test_an_event_sent_as_it_is_is_an_event_too() -> None:
    request = amplitude().request([Item("d-1", b'{"event_type":"Bought","time":"2026-01-31"}')], NOW_MS)
    assert orjson.loads(request.body)["events"] == [
        {"insert_id": "d-1", "event_type": "Bought", "time": 1_769_817_600_000}
    ]


def test_a_track_call_is_an_event_with_device_and_revenue() -> None:
    assert payloads(amplitude(), TRACK) == {
        "track": {
            "event_type": "Order Completed",
            "user_id": "user-1",
            "device_id": "device-1",
            "time": "2026-01-31T08:00:00.250Z",
            "session_id": 1_769_846_400_000,
            "os_name": "iOS",
            "device_model": "X",
            "language": "de-DE",
            "ip": "192.0.2.7",
            "event_properties": {"revenue": "12.5", "coupon": None},
            "revenue": 12.5,
        }
    }


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"type": "page", "name": "Home"}, {"page": {"event_type": "Viewed Home"}}),
        ({"type": "page", "name": ""}, {"page": {"event_type": "Viewed Page"}}),
        ({"type": "screen", "userId": None}, {"screen": {"event_type": "Viewed Screen"}}),
        (
            {"type": "identify", "traits": {"plan": "gold"}},
            {"identify": {"event_type": "$identify", "user_properties": {"plan": "gold"}}},
        ),
        (
            {"type": "group", "groupId": "g-1", "traits": {"size": 5}},
            {
                "group member": {"event_type": "$identify", "groups": {"company": "g-1"}},
                "group": {
                    "event_type": "$groupidentify",
                    "groups": {"company": "g-1"},
                    "group_properties": {"size": 5},
                },
            },
        ),
        ({"type": "alias", "previousId": "a", "userId": "b"}, {}),
    ],
)
def test_other_calls_are_what_amplitude_has_for_them(event: dict[str, Any], expected: dict[str, Any]) -> None:
    made = payloads(amplitude(), {"anonymousId": "anonymous-1", **event})
    assert made == {name: {"device_id": "anonymous-1", **fields} for name, fields in expected.items()}
    assert (event["type"] in AmplitudeDestination.supported_types) == bool(expected)


@pytest.mark.parametrize("kind", ["identify", "track", "page"])
def test_traits_are_found_where_segment_and_where_rudderstack_put_them(kind: str) -> None:
    rudderstack = {"type": kind, "userId": "user-1", "event": "Bought", "context": {"traits": {"plan": "gold", "n": 1}}}
    assert payloads(amplitude(), rudderstack)[kind]["user_properties"] == {"plan": "gold", "n": 1}
    both = {**rudderstack, "traits": {"plan": "silver"}}
    assert payloads(amplitude(), both)[kind]["user_properties"] == {"plan": "silver", "n": 1}


def test_traits_of_the_user_are_not_those_of_the_group() -> None:
    group = {"type": "group", "userId": "user-1", "groupId": "g-1", "traits": {"size": 5}}
    made = payloads(amplitude(), {**group, "context": {"traits": {"email": "a@b.test"}}})
    assert made["group"]["group_properties"] == {"size": 5}


@pytest.mark.parametrize(("written", "number"), [("$12.50", 12.5), ("4,245.42", 4245.42), ("12.50 EUR", 12.5)])
def test_revenue_is_read_as_people_write_it(written: str, number: float) -> None:
    made = payloads(amplitude(), {**TRACK, "properties": {"revenue": written}})["track"]
    assert made["revenue"] == number and made["event_properties"] == {"revenue": written}


def test_revenue_that_says_no_number_is_refused_with_its_field() -> None:
    with pytest.raises(PayloadInvalid, match="revenue must be a number, not a text"):
        payloads(amplitude(), {**TRACK, "properties": {"revenue": "1.234,56"}})


@pytest.mark.parametrize("placeholder", ["anonymous", "NULL", " undefined ", "0", "-1", "{}"])
def test_an_id_amplitude_refuses_a_request_for_is_refused_before(placeholder: str) -> None:
    for field in ("user_id", "device_id"):
        with pytest.raises(PayloadInvalid, match=f"{field} is '.*', which Amplitude refuses as an id"):
            amplitude().finish({"event_type": "Bought", "user_id": "user-1", field: placeholder})


def test_an_event_needs_a_user_or_a_device() -> None:
    with pytest.raises(PayloadInvalid, match="user_id is required, or device_id"):
        amplitude().finish({"event_type": "Bought", "user_id": " ", "device_id": None})


def test_a_full_batch_stays_under_a_megabyte() -> None:
    limits = amplitude().batching()
    # As a batch is filled: by the size of the payloads and a comma each.
    payload = {"event_type": "x" * (limits.max_bytes // limits.max_events - 18)}
    sent = [Item("d" * 32, b"{}", payload)] * limits.max_events
    assert limits.max_bytes - 5_000 < sum(len(item.json) + 1 for item in sent) <= limits.max_bytes
    assert len(amplitude(min_id_length=1).request(sent, NOW_MS).body) < 1_000_000


def test_a_single_bad_event_is_told_what_is_wrong_with_it() -> None:
    said = {"code": 400, "error": "Invalid field values on some events", "events_with_invalid_fields": {"time": [0]}}
    message = "Invalid field values on some events: field invalid: time"
    assert read(answer(400, said), some(1)) == [(FailureClass.DISCARD, "AMPLITUDE_EVENT_INVALID", message)]


def test_of_a_batch_that_is_bad_in_part_the_others_are_sent_again() -> None:
    said = {"code": 400, "error": "Bad", "events_with_missing_fields": {"event_type": [0, 2, 3, -1]}}
    found = amplitude().read(answer(400, said), some(3))
    assert found is not None
    assert [one is not None and one.resend for one in found] == [False, True, False]
    assert codes(answer(400, said), some(3)) == ["AMPLITUDE_EVENT_INVALID", "", "AMPLITUDE_EVENT_INVALID"]


@pytest.mark.parametrize(
    "said",
    [
        {"error": "Invalid JSON request body"},
        {"events_with_invalid_fields": {"time": [7]}},
        {"silenced_events": [True]},
    ],
)
def test_a_refused_batch_of_which_no_event_is_named_is_left_to_be_divided(said: dict[str, Any]) -> None:
    assert read(answer(400, said), some(3)) is None
    rules = Classifier(AmplitudeDestination.failure_rules)
    assert rules.classify(400, "", {}, orjson.dumps(said)) == (FailureClass.DISCARD, "AMPLITUDE_EVENT_INVALID")


def test_a_batch_that_is_all_bad_needs_no_dividing() -> None:
    said = {
        "events_with_missing_fields": {"event_type": [0, 9, -1, True, "0"]},
        "events_with_invalid_id_lengths": {"user_id": [1]},
        "silenced_events": [2],
    }
    expected = ["AMPLITUDE_EVENT_INVALID", "AMPLITUDE_ID_TOO_SHORT", "AMPLITUDE_SILENCED"]
    assert codes(answer(400, said), some(3)) == expected


@pytest.mark.parametrize(
    "said",
    [
        {"code": 400, "error": "Invalid API key: key-of-the-project"},
        {"code": 400, "error": "Request missing required field", "missing_field": "api_key"},
    ],
)
def test_a_wrong_key_is_no_fault_of_the_events(said: dict[str, Any]) -> None:
    assert read(answer(400, said), some(1)) is None
    classified = Classifier(AmplitudeDestination.failure_rules).classify(400, "", {}, orjson.dumps(said))
    assert classified == (FailureClass.SETUP, "AMPLITUDE_API_KEY")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"exceeded_daily_quota_users": {"user-1": 500_200}}, ["", "AMPLITUDE_DAILY_QUOTA", ""]),
        ({"exceeded_daily_quota_devices": {"device-1": 1}}, ["AMPLITUDE_DAILY_QUOTA"] * 3),
        ({"exceeded_daily_quota_users": [], "throttled_events": [1]}, ["", "AMPLITUDE_THROTTLED", ""]),
        ({"throttled_events": [0]}, ["AMPLITUDE_THROTTLED", "", ""]),
        ({"throttled_users": {"user-2": 44, "user-9": 50}}, ["", "", "AMPLITUDE_THROTTLED"]),
        ({"throttled_devices": {"device-1": 40}}, ["AMPLITUDE_THROTTLED"] * 3),
        (
            {"throttled_events": [1, 2, 7, -1], "exceeded_daily_quota_users": {"user-2": 500_200}},
            ["", "AMPLITUDE_THROTTLED", "AMPLITUDE_DAILY_QUOTA"],
        ),
    ],
)  # fmt: skip
def test_of_too_many_events_only_those_of_the_named_users_and_devices_wait_or_are_given_up(
    said: dict[str, Any], expected: list[str]
) -> None:
    sent = some(3)
    found = amplitude().read(answer(429, {"code": 429, "error": "Too many", "eps_threshold": 30, **said}), sent)
    assert found is not None
    assert [one is not None and one.resend for one in found] == [code == "" for code in expected]
    assert codes(answer(429, {"code": 429, **said}), sent) == expected


@pytest.mark.parametrize(
    "said", [{}, {"throttled_events": [3]}, {"throttled_users": {"user-9": 40}, "eps_threshold": 30}]
)
def test_too_many_events_of_nobody_in_the_request_are_too_many_for_the_project(said: dict[str, Any]) -> None:
    assert read(answer(429, {"code": 429, "error": "Too many", **said}), some(3)) is None
    rules = Classifier(AmplitudeDestination.failure_rules)
    assert rules.classify(429, "", {}, orjson.dumps(said)) == (FailureClass.THROTTLE, "429")


@pytest.mark.parametrize("status", [200, 413, 500, 503])
def test_other_answers_count_for_all(status: int) -> None:
    assert read(answer(status, {"events_with_invalid_fields": {"time": [0]}}), some(1)) is None


def test_every_code_is_explained() -> None:
    given_by_rules = {rule.reason for rule in AmplitudeDestination.failure_rules}
    assert given_by_rules == {reason.code for reason in AmplitudeDestination.reasons}
    assert all(reason.action and reason.link.startswith("https://") for reason in AmplitudeDestination.reasons)


def test_the_key_must_come_from_the_environment_and_is_known_as_a_secret() -> None:
    assert amplitude().secret_values() == {"key-of-the-project"}
    with pytest.raises(ValidationError, match="credential is written in the file"):
        destination(AmplitudeDestination, type="amplitude", api_key="key-of-the-project")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["time", "user-0", ""]), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    "error missing_field events_with_missing_fields events_with_invalid_fields events_with_invalid_id_lengths "
    "silenced_events throttled_events throttled_users throttled_devices exceeded_daily_quota_users "
    "exceeded_daily_quota_devices".split()
)
RAW = Item("d-9", b'{"user_id":["user-0"]}')


@given(
    status=st.sampled_from([200, 400, 413, 429, 500]),
    body=st.binary(max_size=40) | (JSON | st.dictionaries(FIELDS, JSON)).map(orjson.dumps),
    count=st.integers(1, 3),
)
def test_reading_never_raises_and_speaks_of_all_items_or_none(status: int, body: bytes, count: int) -> None:
    sent = [*some(count), RAW]
    said = read(HttpResponse(status=status, body=body), sent)
    assert said is None or len(said) == len(sent)
