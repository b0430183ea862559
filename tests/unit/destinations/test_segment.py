"""The Segment-compatible Tracking API: events go on as they came, under the write key of the other side."""

from base64 import b64decode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.destinations.destination import Item
from model.destinations.segment import SegmentDestination
from model.http import HttpResponse
from tests.destination_items import ENVIRON, destination
from tests.samples import T0

EVENT = b'{"type": "track", "messageId":"m-1",\n"n": 123456789012345678901234567890}'
REQUEST_LIMIT_BYTES = 500 * 1024


def segment(**settings: Any) -> SegmentDestination:
    return destination(SegmentDestination, **{"type": "segment", "write_key": "${KEY}", **settings})


def test_events_stand_in_the_batch_byte_for_byte() -> None:
    body = segment().request([Item("a", EVENT), Item("b", b"{}")], T0).body
    assert body.startswith(b'{"batch":[' + EVENT + b",{}],")


def test_the_time_of_sending_lets_the_other_side_correct_clocks() -> None:
    assert orjson.loads(segment().request([Item("a", EVENT)], 1_769_846_400_500).body)["sentAt"] == (
        "2026-01-31T08:00:00.500Z"
    )


def test_a_mapped_event_is_sent_as_it_was_mapped() -> None:
    request = segment().request([Item("a", EVENT, {"type": "track", "event": "Mapped"})], T0)
    assert orjson.loads(request.body)["batch"] == [{"type": "track", "event": "Mapped"}]


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


@pytest.mark.parametrize("event_bytes", [2, 1_023, 32 * 1024])
def test_a_request_of_as_many_events_as_the_limits_allow_is_not_too_large(event_bytes: int) -> None:
    made = segment()
    limits = made.batching()
    count = min(limits.max_events, limits.max_bytes // (event_bytes + 1))  # each with its comma
    event = b'"' + b"x" * (event_bytes - 2) + b'"'
    assert count <= 2_500
    assert len(made.request([Item(f"d-{n}", event) for n in range(count)], T0).body) <= REQUEST_LIMIT_BYTES


@given(st.integers(100, 599), st.binary())
def test_an_answer_counts_for_all_events_of_a_request(status: int, body: bytes) -> None:
    assert segment().read(HttpResponse(status=status, body=body), [Item("a", EVENT), Item("b", EVENT)]) is None
