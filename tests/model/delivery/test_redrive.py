"""Which dead letters are sent again, and what a redrive starts as."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from flows.topics.records import dead_letter, undelivered
from model.delivery.delivery import Delivery
from model.delivery.redrive import (
    Choice,
    DeadLetter,
    Earlier,
    Skip,
    latest,
    read_dead_letter,
    redrive_of,
    redriven,
    skip,
)
from model.events.envelope import UnreadableRecord
from model.recording.facts import Redriven, State, decode, encode
from model.recording.replays import Decision
from model.recording.rows import LogPosition, rows_of
from tests.kit.samples import T0, delivery

NOW = T0 + 7_200_000


def letter_of(ended: Delivery, state: State = State.DISCARDED, code: str = "422", at_ms: int = T0) -> bytes:
    return undelivered(ended, ended.end(state, at_ms=at_ms, run="r", code=code, message="no such customer")).value


def letter(**changes: Any) -> DeadLetter:
    return read_dead_letter(letter_of(delivery(), **changes))


class TestReading:
    @given(st.binary(max_size=300), st.sampled_from(State), st.integers(0, 2**50))
    def test_what_delivery_wrote_is_read_as_it_was(self, event: bytes, state: State, at_ms: int) -> None:
        ended = delivery(event=event, calls=3, inserted=True)
        if state in {State.DISCARDED, State.EXPIRED}:
            assert read_dead_letter(letter_of(ended, state, "503", at_ms)) == DeadLetter("503", state, at_ms, ended)

    @given(st.binary(max_size=200))
    def test_other_bytes_are_refused_and_nothing_else_is_raised(self, value: bytes) -> None:
        with pytest.raises(UnreadableRecord):
            read_dead_letter(value)

    @given(st.data())
    def test_a_damaged_letter_is_refused_or_still_a_letter(self, data: st.DataObject) -> None:
        value = bytearray(letter_of(delivery()))
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
        try:
            read = read_dead_letter(bytes(value))
        except UnreadableRecord:
            return
        assert isinstance(read.delivery, Delivery)

    @pytest.mark.parametrize(
        "value",
        [
            dead_letter(b"\x00not an event", b"k", "UNREADABLE_RECORD", "no header line").value,
            letter_of(delivery(delivery_id="../../etc")),
            letter_of(delivery(redrive=-1)),
        ],
    )
    def test_bytes_that_never_were_a_delivery_of_ours(self, value: bytes) -> None:
        with pytest.raises(UnreadableRecord):
            read_dead_letter(value)


class TestChoosing:
    @pytest.mark.parametrize(
        ("choice", "taken"),
        [
            (Choice(destination="crm"), True),
            (Choice(destination="ads"), False),
            (Choice(destination="hub", was=("older", "crm")), True),
            (Choice(destination="crm", codes=frozenset({"503", "422"})), True),
            (Choice(destination="crm", codes=frozenset({"503"})), False),
            (Choice(destination="crm", from_ms=T0, to_ms=T0 + 1), True),
            (Choice(destination="crm", from_ms=T0 + 1), False),
            (Choice(destination="crm", to_ms=T0), False),
        ],
    )
    def test_by_destination_code_and_the_time_it_ended(self, choice: Choice, taken: bool) -> None:
        assert choice.takes(letter(at_ms=T0)) is taken


class TestSkipping:
    @pytest.mark.parametrize(
        ("number", "earlier", "expected"),
        [
            (0, Earlier(), None),
            (0, Earlier(1, ""), Skip.PENDING),
            (0, Earlier(1, "delivered", recovered=True), Skip.RECOVERED),
            (0, Earlier(1, "discarded"), Skip.FAILED_AGAIN),
            (1, Earlier(1, "discarded"), None),
            (1, Earlier(1, ""), None),  # its dead letter was written before the store heard of it
            (0, Earlier(2, "expired"), Skip.FAILED_AGAIN),
            (1, Earlier(2, ""), Skip.PENDING),
            (0, Earlier(1, "filtered"), None),
            (1, Earlier(1, "expired", recovered=True), Skip.RECOVERED),
        ],
    )
    def test_only_the_last_failure_of_a_delivery_is_sent(
        self, number: int, earlier: Earlier, expected: Skip | None
    ) -> None:
        assert skip(number, earlier) is expected

    def test_what_was_written_down_counts_until_the_store_has_heard_of_it(self) -> None:
        assert latest(0, Earlier()) == Earlier()
        assert latest(1, Earlier()) == Earlier(1)
        assert latest(2, Earlier(1, "discarded")) == Earlier(2)
        assert latest(2, Earlier(2, "discarded")) == Earlier(2, "discarded")
        assert latest(1, Earlier(3, "expired")) == Earlier(3, "expired")
        assert latest(2, Earlier(1, "delivered", recovered=True)).recovered


class TestStarting:
    def test_a_redrive_starts_afresh_with_the_same_key_and_event(self) -> None:
        ended = delivery(
            calls=10, attempts=9, code="503", message="down", retry_wait_ms=5, limit_wait_ms=6, calls_ms=7,
            inserted=True, replayed=True, resent=True, event=b'{"type":"page"}',
        )  # fmt: skip
        first = redrive_of(ended, 1, NOW)
        fresh = delivery(inserted=True, event=ended.event)
        expected = replace(
            fresh, delivery_id=f"{ended.delivery_id}/r1", redrive=1, taken_at_ms=NOW, due_at_ms=NOW, waits_from_ms=NOW
        )
        assert first == expected
        assert first.key == ended.key == ended.delivery_id

    def test_a_redrive_of_a_redrive_belongs_to_the_same_delivery(self) -> None:
        second = redrive_of(redrive_of(delivery(), 1, NOW), 2, NOW + 5)
        assert (second.delivery_id, second.key) == (f"{delivery().delivery_id}/r2", delivery().delivery_id)
        assert second == redrive_of(delivery(), 2, NOW + 5)

    def test_its_fact_is_a_row_of_its_own_kind_that_names_who_asked(self) -> None:
        begun = redrive_of(delivery(), 1, NOW)
        said = decode(encode(redriven(begun, at_ms=NOW, batch="b-1", author="ada")))
        assert isinstance(said, Redriven) and said.redrive_id == "b-1"
        [row] = rows_of(said, LogPosition(0, 5, NOW), Decision(1))
        expected = {"kind": "redriven", "delivery_id": begun.delivery_id, "redrive": 1, "author": "ada", "attempt": 0}
        assert {name: row.values[name] for name in expected} == expected
