"""Segment's and GA4's destinations, and the generic one, against servers with their demands, by the real engine."""

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import orjson

from model.destinations.destination import Item
from model.destinations.ga4 import Ga4Destination
from model.destinations.http_api import HttpApiDestination
from model.destinations.segment import SegmentDestination
from model.http.failure import FailureClass
from sinks.http.client import HttpClient
from sinks.http.engine import HttpEngine
from tests.conformance.destinations.sending import send
from tests.kit.destination_items import ENVIRON, destination, items
from tests.kit.http_calls import answer_of, run, served
from tests.kit.http_server import RawServer, Seen
from tests.kit.samples import T0

DELIVERED = (FailureClass.DELIVERED, "", "")


class Api:
    """A path of a server: keeps what it took, answers what `answer` says."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.calls = 0

    def answer(self, seen: Seen) -> tuple[int, Any]:
        raise NotImplementedError

    async def __call__(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.calls += 1
        status, said = self.answer(seen)
        body = orjson.dumps(said)
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        return True


class SegmentApi(Api):
    """POST /v1/batch: 500 KB a request, 32 KB an event, 2,500 events, Basic write key; corrects no time twice."""

    def answer(self, seen: Seen) -> tuple[int, Any]:
        expected = "Basic " + b64encode(f"{ENVIRON['KEY']}:".encode()).decode()
        if seen.headers.get("authorization") != expected or seen.headers.get("content-type") != "application/json":
            return 401, {"success": False}
        if len(seen.body) > 500 * 1024:
            return 413, {"success": False}
        content = orjson.loads(seen.body)
        batch = content["batch"]
        if "sentAt" in content or len(batch) > 2_500 or any(len(orjson.dumps(e)) > 32 * 1024 for e in batch):
            return 400, {"success": False, "message": "Exceeds payload limit"}
        self.taken.extend(batch)
        return 200, {"success": True}


class Ga4Api(Api):
    """POST /mp/collect: 204 whatever is sent; the debug path says what is wrong."""

    def answer(self, seen: Seen) -> tuple[int, Any]:
        path, _, query = seen.target.partition("?")
        asked = parse_qs(query)
        content = orjson.loads(seen.body)
        wrong = []
        if asked.get("measurement_id") != ["G-1"] or asked.get("api_secret") != [ENVIRON["KEY"]]:
            wrong.append({"fieldPath": "", "description": "unknown stream"})
        if not content.get("client_id"):
            wrong.append({"fieldPath": "client_id", "description": "required"})
        for event in content["events"]:
            if any(len(str(value)) > 100 for value in event["params"].values()):
                wrong.append({"fieldPath": "events.params", "description": "a text of more than 100 characters"})
        if path == "/debug/mp/collect":
            return 200, {"validationMessages": wrong}
        if not wrong:
            self.taken.append(content)
        return 204, ""


class ItemApi(Api):
    """Takes newline-delimited JSON and answers 207, refusing odd numbers."""

    def answer(self, seen: Seen) -> tuple[int, Any]:
        events = [orjson.loads(line) for line in seen.body.splitlines()]
        if seen.headers.get("content-type") != "application/x-ndjson":
            return 415, {}
        odd = [event["properties"]["number"] % 2 for event in events]
        self.taken.extend(event for event, refused in zip(events, odd, strict=True) if not refused)
        return 207, [{"status": 422, "message": "odd"} if refused else {"status": 200} for refused in odd]


@contextlib.asynccontextmanager
async def running(api: Api, *paths: str) -> AsyncIterator[tuple[HttpEngine, str]]:
    engine: HttpEngine
    server: RawServer
    async with served(HttpClient) as (engine, server):
        for path in paths:
            server.on(path, api)
        yield engine, f"http://127.0.0.1:{server.port}"


def track(number: int, **properties: Any) -> dict[str, Any]:
    about = {"type": "track", "event": "Bought", "userId": f"u-{number}", "messageId": f"m-{number}"}
    return {**about, "timestamp": "2026-01-31T08:00:00Z", "properties": {"number": number, **properties}}


def raw(*events: dict[str, Any]) -> list[Item]:
    return [Item(f"d-{number}", orjson.dumps(event)) for number, event in enumerate(events)]


def test_segment_takes_events_as_they_came_and_one_too_large_takes_no_other_along() -> None:
    async def test() -> None:
        api = SegmentApi()
        async with running(api, "/v1/batch") as (engine, url):
            of = destination(SegmentDestination, type="segment", write_key="${KEY}", url=f"{url}/v1/batch")
            events = [track(n, note="x" * (40_000 if n == 3 else 10)) for n in range(8)]
            said = await send(engine, of, raw(*events))
            assert [one[1] for one in said] == ["", "", "", "400", "", "", "", ""]
            assert [event["messageId"] for event in api.taken] == [f"m-{n}" for n in range(8) if n != 3]
            assert api.taken[0] == events[0]

    run(test())


def test_segment_refusing_the_key_is_a_matter_of_setup() -> None:
    async def test() -> None:
        async with running(SegmentApi(), "/v1/batch") as (engine, url):
            of = destination(SegmentDestination, type="segment", write_key="${SECRET}", url=f"{url}/v1/batch")
            assert [one[0] for one in await send(engine, of, raw(track(1)))] == [FailureClass.SETUP]

    run(test())


def test_ga4_takes_events_and_its_validation_says_what_is_wrong_with_those_it_would_drop() -> None:
    async def test() -> None:
        api = Ga4Api()
        async with running(api, "/mp/collect", "/debug/mp/collect") as (engine, url):
            of = destination(Ga4Destination, type="ga4", measurement_id="G-1", api_secret="${KEY}", url=url)
            assert await send(engine, of, items(of, track(1))) == [DELIVERED]
            assert api.taken[0]["events"][0]["name"] == "bought"
            wordy = items(of, track(2, text="x" * 101))
            assert await send(engine, of, wordy) == [DELIVERED]  # so it says
            assert len(api.taken) == 1
            question = of.test_request(wordy, T0)
            assert question is not None
            words = of.validation(answer_of(await engine.send(question)))
            assert words == ["events.params: a text of more than 100 characters"]

    run(test())


def test_an_api_that_answers_for_each_line_is_believed_line_by_line() -> None:
    async def test() -> None:
        api = ItemApi()
        async with running(api, "/in") as (engine, url):
            settings = {"type": "http", "url": f"{url}/in", "format": "ndjson", "batch": {"max_events": 10}}
            of = destination(HttpApiDestination, **settings)
            said = await send(engine, of, raw(*(track(n) for n in range(4))))
            assert [one[1] for one in said] == ["", "422", "", "422"]
            assert [event["properties"]["number"] for event in api.taken] == [0, 2] and api.calls == 1

    run(test())
