import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.delivery.delivery import Delivery, Wait
from model.events.envelope import UnreadableRecord, decode_record, encode_record
from model.recording.facts import State
from tests.kit.samples import T0, delivery


@given(st.binary(), st.text(), st.booleans(), st.integers(0, 2**40))
def test_a_delivery_reads_back_as_it_was_written_whatever_the_event(
    event: bytes, message: str, replayed: bool, due_at_ms: int
) -> None:
    written = delivery(event=event, message=message, replayed=replayed, due_at_ms=due_at_ms, attempts=3, calls=4)
    assert Delivery.from_record(written.to_record()) == written


def test_the_event_travels_as_the_very_bytes_it_was() -> None:
    assert delivery(event=b'{ "a":\n1.0 }').to_record().endswith(b'\n{ "a":\n1.0 }')


@given(st.binary())
@example(b"[" * 100_000 + b"\n")
def test_any_bytes_are_a_delivery_or_unreadable(value: bytes) -> None:
    with pytest.raises(UnreadableRecord):
        Delivery.from_record(value)


@pytest.mark.parametrize(
    "change", [{"v": 2}, {"v": None}, {"due_at_ms": "soon"}, {"replayed": 1}, {"destination": None}, {"calls": 1.5}]
)
def test_another_version_or_type_is_refused_not_guessed(change: dict[str, object]) -> None:
    header, event = decode_record(delivery().to_record())
    with pytest.raises(UnreadableRecord):
        Delivery.from_record(orjson.dumps(header | change) + b"\n" + event)


def test_a_record_that_lacks_a_field_is_unreadable() -> None:
    with pytest.raises(UnreadableRecord):
        Delivery.from_record(encode_record({"delivery_id": "x"}, b"{}"))


def test_an_outcome_repeats_what_the_delivery_is_about() -> None:
    of = delivery(calls=3, replayed=True, resent=True)
    end = of.end(State.DISCARDED, at_ms=T0 + 5, run="run-2", code="400", message="bad", http=(400, 17))
    assert (end.delivery_id, end.destination, end.received_at_ms) == (of.delivery_id, "crm", T0)
    assert (end.state, end.code, end.message, end.http_status, end.http_ms) == (State.DISCARDED, "400", "bad", 400, 17)
    assert (end.attempt, end.replayed, end.resent) == (3, True, True)


def test_an_end_without_a_call_is_no_possible_duplicate() -> None:
    assert not delivery(resent=True).end(State.EXPIRED, at_ms=T0, run="r", code="NEVER_ATTEMPTED").resent


@pytest.mark.parametrize(
    ("wait", "parts"), [(Wait.RETRY, (7, 300, 0)), (Wait.LIMIT, (7, 0, 300)), (Wait.QUEUE, (307, 0, 0))]
)
def test_a_wait_is_counted_as_what_it_was_for_and_as_long_as_it_really_took(
    wait: Wait, parts: tuple[int, int, int]
) -> None:
    waiting = delivery().waiting(from_ms=T0 + 7, until_ms=T0 + 107, wait=wait)
    assert Delivery.from_record(waiting.to_record()) == waiting
    end = waiting.waited(T0 + 307).end(State.EXPIRED, at_ms=T0 + 307, run="r")
    assert (end.queue_ms, end.retry_wait_ms, end.limit_wait_ms) == parts
    assert end.due_at_ms == T0 + 107
