"""What one item becomes, and for what it is refused."""

from itertools import count
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.events.tracking import EventLimits, RequestContext, deeper_than, normalize_event
from model.events.validation import InvalidItem
from tests.kit.iso_times import iso_ms, parse_iso_ms

RECEIVED_AT_MS = 1_780_000_000_000
RECEIVED_AT = "2026-05-28T20:26:40.000Z"
TRACK = {"type": "track", "event": "Signed Up", "userId": "u1"}


def accept(item: Any, *, call_type: str | None = None, source: str = "web", index: int = 0, **arrival: Any) -> Any:
    numbers = count(1)
    tracked = normalize_event(
        item,
        RequestContext(**{"received_at_ms": RECEIVED_AT_MS, **arrival}),
        EventLimits(),
        call_type=call_type,
        source=source,
        index=index,
        new_id=lambda: f"random-{next(numbers)}",
    )
    event = orjson.loads(tracked.payload)
    assert event["messageId"] == tracked.message_id
    return event


def refusal_code(item: Any, **arrival: Any) -> str:
    with pytest.raises(InvalidItem) as refused:
        accept(item, **arrival)
    return refused.value.code


def test_an_accepted_event_keeps_unknown_fields_and_loses_its_write_key() -> None:
    event = accept({**TRACK, "writeKey": "secret", "somethingNew": [1], "messageId": "m1"})
    assert event == {
        **TRACK,
        "messageId": "m1",
        "somethingNew": [1],
        "receivedAt": RECEIVED_AT,
        "originalTimestamp": RECEIVED_AT,
        "timestamp": RECEIVED_AT,
    }


def test_the_item_given_is_not_changed() -> None:
    item = {**TRACK, "writeKey": "k", "context": {"direct": True}}
    before = orjson.dumps(item)
    accept(item, client_ip="10.0.0.1", context={"app": 1})
    assert orjson.dumps(item) == before


def test_the_path_decides_the_type() -> None:
    assert accept({"userId": "u1", "type": "track"}, call_type="identify")["type"] == "identify"


@pytest.mark.parametrize(
    "item",
    [
        {"type": "identify", "anonymousId": "a"},
        {"type": "page", "userId": "u"},
        {"type": "screen", "userId": "u", "name": "Home", "category": None},
        {"type": "screen", "userId": "", "anonymousId": "a", "category": ""},  # what the Kotlin SDK sends
        {"type": "group", "userId": "u", "groupId": "g"},
        {"type": "alias", "userId": "u", "previousId": "p"},
        {**TRACK, "properties": None, "context": None, "integrations": None, "anonymousId": None},
        {**TRACK, "context": {"consent": {"categoryPreferences": {"ads": True}, "version": 2}}},
        {**TRACK, "context": {"consent": None, "device": None}},
        {**TRACK, "context": {"consent": "", "device": {"advertisingId": ""}}},
        {"type": "page", "userId": "u", "name": ""},  # what the Ruby SDK sends
    ],
)
def test_calls_the_sdks_make_are_accepted(item: dict[str, Any]) -> None:
    accept(item)


BLANK = "  "
CALLS: dict[str, dict[str, Any]] = {
    "track": TRACK,
    "identify": {"type": "identify", "userId": "u1"},
    "page": {"type": "page", "userId": "u1"},
    "group": {"type": "group", "userId": "u1", "groupId": "g1"},
    "alias": {"type": "alias", "userId": "u1", "previousId": "p1"},
}
# Field by field: the call it is tried in, and what is refused when it is missing or empty (None: nothing).
FIELDS_BY_CALL = [
    ("track", "anonymousId", None),
    ("track", "event", "event_not_defined"),
    ("track", "properties", None),
    ("track", "context", None),
    ("track", "integrations", None),
    ("track", "messageId", None),
    ("track", "timestamp", None),
    ("track", "originalTimestamp", None),
    ("track", "sentAt", None),
    ("track", "channel", None),
    ("identify", "traits", None),
    ("page", "name", None),
    ("page", "category", None),
    ("page", "properties", None),
    ("group", "traits", None),
    ("group", "groupId", "id_"),
    ("alias", "previousId", "id_"),
    ("alias", "userId", "id_"),
]


