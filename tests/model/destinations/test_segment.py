"""The Segment-compatible Tracking API: events go on with times corrected once, under the other side's write key."""

from base64 import b64decode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.destinations.destination import Item
from model.destinations.segment import SegmentDestination
from model.durations import HOUR_MS
from model.events.tracking import EventLimits, RequestContext, normalize_event
from model.http.messages import HttpResponse
from tests.kit.destination_items import ENVIRON, destination
from tests.kit.iso_times import iso_ms
from tests.kit.samples import T0

EVENT = b'{"type":"track","messageId":"m-1"}'
REQUEST_LIMIT_BYTES = 500 * 1024


def segment(**settings: Any) -> SegmentDestination:
    return destination(SegmentDestination, **{"type": "segment", "write_key": "${KEY}", **settings})


def batch(*items: Item, now_ms: int = T0) -> list[dict[str, Any]]:
    """What is sent of the items; beside them the request holds nothing."""
    content = orjson.loads(segment().request(items, now_ms).body)
    assert list(content) == ["batch"]
    found: list[dict[str, Any]] = content["batch"]
    return found


def test_what_events_hold_is_sent_byte_for_byte() -> None:
    event = b'{"type": "track", "properties":{"n": 123456789012345678901234567890,\n"x":1.50}, "messageId":"m-1"}'
    body = segment().request([Item("a", event), Item("b", b"{}")], T0).body
    expected = b'{"type":"track","properties":{"n": 123456789012345678901234567890,\n"x":1.50},"messageId":"m-1"}'
    assert body == b'{"batch":[' + expected + b",{}]}"


def arrived(item: dict[str, Any], received_at_ms: int, sent_at_ms: int | None) -> bytes:
    """What ingest makes of an item."""
    sent_at = None if sent_at_ms is None else iso_ms(sent_at_ms)
    arrival = RequestContext(received_at_ms=received_at_ms, sent_at=sent_at)
    return normalize_event(
        item, arrival, EventLimits(), call_type="track", source="web", index=0, new_id=lambda: "made-here"
    ).payload


@pytest.mark.parametrize("delay_ms", [0, 23_000, 72 * HOUR_MS], ids=["at once", "late retry", "redrive"])
@pytest.mark.parametrize("slow_ms", [-HOUR_MS, 0, HOUR_MS], ids=["fast clock", "right clock", "slow clock"])
@pytest.mark.parametrize("dates", ["none", "timestamp", "originalTimestamp", "its own sentAt", "no sentAt"])
def test_another_waybill_gets_the_same_time_whenever_the_event_comes(dates: str, slow_ms: int, delay_ms: int) -> None:
    item: dict[str, Any] = {"event": "Bought", "userId": "u-1", "messageId": "m-1"}
    client_ms = T0 - slow_ms
    happened_ms = client_ms - 5_000
    if dates != "none":
        item["originalTimestamp" if dates == "originalTimestamp" else "timestamp"] = iso_ms(happened_ms)
    if dates == "its own sentAt":
        item["sentAt"] = iso_ms(client_ms)
    first = arrived(item, T0, None if dates in {"its own sentAt", "no sentAt"} else client_ms)
    [sent] = batch(Item("a", first), now_ms=T0 + delay_ms)
    second = orjson.loads(arrived(sent, T0 + delay_ms, None))
    expected_ms = {"none": T0, "no sentAt": happened_ms}.get(dates, T0 - 5_000)
    assert orjson.loads(first)["timestamp"] == second["timestamp"] == iso_ms(expected_ms)
    assert not {"sentAt", "originalTimestamp"} & sent.keys()


TIMES = {"timestamp": "2026-01-31T08:00:00Z", "originalTimestamp": "2026-01-31T07:00:00Z"}


@pytest.mark.parametrize(
    ("mapped", "timestamp"),
    [
        ({}, TIMES["timestamp"]),
        ({"timestamp": ""}, TIMES["timestamp"]),
        ({"timestamp": None}, TIMES["timestamp"]),
        ({"timestamp": "2020-01-01T00:00:00Z"}, "2020-01-01T00:00:00Z"),
        (TIMES | {"sentAt": "2026-01-31T07:00:10Z"}, TIMES["timestamp"]),
    ],
)
def test_a_mapped_event_is_sent_as_it_was_mapped_and_dated(mapped: dict[str, Any], timestamp: str) -> None:
    event = orjson.dumps({"type": "track", "sentAt": "2026-01-31T07:00:10Z", **TIMES})
    assert batch(Item("a", event, {"type": "track", "event": "Mapped", **mapped})) == [
        {"type": "track", "event": "Mapped", "timestamp": timestamp}
    ]


def test_the_write_key_is_the_user_name_and_there_is_no_password() -> None:
    scheme, _, credentials = segment().request([Item("a", EVENT)], T0).headers["authorization"].partition(" ")
    assert (scheme, b64decode(credentials).decode()) == ("Basic", f"{ENVIRON['KEY']}:")


def test_another_address_can_be_given() -> None:
    assert segment().request([Item("a", EVENT)], T0).url == "https://api.segment.io/v1/batch"
    elsewhere = "https://events.eu1.segmentapis.com/v1/batch"
    made = segment(url=elsewhere)
    assert made.request([Item("a", EVENT)], T0).url == elsewhere
    assert made.origin == "https://events.eu1.segmentapis.com"


def test_a_write_key_is_not_written_in_the_file_and_not_shown() -> None:
    with pytest.raises(ValueError, match="credential"):
        segment(write_key="written out")
    made = segment()
    assert made.secret_values() == {ENVIRON["KEY"]} and ENVIRON["KEY"] not in repr(made) + made.model_dump_json()


@pytest.mark.parametrize("event_bytes", [16, 1_023, 32 * 1024])
def test_a_request_of_as_many_events_as_the_limits_allow_is_not_too_large(event_bytes: int) -> None:
    made = segment()
    limits = made.batching()
    count = min(limits.max_events, limits.max_bytes // (event_bytes + 1))  # each with its comma
    event = b'{"n":"' + b"x" * (event_bytes - 8) + b'"}'
    assert count <= 2_500
    assert len(made.request([Item(f"d-{n}", event) for n in range(count)], T0).body) <= REQUEST_LIMIT_BYTES


@given(st.integers(100, 599), st.binary())
def test_an_answer_counts_for_all_events_of_a_request(status: int, body: bytes) -> None:
    assert segment().read(HttpResponse(status=status, body=body), [Item("a", EVENT), Item("b", EVENT)]) is None
