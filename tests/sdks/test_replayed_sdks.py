"""SDKs that the tests cannot install: the requests they make, with all that they leave empty."""

import gzip
from base64 import b64encode
from typing import Any

import httpx
import orjson
import pytest

from flows.topics.interface import Topics
from tests.kit.ingest import WRITE_KEY, events

HAPPENED = "2026-05-01T10:00:00.000Z"
SENT = "2026-05-01T10:00:01.000Z"
BASIC = {"Authorization": "Basic " + b64encode(f"{WRITE_KEY}:".encode()).decode()}


def ruby() -> list[dict[str, Any]]:
    """analytics-ruby 2.5: what was not given is null, or an empty text."""
    library = {"library": {"name": "analytics-ruby", "version": "2.5.0"}}
    empty = {"anonymousId": None, "integrations": None, "options": None}
    about = {"context": library, "timestamp": HAPPENED, "userId": "u1", **empty}
    return [
        {**about, "messageId": "1", "type": "identify", "traits": {"plan": "free"}},
        {**about, "messageId": "2", "type": "track", "event": "Signed Up", "properties": {"plan": "free"}},
        {**about, "messageId": "3", "type": "page", "name": "", "properties": {}},
        {**about, "messageId": "4", "type": "screen", "name": "", "category": "", "properties": {}},
        {**about, "messageId": "5", "type": "group", "groupId": "g1", "traits": {"name": "Initech"}},
        {**about, "messageId": "6", "type": "alias", "previousId": "a1"},
    ]


def php() -> list[dict[str, Any]]:
    """analytics-php 3: times in whole seconds; inside an object, an empty array of PHP is a list whatever it means."""
    library = {"library": {"name": "analytics-php", "version": "3.8.1", "consumer": "LibCurl"}}
    about = {"context": library, "timestamp": "2026-05-01T10:00:00+00:00", "userId": "u1"}
    return [
        {**about, "messageId": "1", "type": "identify", "traits": {"plan": "free"}},
        {**about, "messageId": "2", "type": "track", "event": "Signed Up", "properties": {"items": []}},
        {**about, "messageId": "3", "type": "page", "name": "Home", "category": "", "properties": {}},
        {**about, "messageId": "4", "type": "screen", "name": "Start", "properties": {}},
        {**about, "messageId": "5", "type": "group", "groupId": "g1", "traits": {}},
        {**about, "messageId": "6", "type": "alias", "previousId": "a1"},
    ]


def swift() -> list[dict[str, Any]]:
    """analytics-swift 1.9: the batch is a file written event by event, sent with its key in the body, compressed."""
    about = {
        "anonymousId": "a1",
        "context": {"library": {"name": "analytics-swift", "version": "1.9.1"}},
        "integrations": {},
        "timestamp": HAPPENED,
        "userId": "u1",
        "_metadata": {"bundled": [], "unbundled": [], "bundledIds": []},
    }
    return [
        {**about, "messageId": "1", "type": "identify", "traits": {"plan": "free"}},
        {**about, "messageId": "2", "type": "track", "event": "Signed Up", "properties": {"plan": "free"}},
        {**about, "messageId": "3", "type": "screen", "name": "Start", "category": None},
        {**about, "messageId": "4", "type": "group", "groupId": "g1", "traits": {"name": "Initech"}},
        {**about, "messageId": "5", "type": "alias", "previousId": "a1"},
    ]


JSON = {"Content-Type": "application/json"}
REPLAYS = {
    "ruby": ("/v1/import", {**BASIC, **JSON, "Accept": "application/json"}, {"sentAt": SENT}, ruby()),
    "php": ("/v1/batch", {**BASIC, **JSON, "User-Agent": "analytics-php/3.8.1"}, {"sentAt": SENT}, php()),
    "php, compressed": ("/v1/batch", {**BASIC, **JSON, "Content-Encoding": "gzip"}, {"sentAt": SENT}, php()),
    "swift": (
        "/v1/b",
        {"Content-Type": "application/json; charset=utf-8", "Content-Encoding": "gzip"},
        {"sentAt": SENT, "writeKey": WRITE_KEY},
        swift(),
    ),
}


@pytest.mark.parametrize("name", REPLAYS)
def test_what_an_sdk_sends_is_taken(topics: Topics, url: str, name: str) -> None:
    path, headers, more, batch = REPLAYS[name]
    body = orjson.dumps({"batch": batch, **more})
    if headers.get("Content-Encoding") == "gzip":
        body = gzip.compress(body)
    response = httpx.post(url + path, content=body, headers=headers, timeout=30)
    assert (response.status_code, response.json()) == (200, {"success": True})
    found = [event for _, event in events(topics)]
    assert [(event["type"], event["messageId"]) for event in found] == [
        (item["type"], item["messageId"]) for item in batch
    ]
    assert all(event["userId"] == "u1" for event in found)