@pytest.mark.parametrize("empty", ["missing", None, ""])
@pytest.mark.parametrize(("call_type", "field", "refused"), FIELDS_BY_CALL)
def test_empty_is_missing_in_every_field(call_type: str, field: str, refused: str | None, empty: str | None) -> None:
    item = dict(CALLS[call_type])
    item.pop(field, None)
    if empty != "missing":
        item[field] = empty
    if refused is None:
        accept(item)
    else:
        assert refusal_code(item).startswith(refused)


@pytest.mark.parametrize("empty", ["", []])
@pytest.mark.parametrize(
    ("call_type", "field"),
    [
        ("track", "properties"),
        ("page", "properties"),
        ("identify", "traits"),
        ("group", "traits"),
        ("alias", "context"),
        ("track", "integrations"),
    ],
)
def test_an_empty_text_or_array_for_an_object_is_left_out(call_type: str, field: str, empty: Any) -> None:
    assert field not in accept({**CALLS[call_type], field: empty})


@pytest.mark.parametrize(("call_type", "field"), [(call, field) for call, field, _ in FIELDS_BY_CALL])
def test_blank_is_text(call_type: str, field: str) -> None:
    item = {**CALLS[call_type], field: BLANK}
    if field in {"properties", "traits", "context", "integrations"}:
        assert refusal_code(item) == f"{field}_not_object"
    else:
        event = accept(item)
        assert event["originalTimestamp" if field == "timestamp" else field] == BLANK


@pytest.mark.parametrize("anonymous", [None, ""])
@pytest.mark.parametrize("call_type", ["track", "identify", "page", "group"])
def test_ids_that_are_all_empty_are_refused(call_type: str, anonymous: str | None) -> None:
    item = {**CALLS[call_type], "userId": "", "anonymousId": anonymous}
    assert refusal_code(item) == "id_not_string"
    assert accept({**item, "anonymousId": "a"})["userId"] == ""


@pytest.mark.parametrize(
    ("code", "item"),
    [
        ("item_not_object", []),
        ("item_not_object", None),
        ("unknown_type", {"userId": "u"}),
        ("unknown_type", {"userId": "u", "type": ["track"]}),
        ("unknown_type", {"userId": "u", "type": "tracks"}),
        ("no_user_anon_id", {"type": "track", "event": "e"}),
        ("no_user_anon_id", {"type": "group", "groupId": "g"}),
        ("id_not_string", {**TRACK, "userId": 5}),
        ("id_not_string", {**TRACK, "userId": ""}),
        ("id_not_string", {**TRACK, "anonymousId": {}}),
        ("id_required", {"type": "group", "userId": "u"}),
        ("id_not_string", {"type": "group", "userId": "u", "groupId": 7}),
        ("id_required", {"type": "alias", "userId": "u"}),
        ("id_required", {"type": "alias", "previousId": "u"}),
        ("event_not_defined", {"type": "track", "userId": "u"}),
        ("event_not_defined", {**TRACK, "event": ""}),
        ("event_not_string", {**TRACK, "event": 5}),
        ("properties_not_object", {**TRACK, "properties": [1]}),
        ("traits_not_object", {"type": "identify", "userId": "u", "traits": "x"}),
        ("traits_not_object", {"type": "group", "userId": "u", "groupId": "g", "traits": 1}),
        ("name_not_string", {"type": "page", "userId": "u", "name": []}),
        ("name_not_string", {"type": "screen", "userId": "u", "name": 1}),
        ("category_not_string", {"type": "page", "userId": "u", "category": 1}),
        ("context_not_object", {**TRACK, "context": "x"}),
        ("integrations_not_object", {**TRACK, "integrations": ["All"]}),
        ("message_id_not_string", {**TRACK, "messageId": 1}),
        ("message_id_too_long", {**TRACK, "messageId": "m" * 101}),
        ("too_many_properties", {**TRACK, "properties": {str(n): 1 for n in range(10_001)}}),
        ("event_too_large", {**TRACK, "properties": {"text": "x" * 33_000}}),
        ("device_advertisingid_should_be_string", {**TRACK, "context": {"device": {"advertisingId": 1}}}),
        ("consent_categorypreferences_should_exist", {**TRACK, "context": {"consent": {}}}),
        ("consent_categorypreferences_should_exist", {**TRACK, "event": "Segment Consent Preference Updated"}),
        (
            "consent_categorypreferences_fields_should_be_object",
            {**TRACK, "context": {"consent": {"categoryPreferences": []}}},
        ),
        (
            "consent_categorypreferences_fields_should_be_bool",
            {**TRACK, "context": {"consent": {"categoryPreferences": {"ads": "yes"}}}},
        ),
        (
            "consent_version_should_be_number",
            {**TRACK, "context": {"consent": {"categoryPreferences": {}, "version": True}}},
        ),
    ],
)
def test_what_is_wrong_has_a_code(code: str, item: Any) -> None:
    assert refusal_code(item) == code


