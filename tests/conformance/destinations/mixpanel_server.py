"""Mixpanel's ingestion API as it is documented: what it demands of a request, and what it answers."""

import asyncio
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from tests.kit.http_server import Seen

TOKEN = "key-of-the-project"
ACCOUNT, ACCOUNT_SECRET, PROJECT = "waybill.1", "secret-of-the-account", "77"
LIMIT_BYTES, LIMIT_RECORDS = 2_097_152, 2_000
NOW_MS = 1_800_000_000_000
OLDEST_MS, NEWEST_MS = 31_536_000_000, NOW_MS + 3_600_000
NO_IDS = set("anon anonymous nil none null n/a na undefined unknown <nil> 0 -1 true false [] {}".split())
OPERATIONS = {"$set", "$set_once", "$unset", "$add", "$append", "$union", "$remove"}
AttemptResult = tuple[int, Any]
Fault = tuple[str, str]  # field and message


@dataclass(slots=True)
class MixpanelServer:
    """Takes the good records of a request. ``events``: by $insert_id; ``profiles``: by $distinct_id or $group_id."""

    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, int]] = field(default_factory=list)  # path and status
    busy: bool = False

    async def __call__(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Behave as a path of a `RawServer`."""
        url = urlsplit(seen.target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        status, said = self._answer(url.path, query, seen)
        self.calls.append((url.path, status))
        body = orjson.dumps(said)
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        return True

    def _answer(self, path: str, query: dict[str, str], seen: Seen) -> AttemptResult:
        if self.busy:
            return 429, _failure(
                429, "Project exceeded rate limits. Please retry the request with exponential backoff."
            )
        if path == "/import" and not _authenticated(query, seen.headers.get("authorization", "")):
            return 401, _failure(401, "Invalid credentials")
        if len(seen.body) > LIMIT_BYTES:
            return 413, _failure(413, f"request exceeds max limit of {LIMIT_BYTES} bytes")
        if seen.method != "POST" or seen.headers.get("content-type") != "application/json" or query["strict"] != "1":
            return 400, _failure(400, "bad request")
        records = orjson.loads(seen.body)
        if len(records) > LIMIT_RECORDS:
            return 413, _failure(413, "too many records")
        if path == "/import":
            return self._take(records, _fault_of_event, self._import)
        if query.get("verbose") != "1" or (path == "/engage" and query.get("ip") != "0"):
            return 200, 0
        who = "$distinct_id" if path == "/engage" else "$group_id"
        if any(record.get("$token") != TOKEN for record in records):
            return 200, {"status": 0, "error": "token, missing or empty"}
        if all(_fault_of_profile(record, who) for record in records):
            return 200, {"status": 0, "error": f"{who}, missing or empty"}
        return self._take(records, lambda record: _fault_of_profile(record, who), self._update)

    def _take(
        self,
        records: list[dict[str, Any]],
        fault_of: Callable[[dict[str, Any]], Fault | None],
        take: Callable[[dict[str, Any]], None],
    ) -> AttemptResult:
        failed = []
        for index, record in enumerate(records):
            fault = fault_of(record)
            if fault is None:
                take(record)
            else:
                failed.append({"index": index, "field": fault[0], "message": f"'{fault[0]}' is invalid: {fault[1]}"})
        taken = len(records) - len(failed)
        if not failed:
            return 200, {"code": 200, "status": "OK", "num_records_imported": taken}
        said = _failure(400, "some data points in the request failed validation")
        return 400, {**said, "num_records_imported": taken, "failed_records": failed}

    def _import(self, record: dict[str, Any]) -> None:
        self.events.setdefault(record["properties"]["$insert_id"], record)

    def _update(self, record: dict[str, Any]) -> None:
        profile = self.profiles.setdefault(record.get("$distinct_id") or record["$group_id"], {})
        profile |= record["$set"]


def _failure(code: int, error: str) -> dict[str, Any]:
    names = {400: "Bad Request", 401: "Unauthorized", 413: "Request Entity Too Large", 429: "Too Many Requests"}
    return {"code": code, "error": error, "status": names[code]}


def _authenticated(query: dict[str, str], authorization: str) -> bool:
    user = f"{ACCOUNT}:{ACCOUNT_SECRET}" if query.get("project_id") == PROJECT else f"{TOKEN}:"
    return authorization == f"Basic {b64encode(user.encode()).decode()}"


def _fault_of_event(record: dict[str, Any]) -> Fault | None:
    properties = record.get("properties", {})
    at_ms, insert_id, who = properties.get("time"), properties.get("$insert_id"), properties.get("distinct_id")
    if not record.get("event") or record.keys() != {"event", "properties"}:
        return "event", "must have a name and properties, and nothing else"
    if not isinstance(at_ms, int) or not OLDEST_MS <= at_ms <= NEWEST_MS:
        return "properties.time", "must be specified as seconds since epoch"
    if not isinstance(insert_id, str) or not re.fullmatch("[A-Za-z0-9-]{1,36}", insert_id) or insert_id in NO_IDS:
        return "$insert_id", "must only contain alphanumeric or hyphen '-' characters"
    if not isinstance(who, str) or who in NO_IDS:
        return "distinct_id", "must be the id of a user"
    if len(properties) >= 255:
        return "properties", "must have fewer than 255 keys"
    return None


def _fault_of_profile(record: dict[str, Any], who: str) -> Fault | None:
    if not isinstance(record.get(who), str) or record[who] in NO_IDS | {""}:
        return who, "missing or empty"
    if not OPERATIONS & record.keys() or (who == "$group_id" and not record.get("$group_key")):
        return "record", "must have an operation, and a group its key"
    return None
