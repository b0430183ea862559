"""Amplitude's upload API as it is documented: what it demands of a request, and what it answers."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.kit.http_server import Seen

API_KEY = "key-of-the-project"
LIMIT_BYTES = {"/2/httpapi": 1_000_000, "/batch": 20_000_000}
LIMIT_EVENTS = 2_000
NO_IDS = {"anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "{}", "lmy47d", "0", "-1"}
OBJECTS = ("event_properties", "user_properties", "groups", "group_properties")
AttemptResult = tuple[int, dict[str, Any]]


@dataclass(slots=True)
class AmplitudeServer:
    """Takes a request whole or not at all. ``ingested``: events by insert_id, as Amplitude keeps them."""

    ingested: dict[str, dict[str, Any]] = field(default_factory=dict)
    silenced_devices: set[str] = field(default_factory=set)
    throttled_users: set[str] = field(default_factory=set)
    over_quota_users: set[str] = field(default_factory=set)
    calls: list[int] = field(default_factory=list)  # statuses

    async def __call__(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Behave as a path of a `RawServer`."""
        status, said = self._answer(seen)
        self.calls.append(status)
        body = orjson.dumps({"code": status, **said})
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        return True

    def _answer(self, seen: Seen) -> AttemptResult:
        if seen.method != "POST" or seen.headers.get("content-type") != "application/json":
            return 400, {"error": "Invalid request path"}
        if len(seen.body) > LIMIT_BYTES[seen.target]:
            return 413, {"error": "Payload too large"}
        try:
            upload = orjson.loads(seen.body)
        except orjson.JSONDecodeError:
            return 400, {"error": "Invalid JSON request body"}
        for name in ("api_key", "events"):
            if not upload.get(name):
                return 400, {"error": "Request missing required field", "missing_field": name}
        if upload["api_key"] != API_KEY:
            return 400, {"error": f"Invalid API key: {upload['api_key']}"}
        events = upload["events"]
        if len(events) > LIMIT_EVENTS:
            return 413, {"error": "Payload too large"}
        shortest = upload.get("options", {}).get("min_id_length", 5)
        return self._invalid(events, shortest) or self._throttled(events) or self._ingest(events, len(seen.body))

    def _invalid(self, events: list[dict[str, Any]], shortest: int) -> AttemptResult | None:
        missing: dict[str, list[int]] = {}
        invalid: dict[str, list[int]] = {}
        short: dict[str, list[int]] = {}
        for index, event in enumerate(events):
            if not event.get("event_type"):
                missing.setdefault("event_type", []).append(index)
            if "user_id" not in event and "device_id" not in event:
                missing.setdefault("user_id", []).append(index)
            if "time" in event and not isinstance(event["time"], int):
                invalid.setdefault("time", []).append(index)
            for name in OBJECTS:
                if name in event and not isinstance(event[name], dict):
                    invalid.setdefault(name, []).append(index)
            for name in ("user_id", "device_id"):
                if event.get(name) in NO_IDS:
                    invalid.setdefault(name, []).append(index)
                elif name in event and len(event[name]) < shortest:
                    short.setdefault(name, []).append(index)
        silenced = [at for at, event in enumerate(events) if event.get("device_id") in self.silenced_devices]
        lists = {
            "events_with_missing_fields": missing,
            "events_with_invalid_fields": invalid,
            "events_with_invalid_id_lengths": short,
            "silenced_events": silenced,
        }
        found = {name: value for name, value in lists.items() if value}
        return (400, {"error": "Invalid field values on some events", **found}) if found else None

    def _throttled(self, events: list[dict[str, Any]]) -> AttemptResult | None:
        users = {str(event.get("user_id")) for event in events}
        throttled, over = users & self.throttled_users, users & self.over_quota_users
        if not throttled and not over:
            return None
        return 429, {
            "error": "Too many requests for some devices and users",
            "eps_threshold": 30,
            "throttled_devices": {},
            "throttled_users": dict.fromkeys(sorted(throttled), 44),
            "exceeded_daily_quota_devices": {},
            "exceeded_daily_quota_users": dict.fromkeys(sorted(over), 500_200),
            "throttled_events": [at for at, event in enumerate(events) if event.get("user_id") in throttled | over],
        }

    def _ingest(self, events: list[dict[str, Any]], size_bytes: int) -> AttemptResult:
        for event in events:
            self.ingested.setdefault(event["insert_id"], event)
        said = {"events_ingested": len(events), "payload_size_bytes": size_bytes, "server_upload_time": 1}
        return 200, said
