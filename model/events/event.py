"""An accepted event in topic events: the fields that Waybill reads, and the original bytes."""

from dataclasses import dataclass
from typing import Any

import orjson

from model.events.envelope import UnreadableRecord, decode_record, encode_record

NAME_LIMIT_CHARACTERS = 200  # names are dimensions of counts; longer ones are cut


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``name``: the event name of a track call, the name of a page or screen, else ''.

    ``payload`` is its JSON unchanged, ``body`` the same decoded.
    """

    source: str
    message_id: str
    type: str
    name: str
    app_version: str
    payload: bytes
    body: dict[str, Any]


def to_record(source: str, payload: bytes) -> bytes:
    """Encode an event for topic events; ``payload`` is its JSON."""
    return encode_record({"source": source}, payload)


def from_record(value: bytes) -> Event:
    """Decode a record of topic events. Raises `UnreadableRecord`."""
    header, payload = decode_record(value)
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise UnreadableRecord(f"event is not JSON: {error}") from None
    source = header.get("source")
    if not isinstance(body, dict) or not isinstance(source, str):
        raise UnreadableRecord("event is not an object with a source")
    event_type = _text(body.get("type"))
    name = body.get("event") if event_type == "track" else body.get("name")
    context = body.get("context")
    app = context.get("app") if isinstance(context, dict) else None
    version = app.get("version") if isinstance(app, dict) else None
    return Event(source, _text(body.get("messageId")), event_type, _text(name), _text(version), payload, body)


def _text(value: Any) -> str:
    return value[:NAME_LIMIT_CHARACTERS] if isinstance(value, str) else ""
