"""Facts: the immutable records on topic outcomes, from which every number is counted.

    Received       an event was read from the log and routed          one per event
    Duplicate      an event was read and dropped as a duplicate        one per event
    Rejected       ingest refused items of a request                   one per request and code
    AttemptFailed  one HTTP call did not deliver; due_at_ms says when the next one is
    Spilled        a delivery was put back unsent to a retry rung
    Outcome        the final word on a delivery                        one per delivery
    Sample         redacted payloads of one attempt
    Tick           how far one lane of the delivery flow has come

Times are Unix milliseconds. Nothing here may carry unredacted payloads (design 7.4).
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar

import orjson

from model.envelope import FORMAT_VERSION, UnreadableRecord, decode_header


class State(StrEnum):
    """How a delivery ends."""

    FILTERED = "filtered"  # configuration chose not to send; in no rate
    DELIVERED = "delivered"
    DISCARDED = "discarded"  # should have gone and could not
    EXPIRED = "expired"  # window or attempts used up


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What every fact says: when it happened and which run of the flow says so."""

    kind: ClassVar[str]
    at_ms: int
    run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFact(Fact):
    """A fact about one event of the events log."""

    source: str
    message_id: str
    event_type: str
    event_name: str
    app_version: str
    events_partition: int
    events_offset: int
    received_at_ms: int  # append time in the events log: what cohorts and latency are measured from
    replayed: bool = False  # may have been said before a crash: recording must look it up


@dataclass(frozen=True, slots=True, kw_only=True)
class Received(EventFact):
    """An event was read and routed; ``routes`` lists its deliveries as (delivery_id, destination, mapping)."""

    kind = "received"
    routes: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate(EventFact):
    """An event whose (source, messageId) stood at a lower offset within the last 24 hours."""

    kind = "duplicate"
    first_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFact(EventFact):
    """A fact about one delivery."""

    delivery_id: str
    destination: str
    mapping: str
    attempt: int  # calls made so far, this one included
    code: str = ""  # see model.codes; '' when delivered
    message: str = ""  # the partner's own words, redacted and cut
    resent: bool = False  # this call may repeat one made before a crash: a possible duplicate


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed(DeliveryFact):
    """One HTTP call did not deliver and the delivery goes on."""

    kind = "attempt_failed"
    attempt_id: str
    failure: str  # FailureClass: retry, throttle, setup
    http_status: int  # 0: no response
    http_ms: int  # duration of the call
    due_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spilled(DeliveryFact):
    """A delivery was put back unsent: its destination is over its share, paused, or it waited too long."""

    kind = "spilled"
    due_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(DeliveryFact):
    """The final word on a delivery. latency_ms = at_ms - received_at_ms."""

    kind = "outcome"
    state: State
    http_status: int = 0
    http_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(DeliveryFact):
    """Redacted payloads of one attempt: the event as received, the request sent, the response got (JSON texts)."""

    kind = "sample"
    attempt_id: str
    state: str  # delivered, discarded, expired or awaiting_retry
    event: str
    request: str
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected(Fact):
    """Ingest refused ``count`` items of one request with one code; the message id is of the first of them."""

    kind = "rejected"
    rejection_id: str
    source: str  # '' when the write key is unknown
    code: str
    message: str
    message_id: str
    event_type: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a lane has come in one source partition of the delivery flow."""

    topic: str
    partition: int
    position: int  # next offset to read
    end: int  # end of the log at that time
    settled: int  # everything below has an outcome or a retry record: where `waybill recover` restarts


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick(Fact):
    """One lane's word: nothing due before watermark_ms is held or unread. Written into every outcomes partition."""

    kind = "tick"
    lane: str
    lanes: int
    watermark_ms: int
    positions: tuple[Position, ...] = ()


KINDS: dict[str, type[Fact]] = {
    cls.kind: cls for cls in (Received, Duplicate, AttemptFailed, Spilled, Outcome, Sample, Rejected, Tick)
}


def encode(fact: Fact) -> bytes:
    """Encode a fact as one JSON object for topic outcomes."""
    return orjson.dumps({"v": FORMAT_VERSION, "kind": fact.kind, **asdict_shallow(fact)})


def asdict_shallow(fact: Fact) -> dict[str, Any]:
    """Return the fields by name. `dataclasses.asdict` copies deeply and costs ten times as much."""
    return {name: getattr(fact, name) for name in _FIELDS[type(fact)]}


def decode(value: bytes) -> Fact:
    """Decode a record of topic outcomes. Raises `UnreadableRecord`."""
    fields = decode_header(value)
    del fields["v"]
    kind = fields.pop("kind", None)
    cls = KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise UnreadableRecord(f"unknown kind of fact {kind!r}")
    try:
        if cls is Received:
            fields["routes"] = tuple((str(i), str(d), str(m)) for i, d, m in fields["routes"])
        elif cls is Tick:
            fields["positions"] = tuple(Position(**position) for position in fields["positions"])
        elif cls is Outcome:
            fields["state"] = State(fields["state"])
        return cls(**fields)
    except (TypeError, ValueError, KeyError) as error:
        raise UnreadableRecord(f"bad {kind} fact: {error}") from None


_FIELDS = {cls: tuple(field.name for field in fields(cls)) for cls in KINDS.values()}
