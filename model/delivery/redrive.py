"""Redrives: an undelivered delivery is sent again as a new delivery ``<id>/r<n>``.

Decoding dead letters, selecting them, deciding which of them are sent, and making the new delivery.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import msgspec
from msgspec.structs import replace

from model.delivery.delivery import Delivery
from model.events.envelope import UnreadableRecord, check_version, decode_json
from model.events.ids import ID_BYTES
from model.recording.facts import Redriven, State

_ROOT = re.compile(rf"[0-9a-f]{{{2 * ID_BYTES}}}")


class Skip(StrEnum):
    """Why a selected dead letter is not sent."""

    PENDING = "pending"  # its redrive is unfinished
    RECOVERED = "recovered"  # its redrive was delivered
    FAILED_AGAIN = "failed_again"  # its redrive failed too and left a newer dead letter
    GONE = "gone"  # its connection or mapping is removed or disabled


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that ended discarded or expired. ``ended_at_ms``: when, in Unix ms."""

    code: str
    state: str
    ended_at_ms: int
    delivery: Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Selects dead letters by destination, codes (none: all) and end time, [from_ms, to_ms).

    ``was``: ids the destination had before.
    """

    destination: str
    was: tuple[str, ...] = ()
    codes: frozenset[str] = frozenset()
    from_ms: int | None = None
    to_ms: int | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether the dead letter is selected."""
        return (
            letter.delivery.destination in {self.destination, *self.was}
            and (not self.codes or letter.code in self.codes)
            and (self.from_ms is None or letter.ended_at_ms >= self.from_ms)
            and (self.to_ms is None or letter.ended_at_ms < self.to_ms)
        )


@dataclass(frozen=True, slots=True)
class Earlier:
    """A delivery's redrives: the number of the last one and how it ended ('': not yet)."""

    number: int = 0
    state: str = ""
    recovered: bool = False  # by any of them


Lookup = Callable[[list[str]], dict[str, Earlier]]  # by id of the first delivery; those without redrives may be missing


class _Header(msgspec.Struct):
    code: str
    state: Literal["discarded", "expired"]
    at_ms: int


_header_decoder = msgspec.json.Decoder(_Header)


def read_dead_letter(value: bytes) -> DeadLetter:
    """Decode a record of topic dead_letters. Raises `UnreadableRecord`, also for bytes that are not a delivery."""
    line, _, record = value.partition(b"\n")
    check_version(line)
    header = decode_json(_header_decoder, line, "the dead letter of a delivery")
    delivery = Delivery.from_record(record)
    if not _ROOT.fullmatch(delivery.key) or delivery.redrive < 0:
        raise UnreadableRecord("not the dead letter of a delivery: it has no delivery id of ours")
    return DeadLetter(header.code, header.state, header.at_ms, delivery)


def latest(written: int, recorded: Earlier) -> Earlier:
    """Combine the number in this machine's ledger with the store's, which lags by seconds."""
    return recorded if recorded.number >= written else Earlier(written, "", recorded.recovered)


def skip(number: int, earlier: Earlier) -> Skip | None:
    """Why the dead letter of a delivery's ``number``-th redrive (0: of its first delivery) is not sent; None: it is.

    A filtered redrive leaves no dead letter, so the one before it remains the latest.
    """
    if earlier.recovered:
        return Skip.RECOVERED
    if number >= earlier.number or earlier.state == State.FILTERED:
        return None
    return Skip.FAILED_AGAIN if earlier.state in {State.DISCARDED, State.EXPIRED} else Skip.PENDING


def redrive_of(delivery: Delivery, number: int, now_ms: int) -> Delivery:
    """Return the delivery's ``number``-th redrive: due now, with a new window and new attempts.

    It keeps the insert function's result; every attempt runs the mapping again.
    """
    return replace(
        delivery,
        delivery_id=redrive_id(delivery.key, number),
        redrive=number,
        taken_at_ms=now_ms,
        due_at_ms=now_ms,
        waits_from_ms=now_ms,
        calls=0,
        attempts=0,
        code="",
        message="",
        retry_wait_ms=0,
        limit_wait_ms=0,
        calls_ms=0,
        batch_limit=0,
        failed_since_ms=0,
        refused_since_ms=0,
        replayed=False,
        resent=False,
    )


def redrive_id(root: str, number: int) -> str:
    """Name the ``number``-th redrive of a delivery."""
    return f"{root}/r{number}"


def redriven(delivery: Delivery, *, at_ms: int, batch: str, author: str) -> Redriven:
    """The fact that records the start of a redrive; ``batch``: id of the command's run."""
    return Redriven(**delivery.about(), at_ms=at_ms, run=batch, attempt=0, redrive_id=batch, author=author)
