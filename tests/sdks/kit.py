"""A program of an SDK against an ingest of its own that is busy at first; what came, and what the SDK was told."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import trustme
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from console.ingest.app import create_ingest
from console.server.http_server import serve_in_thread
from flows.engine.clock import wall_clock_ms
from flows.topics.interface import Topics
from tests.kit.ingest import events, new_topics, sources_of
from tests.kit.system import wait_until
from tests.sdks.tls import tls_proxy

ARRIVE_SECONDS = 90.0
LOST = 0  # the post is taken, and its sender never hears of it
BUSY = (503, 429, LOST)  # what the first posts are answered with
KOTLIN_KEEPS = Path("/tmp/analytics-kotlin")  # events it has not sent, by write key; no option names another place
TIMES = ("sentAt", "receivedAt", "timestamp", "_metadata")  # differ when an event is sent again
HAPPENED = "2026-05-01T10:00:00"


def assert_calls(found: Sequence[dict[str, Any]], *, library: str, dated: bool, previous: str = "a1") -> None:
    """The calls that every program makes came as they were made, each once.

    ``dated``: one with a time of its own. ``previous``: who the user was before; '' when the SDK says that itself.
    """
    by_type = {event["type"]: event for event in found}
    assert len(by_type) == len(found)
    for event in found:
        assert event["context"]["library"]["name"] == library
        assert event["messageId"] and event["sentAt"] and (event.get("userId") or event.get("anonymousId"))
    assert by_type["identify"]["userId"] == "u1"
    assert by_type["identify"]["traits"] == {"plan": "free"}
    track = by_type["track"]
    assert (track["event"], track["properties"]) == ("Signed Up", {"plan": "free"})
    assert track["originalTimestamp"].startswith(HAPPENED) is dated
    assert (by_type["group"]["groupId"], by_type["group"]["traits"]) == ("g1", {"name": "Initech"})
    assert by_type["alias"]["userId"] == "u1"
    assert by_type["alias"]["previousId"] == (previous or by_type["alias"]["previousId"]) != ""
    if "page" in by_type:
        assert by_type["page"]["name"] == "Home"
    if "screen" in by_type:
        assert by_type["screen"]["name"] == "Start"


class Front:
    """Stands before ingest: answers the first posts as told, and remembers every answer by method and path.

    An answer that is `LOST` is 502 to the sender, as a proxy says whose server died meanwhile.
    """

    def __init__(self, app: ASGIApp, busy: Sequence[int]) -> None:
        self._app = app
        self._busy = list(busy)
        self.answers: list[tuple[str, str, int]] = []

    def posts(self) -> list[int]:
        """What posts were answered with."""
        return [status for method, _, status in list(self.answers) if method == "POST"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def noting(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.answers.append((scope["method"], scope["path"], message["status"]))
            await send(message)

        app = self._app
        if scope["method"] == "POST" and self._busy:
            status = self._busy.pop(0)
            if status == LOST:
                await app(scope, receive, _nowhere)
            else:
                while (await receive()).get("more_body"):
                    pass
            origin = Headers(scope=scope).get("origin", "*")
            allowed = {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
            app = Response(status_code=status or 502, headers={"Retry-After": "1", **allowed})
        await app(scope, receive, noting)


async def _nowhere(message: Any) -> None:
    pass


def once_each(topics: Topics) -> list[dict[str, Any]]:
    """The events that came, each once: what came again is the same to the letter, so that delivery leaves it out."""
    found: dict[str, dict[str, Any]] = {}
    for _, event in events(topics):
        first = found.setdefault(event["messageId"], event)
        assert {**event, **dict.fromkeys(TIMES)} == {**first, **dict.fromkeys(TIMES)}
    return list(found.values())


def answered(front: Front, busy: Sequence[int]) -> bool:
    """Say whether the sender got through: past what it was refused with, to the end."""
    posts = front.posts()
    return len(posts) > len(busy) and posts[-1] == 200


@contextmanager
def serving(topics: Topics, write_key: str, busy: Sequence[int] = ()) -> Iterator[tuple[str, Front]]:
    """Serve ingest behind a `Front`, for source web with its write key; gives its address."""
    sources = sources_of(("web", write_key))
    front = Front(create_ingest(sources, topics, clock=wall_clock_ms, run="test"), busy)
    server = serve_in_thread(front, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.port}", front
    finally:
        server.stop()


@dataclass(slots=True)
class Program:
    """A running program of an SDK, with an ingest of its own."""

    topics: Topics
    front: Front
    process: subprocess.Popen[str]
    output: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _readers: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        for stream, lines in ((self.process.stdout, self.output), (self.process.stderr, self.errors)):
            assert stream is not None
            reader = threading.Thread(target=lines.extend, args=(stream,), daemon=True)
            reader.start()
            self._readers.append(reader)

    def arrived(self, count: int, busy: Sequence[int]) -> list[dict[str, Any]]:
        """Wait for the events, let the program end, and return those that came, each once."""
        there = lambda: answered(self.front, busy) and len(once_each(self.topics)) >= count  # noqa: E731
        try:
            wait_until(there, ARRIVE_SECONDS, f"{count} events have come", 0.1)
        except AssertionError as late:
            raise AssertionError(f"{late}: {self.said()}") from None
        self.end()
        return once_each(self.topics)

    def refused(self) -> None:
        """Wait until a post of the program was refused, and let it end."""
        try:
            wait_until(lambda: 401 in self.front.posts(), ARRIVE_SECONDS, "refused", 0.1)
        except AssertionError as late:
            raise AssertionError(f"{late}: {self.said()}") from None
        self.end()

    def end(self, seconds: float = 30) -> None:
        """Tell it to flush and to end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
        for reader in self._readers:
            reader.join(10)

    def told(self) -> list[dict[str, Any]]:
        """What it says it was told: its lines of JSON."""
        return [json.loads(line) for line in self.output if line.startswith("{")]

    def said(self) -> str:
        """All it said and was answered, for people who look for a fault."""
        return f"{self.front.answers[:20]} {''.join(self.output)[-1000:]} {''.join(self.errors)[-2000:]}"


@contextmanager
def running(
    command: Sequence[str],
    directory: Path,
    *,
    environment: Mapping[str, str] | None = None,
    known: bool = True,
    busy: Sequence[int] = (),
    authority: trustme.CA | None = None,
) -> Iterator[Program]:
    """Run a program in a directory of its own, told of its ingest by its environment; over TLS with an authority.

    ``known``: whether ingest knows its write key.
    """
    directory.mkdir()
    topics = new_topics(directory / "topics")
    write_key = f"key-{uuid4()}"  # by it, some SDKs keep events on disk
    with serving(topics, write_key if known else "another", busy) as (address, front), ExitStack() as stack:
        host = address.partition("://")[2]
        if authority is not None:
            host = f"127.0.0.1:{stack.enter_context(tls_proxy(int(host.rpartition(':')[2]), authority))}"
        names = {"WAYBILL_ADDRESS": address, "WAYBILL_HOST": host, "WAYBILL_KEY": write_key}
        process = subprocess.Popen(
            list(command),
            cwd=directory,
            env={**os.environ, **names, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Program(topics, front, process)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            shutil.rmtree(KOTLIN_KEEPS / write_key, ignore_errors=True)
    topics.close()
