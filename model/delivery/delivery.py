"""An unfinished delivery: one event for one connection and mapping, and the state of its attempts.

`to_record` is its only encoding, in retry topics and in the snapshot of a shard.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, Literal

import msgspec

from model.events.envelope import UnreadableRecord, check_version, decode_json
from model.recording.facts import DeliveryFact, Outcome, State


class Wait(Enum):
    """What a delivery waits for."""

    QUEUE = "queue"  # a free call
    RETRY = "retry"  # the next attempt after one that failed
    LIMIT = "limit"  # its destination: paused, rate-limited, or its circuit breaker is open


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable: every step returns a new one. Times are Unix ms."""

    v: Literal[1] = 1  # format version; any other is refused
    delivery_id: str
    source: str
    destination: str
    mapping: str
    message_id: str
    event_type: str
    event_name: str
    app_version: str
    events_partition: int
    events_offset: int
    received_at_ms: int
    taken_at_ms: int  # when the delivery flow first read the event: the retry window starts here
    due_at_ms: int  # no attempt before this; for a new delivery the time it was received
    waits_from_ms: int = 0  # when it was last put on the retry tiers
    waits_for: Wait = Wait.QUEUE  # the reason of that wait
    calls: int = 0  # HTTP calls made
    attempts: int = 0  # calls that count against the limit; throttling and setup use up time only
    code: str = ""  # of the last failed call
    message: str = ""
    retry_wait_ms: int = 0  # waited so far between attempts
    limit_wait_ms: int = 0  # waited so far for the destination
    calls_ms: int = 0  # total duration of its calls
    batch_limit: int = 0  # most deliveries in a request with this one, after larger requests failed; 0: no limit
    failed_since_ms: int = 0  # first failure of class retry; 0: none
    refused_since_ms: int = 0  # first failure of class setup; 0: none
    redrive: int = 0  # 1 for the first redrive, and so on
    inserted: bool = False  # the insert function has run; the event is what it returned
    replayed: bool = False  # sticky: its facts may repeat facts from before a crash
    resent: bool = False  # sticky: a call before a crash may have left no fact
    event: bytes = b""  # the event's original JSON; not part of the header line

    def to_record(self) -> bytes:
        """Encode for a retry topic or a snapshot, in the form of `model.events.envelope`."""
        header = msgspec.structs.asdict(self)
        del header["event"]
        return _encoder.encode(header) + b"\n" + self.event

    @classmethod
    def from_record(cls, value: bytes) -> "Delivery":
        """Decode `to_record`. Raises `UnreadableRecord`."""
        header, newline, event = value.partition(b"\n")
        if not newline:
            raise UnreadableRecord("no header line")
        check_version(header)
        return msgspec.structs.replace(decode_json(_decoder, header, "a delivery of this version"), event=event)

    def __reduce__(self) -> tuple[Callable[[bytes], "Delivery"], tuple[bytes]]:
        # Pickling between processes: msgspec's default, field by field, takes five times as long.
        return _unpack, (_packed_encoder.encode(self),)

    @property
    def key(self) -> str:
        """The Idempotency-Key: the same for every call and every redrive."""
        return self.delivery_id.partition("/")[0]

    @property
    def size_bytes(self) -> int:
        """Bytes it counts for in the in-flight budget."""
        return len(self.event)

    def about(self) -> dict[str, Any]:
        """The fields every fact about this delivery repeats."""
        return {name: getattr(self, name) for name in _FACT_FIELDS}

    def end(
        self,
        state: State,
        *,
        at_ms: int,
        run: str,
        code: str = "",
        message: str = "",
        http: tuple[int, int] | None = None,
        error_group: str = "",
        batch_items: int = 0,
    ) -> Outcome:
        """Return the outcome fact that ends this delivery; ``http``: status and duration in ms of the call that did.

        Without a call nothing was sent twice, so the fact is not a possible duplicate. Time spent neither in calls nor
        in a known wait counts as queueing, so that the four parts add up to the latency.
        """
        about = self.about()
        if http is None:
            about["resent"] = False
        status, duration_ms = http or (0, 0)
        parts_ms = self.retry_wait_ms + self.limit_wait_ms + self.calls_ms
        return Outcome(
            **about,
            error_group=error_group,
            batch_items=batch_items,
            queue_ms=max(0, at_ms - self.received_at_ms - parts_ms),
            retry_wait_ms=self.retry_wait_ms,
            limit_wait_ms=self.limit_wait_ms,
            calls_ms=self.calls_ms,
            due_at_ms=self.due_at_ms if self.waits_from_ms else 0,
            at_ms=at_ms,
            run=run,
            attempt=self.calls,
            state=state,
            code=code,
            message=message,
            http_status=status,
            http_ms=duration_ms,
        )

    def waiting(self, *, from_ms: int, until_ms: int, wait: Wait) -> "Delivery":
        """Return the delivery as appended to a retry tier."""
        return msgspec.structs.replace(self, waits_from_ms=from_ms, waits_for=wait, due_at_ms=until_ms)

    def waited(self, now_ms: int) -> "Delivery":
        """Return the delivery as read from its last retry tier, with the wait added to the total of its reason."""
        waited_ms = max(0, now_ms - self.waits_from_ms)
        if self.waits_for is Wait.RETRY:
            return msgspec.structs.replace(self, retry_wait_ms=self.retry_wait_ms + waited_ms)
        if self.waits_for is Wait.LIMIT:
            return msgspec.structs.replace(self, limit_wait_ms=self.limit_wait_ms + waited_ms)
        return self


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Delivery)
_packed_encoder = msgspec.msgpack.Encoder()
_packed_decoder = msgspec.msgpack.Decoder(Delivery)


def _unpack(packed: bytes) -> Delivery:
    return _packed_decoder.decode(packed)


_FACT_FIELDS = tuple(
    name
    for name in Delivery.__struct_fields__
    if name in DeliveryFact.__struct_fields__ and name not in {"v", "code", "message"}
)
