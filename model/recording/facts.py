"""Facts: the immutable records on topic outcomes, from which every number is counted.

    Received          an event was read and routed                   one per event
    Duplicate         an event was read and dropped as a duplicate   one per event
    Rejected          ingest refused items of a request              one per request and code
    AttemptFailed     one HTTP call failed; due_at_ms is the time of the next one
    Requeued          a delivery moved unsent to a retry tier
    Outcome           the end of a delivery                          one per delivery
    Sample            redacted payloads of one attempt
    Redriven          a person sent an undelivered delivery again
    Tested            a person sent one event to one destination as a test; not counted
    Audited           a person did something with effects outside
    DestinationState  the circuit state of a destination changed
    WatermarkReport   the read positions and low watermark of one shard of the delivery flow

Times are Unix milliseconds. All payloads in facts are redacted.
"""

from enum import StrEnum
from typing import Literal

import msgspec

from model.events.envelope import check_version, decode_json


class State(StrEnum):
    """How a delivery ends."""

    FILTERED = "filtered"  # configuration chose not to send; in no rate
    DELIVERED = "delivered"
    DISCARDED = "discarded"  # should have gone and could not
    EXPIRED = "expired"  # window or attempts used up


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """The fields of every fact: when it happened, and which run of the flow recorded it."""

    v: Literal[1] = 1  # format version; any other is refused
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
    replayed: bool = False  # may repeat a fact from before a crash: recording must look it up


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
    message: str = ""  # the destination's message, redacted and shortened
    resent: bool = False  # the call may repeat one from before a crash: a possible duplicate
    redrive: int = 0  # 1 for the first redrive of a delivery, and so on; counted separately
    error_group: str = ""  # name of the group of similar messages of this connection and day
    batch_items: int = 0  # size of the batch, when the response was about the whole batch


class AttemptFailed(DeliveryFact, frozen=True, kw_only=True, tag="attempt_failed"):
    """One HTTP call failed and the delivery will be retried."""

    attempt_id: str
    failure: str  # FailureClass: retry, throttle, setup
    http_status: int  # 0: no response
    http_ms: int  # duration of the call
    due_at_ms: int


class Requeued(DeliveryFact, frozen=True, kw_only=True, tag="requeued"):
    """A delivery moved unsent to a retry tier: its destination is over its share or paused, or it waited too long."""

    due_at_ms: int


class Outcome(DeliveryFact, frozen=True, kw_only=True, tag="outcome"):
    """The end of a delivery. latency_ms = at_ms - received_at_ms = the sum of the four parts."""

    state: State
    http_status: int = 0
    http_ms: int = 0  # of the last call
    queue_ms: int = 0  # unread, or waiting for a free call
    retry_wait_ms: int = 0  # between a failed attempt and the next one
    limit_wait_ms: int = 0  # waiting for a pause, rate limit, circuit breaker or setup of the destination
    calls_ms: int = 0  # duration of all its calls
    due_at_ms: int = 0  # end of its last wait on a retry tier; 0: none


class Redriven(DeliveryFact, frozen=True, kw_only=True, tag="redriven"):
    """A person sent an undelivered delivery again; this is also the Received fact of the redrive."""

    redrive_id: str  # id of the command's run
    author: str


class Tested(DeliveryFact, frozen=True, kw_only=True, tag="tested"):
    """A person sent one event to one destination. Not part of any count, latency or circuit breaker."""

    author: str
    state: str  # what the outcome would have been
    http_status: int = 0
    http_ms: int = 0


class DestinationState(Fact, frozen=True, kw_only=True, tag="destination_state"):
    """The circuit state of a destination: ok, setup (a person must act), open or half_open."""

    destination: str
    state: str
    code: str = ""
    message: str = ""
    until_ms: int = 0  # no call before this moment


class Sample(DeliveryFact, frozen=True, kw_only=True, tag="sample"):
    """Redacted payloads of one attempt: the event as received, the request and the response (JSON texts)."""

    attempt_id: str
    state: str  # delivered, discarded, expired or awaiting_retry
    event: str
    request: str
    response: str


class Audited(Fact, frozen=True, kw_only=True, tag="audited"):
    """A person did something with effects outside. Recorded before it is done."""

    author: str
    role: str  # owner, write or read
    action: str  # such as redrive or test-event
    subject: str  # what it affects, such as a destination
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
    """A shard's position in one source partition of the delivery flow."""

    topic: str
    partition: int
    position: int  # next offset to read
    end: int  # end of the log at that time
    settled: int  # everything below has an outcome or a retry record: where `waybill recover` restarts


class WatermarkReport(Fact, frozen=True, kw_only=True, tag="watermark"):
    """One shard's promise: no delivery due before watermark_ms is held or unread. Written to every outcomes
    partition."""

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
_decoder: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)


def kind_of(fact: Fact) -> str:
    """Return the name of a fact's kind, as in ``"kind"`` of its record."""
    return str(fact.__struct_config__.tag)


def encode(fact: Fact) -> bytes:
    """Encode a fact as one JSON object for topic outcomes."""
    return _encoder.encode(fact)


def decode(value: bytes) -> AnyFact:
    """Decode a record of topic outcomes. Raises `UnreadableRecord`."""
    check_version(value)  # the default of ``v`` would accept a record without a version
    return decode_json(_decoder, value, "a fact of this version")
