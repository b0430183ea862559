"""Facts: the immutable records on topic outcomes, from which every number is counted.

    Received       an event was read from the log and routed          one per event
    Duplicate      an event was read and dropped as a duplicate        one per event
    Rejected       ingest refused items of a request                   one per request and code
    AttemptFailed  one HTTP call did not deliver; due_at_ms says when the next one is
    Requeued        a delivery was put back unsent to a retry tier
    Outcome        the final word on a delivery                        one per delivery
    Sample         redacted payloads of one attempt
    Redriven       a delivery that had failed was put on its way again by a person
    Tested         a person sent one event to one destination to see what happens; in no count
    Audited        a person did something with consequences outside
    DestinationState  a destination stopped taking events, tries again, or takes them again
    WatermarkReport  how far one shard of the delivery flow has come

Times are Unix milliseconds. Nothing here may carry unredacted payloads (design 7.4).
"""

from enum import StrEnum
from typing import Literal

import msgspec

from model.events.envelope import UnreadableRecord, check_version


class State(StrEnum):
    """How a delivery ends."""

    FILTERED = "filtered"  # configuration chose not to send; in no rate
    DELIVERED = "delivered"
    DISCARDED = "discarded"  # should have gone and could not
    EXPIRED = "expired"  # window or attempts used up


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What every fact says: when it happened and which run of the flow says so."""

    v: Literal[1] = 1  # format version; another one is refused, never guessed at
    at_ms: int
    run: str = ""


class EventFact(Fact, frozen=True, kw_only=True):
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


class Received(EventFact, frozen=True, kw_only=True, tag="received"):
    """An event was read and routed; ``routes`` lists its deliveries as (delivery_id, destination, mapping)."""

    routes: tuple[tuple[str, str, str], ...]


class Duplicate(EventFact, frozen=True, kw_only=True, tag="duplicate"):
    """An event whose (source, messageId) stood at a lower offset within the last 24 hours."""

    first_offset: int


class DeliveryFact(EventFact, frozen=True, kw_only=True):
    """A fact about one delivery."""

    delivery_id: str
    destination: str
    mapping: str
    attempt: int  # calls made so far, this one included
    code: str = ""  # see model.reason_codes.catalogue; '' when delivered
    message: str = ""  # the partner's own words, redacted and cut
    resent: bool = False  # this call may repeat one made before a crash: a possible duplicate
    redrive: int = 0  # 1 for the first redrive of a delivery, and so on; counted apart from everything else
    error_group: str = ""  # name of the group of similar messages of this connection and day
    batch_items: int = 0  # deliveries the answer was about, when it spoke of a whole batch and not of this item


class AttemptFailed(DeliveryFact, frozen=True, kw_only=True, tag="attempt_failed"):
    """One HTTP call did not deliver and the delivery goes on."""

    attempt_id: str
    failure: str  # FailureClass: retry, throttle, setup
    http_status: int  # 0: no response
    http_ms: int  # duration of the call
    due_at_ms: int


class Requeued(DeliveryFact, frozen=True, kw_only=True, tag="requeued"):
    """A delivery was put back unsent: its destination is over its share, paused, or it waited too long."""

    due_at_ms: int


class Outcome(DeliveryFact, frozen=True, kw_only=True, tag="outcome"):
    """The final word on a delivery. latency_ms = at_ms - received_at_ms = the four parts added up."""

    state: State
    http_status: int = 0
    http_ms: int = 0  # of the last call
    queue_ms: int = 0  # unread, or waiting for its turn
    retry_wait_ms: int = 0  # between a failed attempt and the next one
    limit_wait_ms: int = 0  # the destination's pause, rate limit, breaker or setup stood in the way
    calls_ms: int = 0  # in all of its calls
    due_at_ms: int = 0  # what it was to wait for last; 0: it never was put on the retry tiers


class Redriven(DeliveryFact, frozen=True, kw_only=True, tag="redriven"):
    """A person put a delivery that had failed on its way again; its redrive is routed by this."""

    redrive_id: str  # of the command's run
    author: str


class Tested(DeliveryFact, frozen=True, kw_only=True, tag="tested"):
    """A person sent one event to one destination. It is in no count, latency or breaker."""

    author: str
    state: str  # what the outcome would have been
    http_status: int = 0
    http_ms: int = 0


class DestinationState(Fact, frozen=True, kw_only=True, tag="destination_state"):
    """A destination as the delivery flow finds it: ok, setup (a person must act), open or half_open (its breaker)."""

    destination: str
    state: str
    code: str = ""
    message: str = ""
    until_ms: int = 0  # no call before this moment


class Sample(DeliveryFact, frozen=True, kw_only=True, tag="sample"):
    """Redacted payloads of one attempt: the event as received, the request sent, the response got (JSON texts)."""

    attempt_id: str
    state: str  # delivered, discarded, expired or awaiting_retry
    event: str
    request: str
    response: str


class Audited(Fact, frozen=True, kw_only=True, tag="audited"):
    """Somebody did something with consequences outside. Said before it is done."""

    author: str
    role: str  # owner, write or read
    action: str  # such as redrive or test-event
    subject: str  # what it was done to, such as a destination
    details: str = ""  # JSON, redacted


class Rejected(Fact, frozen=True, kw_only=True, tag="rejected"):
    """Ingest refused ``count`` items of one request with one code; the message id is of the first of them."""

    rejection_id: str
    source: str  # '' when the write key is unknown
    code: str
    message: str
    message_id: str
    event_type: str
    count: int


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """How far a shard has come in one source partition of the delivery flow."""

    topic: str
    partition: int
    position: int  # next offset to read
    end: int  # end of the log at that time
    settled: int  # everything below has an outcome or a retry record: where `waybill recover` restarts


class WatermarkReport(Fact, frozen=True, kw_only=True, tag="watermark"):
    """Nothing due before watermark_ms is queued in the shard or unread. Written into every outcomes partition."""

    shard: str
    shards: int
    watermark_ms: int
    positions: tuple[Position, ...] = ()


AnyFact = (
    Received
    | Duplicate
    | AttemptFailed
    | Requeued
    | Outcome
    | Sample
    | Redriven
    | Tested
    | DestinationState
    | Audited
    | Rejected
    | WatermarkReport
)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyFact)


def kind_of(fact: Fact) -> str:
    """Return the name of a fact's kind, as in ``"kind"`` of its record."""
    return str(fact.__struct_config__.tag)


def encode(fact: Fact) -> bytes:
    """Encode a fact as one JSON object for topic outcomes."""
    return _encoder.encode(fact)


def decode(value: bytes) -> AnyFact:
    """Decode a record of topic outcomes. Raises `UnreadableRecord`."""
    check_version(value)  # a field's default would let a record without one pass
    try:
        fact: AnyFact = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableRecord(f"not a fact of this version: {error}") from None
    return fact