def test_a_reason_never_repeats_what_was_sent() -> None:
    with pytest.raises(InvalidItem) as refused:
        accept({**TRACK, "userId": {"email": "jane@example.com"}})
    assert "jane" not in str(refused.value)


def test_an_event_of_exactly_the_limit_is_accepted_although_fields_are_added() -> None:
    item = {**TRACK, "messageId": "m", "properties": {"text": ""}}
    item["properties"] = {"text": "x" * (32 * 1024 - len(orjson.dumps(item)))}
    accept(item)
    item["properties"] = {"text": item["properties"]["text"] + "x"}  # type: ignore[index]
    assert refusal_code(item) == "event_too_large"


def test_the_context_of_the_batch_counts_in_the_size_of_each_event() -> None:
    item = {**TRACK, "properties": {"text": "x" * 20_000}}
    accept(item)
    assert refusal_code(item, context={"text": "y" * 20_000}) == "event_too_large"


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for number in range(depth - 1):
        value = {"a": value} if number % 2 else {"a": [value]}
    return value


def test_depth_is_counted_exactly() -> None:
    value: dict[str, Any] = {}
    for depth in range(1, 50):
        assert not deeper_than(value, depth)
        assert depth == 1 or deeper_than(value, depth - 1)
        value = {"a": 1, "b": value}


def test_an_event_nested_too_deeply_is_refused_and_a_deep_one_is_not() -> None:
    accept({**TRACK, "properties": nested(60)})
    assert refusal_code({**TRACK, "properties": nested(900)}) == "too_deep"


