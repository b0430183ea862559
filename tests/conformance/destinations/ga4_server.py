"""The Measurement Protocol as it is documented: what it demands of a request, and that only its debug path says so."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from tests.kit.http_server import Seen

STREAM, SECRET = {"measurement_id": "G-1"}, "key-of-the-project"
LIMIT_BYTES, LIMIT_EVENTS, LIMIT_PARAMS, LIMIT_VALUE_CHARS = 130_000, 25, 25, 100
RESERVED = {"error", "session_start", "first_visit", "first_open", "user_engagement", "in_app_purchase", "app_remove"}
NAME = re.compile(r"(?!ga_|google_|firebase_)[^\W\d_]\w{0,39}")
USER_PROPERTY_NAME = re.compile(r"(?!ga_|google_|firebase_|user_id$|first_|last_deep_link_referrer$)[^\W\d_]\w{0,23}")
NUMERIC = {"value", "tax", "shipping", "price", "quantity", "discount"}
LONGER_VALUES_CHARS = {"page_location": 1_000, "page_referrer": 420, "page_title": 300}
NEED_ITEMS = set("view_item_list select_item view_item add_to_cart remove_from_cart add_to_wishlist view_cart".split())
FIELDS = {"client_id", "user_id", "timestamp_micros", "user_properties", "consent", "events"}
Fault = tuple[str, str]  # field and message


@dataclass(slots=True)
class Ga4Server:
    """Answers 204 whatever is sent, and keeps only what it finds nothing wrong with in ``taken``."""

    taken: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[list[Fault]] = field(default_factory=list)

    async def __call__(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Behave as a path of a `RawServer`."""
        url = urlsplit(seen.target)
        faults = faults_of(seen, {name: values[0] for name, values in parse_qs(url.query).items()})
        if url.path == "/debug/mp/collect":
            said = [{"fieldPath": at, "description": what, "validationCode": "VALUE_INVALID"} for at, what in faults]
            body = orjson.dumps({"validationMessages": said})
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            return True
        if faults:
            self.dropped.append(faults)
        else:
            self.taken.append(orjson.loads(seen.body))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        return True


def faults_of(seen: Seen, query: dict[str, str]) -> list[Fault]:
    if seen.method != "POST" or seen.headers.get("content-type") != "application/json":
        return [("", "must be JSON in a POST")]
    if query != STREAM | {"api_secret": SECRET}:
        return [("", "unknown stream or secret")]
    if len(seen.body) > LIMIT_BYTES:
        return [("", "body too large")]
    content = orjson.loads(seen.body)
    faults: list[Fault] = [(name, "unknown field") for name in content.keys() - FIELDS]
    if not isinstance(content.get("client_id"), str) or not content["client_id"]:
        faults.append(("client_id", "required"))
    if len(str(content.get("timestamp_micros", "1" * 16))) != 16:
        faults.append(("timestamp_micros", "must be microseconds"))
    for name, said in content.get("user_properties", {}).items():
        if not USER_PROPERTY_NAME.fullmatch(name) or not isinstance(said, dict) or said.keys() != {"value"}:
            faults.append((f"user_properties.{name}", "must be a name and an object with a value"))
    if not 1 <= len(content["events"]) <= LIMIT_EVENTS:
        faults.append(("events", "must be 1 to 25"))
    return faults + [fault for event in content["events"] for fault in _faults_of_event(event)]


def _faults_of_event(event: dict[str, Any]) -> list[Fault]:
    name, params = event["name"], event["params"]
    faults = [] if NAME.fullmatch(name) and name not in RESERVED else [("events.name", "invalid or reserved")]
    if len(params) > LIMIT_PARAMS:
        faults.append(("events.params", "more than 25 parameters"))
    if name in NEED_ITEMS and not params.get("items"):
        faults.append(("events.params.items", "required"))
    for item in params.get("items", []):
        if not item.keys() & {"item_id", "item_name"}:
            faults.append(("events.params.items", "one of item_id and item_name is required"))
        faults += _faults_of_values(item)
    return faults + _faults_of_values({key: value for key, value in params.items() if key != "items"})


def _faults_of_values(values: dict[str, Any]) -> list[Fault]:
    faults = []
    for name, value in values.items():
        if not NAME.fullmatch(name):
            faults.append((name, "invalid or reserved name"))
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            faults.append((name, "must be a text or a number"))
        if isinstance(value, str) and (
            name in NUMERIC or len(value) > LONGER_VALUES_CHARS.get(name, LIMIT_VALUE_CHARS)
        ):
            faults.append((name, "must be a number" if name in NUMERIC else "too long"))
    return faults
