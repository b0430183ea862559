"""Normalizes one item of a tracking request into an accepted event: validated, completed, encoded. Pure.

    {"type":"track","event":"Order Completed","userId":"u1","timestamp":"2026-05-01T10:00:00Z"}

becomes the same object with messageId, receivedAt, originalTimestamp and the corrected timestamp, without writeKey.
Unknown fields are kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

import orjson

from model.events import exact_json
from model.events.times import EPOCH, iso, parse_moment
from model.events.validation import CALL_TYPES, InvalidItem, validate


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLimits:
    """Limits of one event. ``event_bytes`` counts its compact JSON, the batch's context included."""

    event_bytes: int = 32 * 1024
    properties: int = 10_000  # members of `properties` or `traits`
    depth: int = 100  # objects and arrays inside each other


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """What all items of one request share.

    ``context`` and ``integrations`` are those of the batch: members of an item win. ``client_ip`` becomes `context.ip`
    when the sender gave none and the request came directly from a client.
    """

    received_at_ms: int
    sent_at: str | None = None
    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None
    client_ip: str | None = None
    from_browser: bool = False
    received_at: str = field(init=False)
    skew: timedelta = field(init=False)  # difference between the server's clock and the sender's; 0 without sentAt
    _received: datetime = field(init=False)

    def __post_init__(self) -> None:
        # Once per request, not per item: times are the most expensive part of an item.
        object.__setattr__(self, "_received", EPOCH + timedelta(milliseconds=self.received_at_ms))
        object.__setattr__(self, "received_at", iso(self._received))
        object.__setattr__(self, "skew", self.skew_of(self.sent_at))

    def skew_of(self, sent_at: Any) -> timedelta:
        """The correction to add to the sender's times, from its ``sent_at``."""
        sent = parse_moment(sent_at)
        return timedelta() if sent is None else self._received - sent


@dataclass(frozen=True, slots=True)
class Tracked:
    """An accepted event: its id and its JSON as it goes to topic events."""

    message_id: str
    payload: bytes


def normalize_event(
    item: Any,
    arrival: RequestContext,
    limits: EventLimits,
    *,
    call_type: str | None,
    source: str,
    index: int,
    new_id: Callable[[], str],
) -> Tracked:
    """Validate and complete one item. Raises `InvalidItem`.

    ``call_type``: the type in the path, None in a batch (each item has its own). ``index``: position in the batch.
    """
    if not isinstance(item, dict):
        raise InvalidItem("item_not_object", "the item is not a JSON object; send one object per event")
    event = dict(item)
    event.pop("writeKey", None)
    event["type"] = call_type or item.get("type")
    if not isinstance(event["type"], str) or event["type"] not in CALL_TYPES:
        raise InvalidItem("unknown_type", f"type is missing or unknown; send one of {', '.join(sorted(CALL_TYPES))}")
    validate(event, max_properties=limits.properties)
    _merge(event, arrival)
    _put_times(event, arrival)
    try:
        message_id = item.get("messageId") or _assign_message_id(item, source, index, new_id)
        event["messageId"] = message_id
        payload = exact_json.dumps(event)
    except orjson.JSONEncodeError:  # of parsed JSON, only excessive depth fails to encode
        raise _too_deep(limits) from None
    # Counting brackets is twenty times cheaper than walking the object, and enough for nearly every event.
    if payload.count(b"{") + payload.count(b"[") > limits.depth and deeper_than(event, limits.depth):
        raise _too_deep(limits)
    if len(payload) > limits.event_bytes and _sent_bytes(item, arrival) > limits.event_bytes:
        text = (
            f"the event is over {limits.event_bytes:,} bytes, which is ingest.max_event_bytes of the workspace; send "
            "less with it, or raise it"
        )
        raise InvalidItem("event_too_large", text)
    return Tracked(message_id, payload)


def _too_deep(limits: EventLimits) -> InvalidItem:
    return InvalidItem("too_deep", f"the event is nested over {limits.depth} levels; flatten it")


def deeper_than(value: dict[str, Any] | list[Any], limit: int) -> bool:
    """Say whether objects and arrays are nested more than ``limit`` deep. Not recursive."""
    level: list[Any] = [value]
    for _ in range(limit):
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def _merge(event: dict[str, Any], arrival: RequestContext) -> None:
    if arrival.context:
        event["context"] = {**arrival.context, **(event.get("context") or {})}
    if arrival.integrations:
        event["integrations"] = {**arrival.integrations, **(event.get("integrations") or {})}
    context = event.get("context") or {}
    if arrival.client_ip and not context.get("ip") and (arrival.from_browser or context.get("direct") is True):
        event["context"] = {**context, "ip": arrival.client_ip}
    # RudderStack's SDKs write the traits of an identify call only into its context.
    if event["type"] == "identify" and not event.get("traits") and isinstance(context.get("traits"), dict):
        event["traits"] = context["traits"]


def _assign_message_id(item: dict[str, Any], source: str, index: int, new_id: Callable[[], str]) -> str:
    """Derive the id of an item with a timestamp, so that a resent request is a duplicate.

    Two equal items without a timestamp are most likely two events: they get random ids.
    """
    if not (item.get("timestamp") or item.get("originalTimestamp")):
        return new_id()
    content = {name: value for name, value in item.items() if name not in {"sentAt", "writeKey"}}
    text = exact_json.dumps([source, index, content], option=orjson.OPT_SORT_KEYS)
    return "waybill-" + blake2b(text, digest_size=16).hexdigest()


def _put_times(event: dict[str, Any], arrival: RequestContext) -> None:
    """timestamp = receivedAt - (sentAt - originalTimestamp): only differences of the sender's clock are trusted.

    Without a valid time it is receivedAt: as at Segment, no event is refused for its time. originalTimestamp keeps the
    original value.
    """
    given = event.get("originalTimestamp") or event.get("timestamp")
    sent_at = event.get("sentAt")
    if not sent_at and arrival.sent_at:
        event["sentAt"] = arrival.sent_at
    event["receivedAt"] = arrival.received_at
    event["originalTimestamp"] = given or arrival.received_at
    event["timestamp"] = arrival.received_at
    original = parse_moment(given) if given else None
    if original is None:
        return
    try:
        event["timestamp"] = iso(original + (arrival.skew_of(sent_at) if sent_at else arrival.skew))
    except OverflowError:  # outside the years 1 to 9999
        return


def _sent_bytes(item: dict[str, Any], arrival: RequestContext) -> int:
    shared = [part for part in (arrival.context, arrival.integrations) if part]
    return len(exact_json.dumps(item)) + sum(len(exact_json.dumps(part)) for part in shared)