class TestTimes:
    def test_the_senders_clock_is_corrected_by_its_own_distance(self) -> None:
        event = accept({**TRACK, "timestamp": "2020-01-01T00:00:00.250Z"}, sent_at="2020-01-01T00:00:10.000Z")
        assert event["timestamp"] == iso_ms(RECEIVED_AT_MS - 9_750)
        assert event["originalTimestamp"] == "2020-01-01T00:00:00.250Z"
        assert event["sentAt"] == "2020-01-01T00:00:10.000Z"
        assert event["receivedAt"] == RECEIVED_AT

    def test_an_items_own_sent_at_wins(self) -> None:
        item = {**TRACK, "timestamp": "2020-01-01T00:00:00Z", "sentAt": "2020-01-01T00:00:01Z"}
        assert accept(item, sent_at="2020-01-01T00:01:00Z")["timestamp"] == iso_ms(RECEIVED_AT_MS - 1_000)

    def test_without_a_time_of_sending_the_timestamp_is_believed(self) -> None:
        item = {**TRACK, "timestamp": "2021-03-04T05:06:07+02:00", "sentAt": "nonsense"}
        assert accept(item)["timestamp"] == "2021-03-04T03:06:07.000Z"

    def test_original_timestamp_goes_before_timestamp(self) -> None:
        item = {**TRACK, "timestamp": "2021-01-01T00:00:00Z", "originalTimestamp": "2020-01-01T00:00:00Z"}
        assert accept(item)["timestamp"] == "2020-01-01T00:00:00.000Z"

    def test_a_corrected_time_outside_the_calendar_is_the_time_of_receipt(self) -> None:
        item = {**TRACK, "timestamp": "9999-12-31T23:59:59Z"}
        assert accept(item, sent_at="0001-01-01T00:00:00Z")["timestamp"] == RECEIVED_AT

    @pytest.mark.parametrize("field", ["timestamp", "originalTimestamp"])
    @pytest.mark.parametrize("odd", ["yesterday", "0000-01-01T00:00:00Z", "  ", "2026-13-01", {"a": 1}, True, 1e300])
    def test_no_event_is_lost_for_a_time_that_cannot_be_read(self, field: str, odd: Any) -> None:
        event = accept({**TRACK, field: odd}, sent_at="2020-01-01T00:00:10.000Z")
        assert (event["timestamp"], event["originalTimestamp"]) == (RECEIVED_AT, odd)

    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("2026-05-01t10:00:00z", "2026-05-01T10:00:00.000Z"),
            ("2026-05-01t10:00:00.250z", "2026-05-01T10:00:00.250Z"),
            ("2026-05-01t10:00:00+02:00", "2026-05-01T08:00:00.000Z"),
            ("2026-05-01 10:00:00Z", "2026-05-01T10:00:00.000Z"),
            ("2026-05-01 10:00:00", "2026-05-01T10:00:00.000Z"),
            ("2026-05-01 10:00:00 +0200", "2026-05-01T08:00:00.000Z"),
            ("2026-05-01 10:00:00.5 UTC", "2026-05-01T10:00:00.500Z"),
            ("2026-05-01T10:00:00GMT", "2026-05-01T10:00:00.000Z"),
            (" 2026-05-01T10:00:00Z\n", "2026-05-01T10:00:00.000Z"),
            ("2026-05-01T10:00Z", "2026-05-01T10:00:00.000Z"),
            ("2026-05-01T10:00:00.1Z", "2026-05-01T10:00:00.100Z"),
            ("2026-05-01T10:00:00.123456789Z", "2026-05-01T10:00:00.123Z"),
            ("2026-05-01T10:00:00.123456789012z", "2026-05-01T10:00:00.123Z"),
            ("2026-05-01T10:00:00,123Z", "2026-05-01T10:00:00.123Z"),
            ("2026-05-01T10:00:00+0000", "2026-05-01T10:00:00.000Z"),
            ("2026-05-01T10:00:00-05", "2026-05-01T15:00:00.000Z"),
            ("20260501T100000Z", "2026-05-01T10:00:00.000Z"),
            ("2026-05-01", "2026-05-01T00:00:00.000Z"),
            ("2026-05", "2026-05-01T00:00:00.000Z"),
            ("+002026-05-01T10:00:00Z", "2026-05-01T10:00:00.000Z"),
            ("2026-05-01T24:00:00Z", "2026-05-02T00:00:00.000Z"),
            ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00.000Z"),
            (1_777_629_600, "2026-05-01T10:00:00.000Z"),
            (1_777_629_600_250, "2026-05-01T10:00:00.250Z"),
            (1_777_629_600.25, "2026-05-01T10:00:00.250Z"),
            ("1777629600", "2026-05-01T10:00:00.000Z"),
            ("1777629600250", "2026-05-01T10:00:00.250Z"),
        ],
    )
    def test_times_are_read_as_senders_write_them(self, written: Any, read: str) -> None:
        event = accept({**TRACK, "timestamp": written})
        assert (event["timestamp"], event["originalTimestamp"]) == (read, written)
        seconds_late = accept({**TRACK, "timestamp": "2026-05-01T10:00:00Z", "sentAt": written})
        assert seconds_late["timestamp"] != "2026-05-01T10:00:00.000Z"  # a time of sending is read as well

    @given(st.integers(parse_iso_ms("0001-01-01T00:00:00Z"), parse_iso_ms("9999-12-31T23:59:59.999Z")))
    def test_writing_and_reading_a_time_are_inverse(self, at_ms: int) -> None:
        assert parse_iso_ms(iso_ms(at_ms)) == at_ms
        assert parse_iso_ms(iso_ms(at_ms).lower()) == at_ms

    @given(st.text(st.characters(codec="utf-8"), max_size=30) | st.from_regex(r"\A[0-9T:.+Z-]{4,30}\Z"))
    def test_any_text_is_a_time_or_none(self, text: str) -> None:
        at_ms = parse_iso_ms(text)
        assert at_ms is None or isinstance(at_ms, int)


