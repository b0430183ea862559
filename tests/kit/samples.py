"""Builders of sample values: everything has a default, a test names what it is about."""

from typing import Any

import orjson

from flows.topics.interface import Record
from model.delivery.delivery import Delivery
from model.durations import HOUR_MS
from model.events import event
from model.events.ids import delivery_id
from model.recording.facts import (
    AttemptFailed,
    Duplicate,
    Outcome,
    Position,
    Received,
    Rejected,
    Requeued,
    Sample,
    State,
    WatermarkReport,
)

T0 = 489_914 * HOUR_MS  # a whole hour in November 2025

ABOUT: dict[str, Any] = {
    "source": "web",
    "message_id": "m-0",
    "event_type": "track",
    "event_name": "Order Completed",
    "app_version": "1.2.3",
    "events_partition": 0,
    "events_offset": 0,
    "received_at_ms": T0,
}
DELIVERY: dict[str, Any] = {**ABOUT, "destination": "crm", "mapping": ""}


def _id(fields: dict[str, Any]) -> str:
    at = fields["events_partition"], fields["events_offset"]
    return delivery_id("log-1", *at, fields["source"], fields["destination"], fields["mapping"])


def _delivery_fact(changes: dict[str, Any]) -> dict[str, Any]:
    fields = {**DELIVERY, "at_ms": T0 + 250, "run": "run-1", "attempt": 1, **changes}
    return {"delivery_id": _id(fields), **fields}


def delivery(**changes: Any) -> Delivery:
    """A delivery of one event to destination crm, just taken up."""
    fields = {**DELIVERY, "taken_at_ms": T0, "due_at_ms": T0, "event": b'{"type":"track"}', **changes}
    return Delivery(**{"delivery_id": _id(fields), **fields})


def received(**changes: Any) -> Received:
    return Received(**{**ABOUT, "at_ms": T0, "run": "run-1", "routes": (), **changes})


def duplicate(**changes: Any) -> Duplicate:
    return Duplicate(**{**ABOUT, "at_ms": T0, "run": "run-1", "events_offset": 9, "first_offset": 0, **changes})


def outcome(state: State = State.DELIVERED, **changes: Any) -> Outcome:
    return Outcome(**_delivery_fact({"state": state, **changes}))


def attempt_failed(**changes: Any) -> AttemptFailed:
    said = {"attempt_id": "a-1", "failure": "retry", "code": "503", "http_status": 503, "http_ms": 12}
    return AttemptFailed(**_delivery_fact({**said, "due_at_ms": T0 + 45_000, **changes}))


def requeued(**changes: Any) -> Requeued:
    return Requeued(**_delivery_fact({"code": "OVER_SHARE", "due_at_ms": T0 + 5_000, **changes}))


def sample(**changes: Any) -> Sample:
    said = {"attempt_id": "a-1", "state": "delivered", "event": "{}", "request": "{}", "response": "{}"}
    return Sample(**_delivery_fact({**said, **changes}))


def rejected(**changes: Any) -> Rejected:
    said = {"rejection_id": "r-1", "source": "web", "code": "not_json", "message": "", "message_id": "m-1"}
    return Rejected(**{**said, "event_type": "track", "count": 1, "at_ms": T0, **changes})


def watermark_report(**changes: Any) -> WatermarkReport:
    at = Position(topic="events", partition=0, position=5, end=7, settled=3)
    return WatermarkReport(
        **{"at_ms": T0, "shard": "0", "shards": 1, "watermark_ms": T0, "positions": (at,), **changes}
    )


ONE_OF_EACH = (
    received(),
    duplicate(),
    outcome(),
    attempt_failed(),
    requeued(),
    sample(),
    rejected(),
    watermark_report(),
)


def event_json(message_id: str = "m-0", **changes: Any) -> bytes:
    """An event as an app sends it."""
    body = {"type": "track", "event": "Order Completed", "messageId": message_id, "userId": "u-1", **changes}
    return orjson.dumps(body)


def event_value(message_id: str = "m-0", source: str = "web", **changes: Any) -> bytes:
    """The value of an events record."""
    return event.to_record(source, event_json(message_id, **changes))


def record(offset: int = 0, value: bytes = b"", *, appended_ms: int = T0, partition: int = 0) -> Record:
    return Record(partition, offset, appended_ms, b"key", value)