DATED = {**TRACK, "timestamp": "2026-05-01T00:00:00Z"}


class TestMessageId:
    def test_the_same_dated_item_sent_again_gets_the_same_id(self) -> None:
        first = accept(DATED, sent_at="2026-05-01T00:00:01Z")
        again = accept({**DATED, "writeKey": "k"}, sent_at="2026-05-01T00:00:09Z")
        assert first["messageId"] == again["messageId"]
        assert len(first["messageId"]) <= 100

    @pytest.mark.parametrize("other", [{"source": "app"}, {"index": 1}])
    def test_another_source_or_place_in_the_batch_gets_another_id(self, other: dict[str, Any]) -> None:
        assert accept(DATED)["messageId"] != accept(DATED, **other)["messageId"]

    def test_equal_items_without_a_date_are_two_events(self) -> None:
        assert accept(TRACK)["messageId"] == "random-1"

    def test_an_empty_id_is_replaced(self) -> None:
        assert accept({**TRACK, "messageId": ""})["messageId"] == "random-1"


class TestSharedFields:
    def test_context_and_integrations_of_the_batch_are_merged_and_the_item_wins(self) -> None:
        event = accept(
            {**TRACK, "context": {"locale": "de"}, "integrations": {"All": True}},
            context={"locale": "en", "app": {"version": "1"}},
            integrations={"All": False, "Mixpanel": True},
        )
        assert event["context"] == {"locale": "de", "app": {"version": "1"}}
        assert event["integrations"] == {"All": True, "Mixpanel": True}

    @pytest.mark.parametrize(
        ("context", "from_browser", "ip"),
        [
            ({}, False, None),
            ({"direct": True}, False, "10.0.0.1"),
            ({"direct": "yes"}, False, None),
            ({}, True, "10.0.0.1"),
            ({"ip": "192.0.2.7"}, True, "192.0.2.7"),
        ],
    )
    def test_the_ip_is_filled_in_only_for_calls_straight_from_a_client(
        self, context: dict[str, Any], from_browser: bool, ip: str | None
    ) -> None:
        event = accept({**TRACK, "context": context}, client_ip="10.0.0.1", from_browser=from_browser)
        assert event["context"].get("ip") == ip


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["consent", "device", "x"]), inner),
    max_leaves=6,
)
FIELDS = ["type", "event", "userId", "anonymousId", "groupId", "previousId", "properties", "traits", "context"]
FIELDS += ["integrations", "messageId", "timestamp", "originalTimestamp", "sentAt", "name", "category"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES), st.sampled_from([None, "track", "page", "alias"]))
def test_any_item_is_accepted_or_refused_with_a_code_and_never_anything_else(
    item: dict[str, Any], call_type: str | None
) -> None:
    try:
        accept(item, call_type=call_type)
    except InvalidItem as invalid:
        assert invalid.code and invalid.message
