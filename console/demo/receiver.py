"""A partner's server for the demo, the benchmark and the tests: responds in known ways and counts what it receives.

    python -m console.demo.receiver --port 0        prints {"port": 40213} and serves until SIGTERM

    /healthy          200
    /flaky            3 % of keys always 400; 8 % get 503 on their first call or two; 429 above --flaky-rate a second
    /scripted         as properties.script of the event says, one response per call, the last one for all later calls:
                      [503, {"status": 429, "retry_after": 1, "body": {"message": "slow down"}}, "hang", "close", 200]
    /status/401?ms=9  that status, after that time if one is given
    /slow?ms=50       200 after that time
    /hang             accepts the request and never responds
    /large            200 with 10 MB

Anything may follow the name, so several destinations can have one behaviour: /healthy/crm, /healthy/ads.

    GET /tally                     {"healthy/crm": {"calls": …, "keys": …, "delivered_keys": …, …}, …}
    GET /tally/healthy/crm/keys    {"<Idempotency-Key>": [503, 200], …}; 0 stands for no answer

It shares the machine with what it measures, so it is a bare asyncio protocol.
"""

import argparse
import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs
from zlib import crc32

import httptools
import orjson
import uvloop

MAX_KEYS = 500_000
MAX_NAMES = 1_000
MAX_BODY_BYTES = 1_000_000
LARGE_BODY = b"x" * 10_000_000
FLAKY_RATE_PER_SECOND = 600
NO_ANSWER = 0
ALWAYS_REFUSED_PERCENT = 3  # of the keys of /flaky: 0, 1, 2 of a hundred
FAILED_TWICE_BELOW_PERCENT = 5  # 3 and 4
FAILED_ONCE_BELOW_PERCENT = 11  # 5 to 10


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a call: a status, or NO_ANSWER, which closes the connection at once or leaves it waiting."""

    status: int
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()
    delay_ms: int = 0
    close: bool = False

    def encode(self) -> bytes:
        """Return the bytes of the HTTP response."""
        phrase = _PHRASES.get(self.status, "Unnamed")
        extra = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        length = f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n"
        return f"HTTP/1.1 {self.status} {phrase}\r\n{length}{extra}\r\n".encode("latin-1", "replace") + self.body


_PHRASES = {status.value: status.phrase for status in HTTPStatus}
HANG = Answer(NO_ANSWER)
CLOSE = Answer(NO_ANSWER, close=True)
NOT_FOUND = Answer(404, b'{"message":"no such path; see the top of console/demo/receiver.py"}')


class Call(NamedTuple):
    """One request, and the earlier statuses of its key at this path."""

    path: str
    query: str
    key: str
    body: bytes
    earlier: list[int]


@dataclass(slots=True)
class PathTally:
    """The calls to one path. ``statuses``: by key, in order."""

    statuses: dict[str, list[int]] = field(default_factory=dict)
    by_status: Counter[int] = field(default_factory=Counter)
    calls_after_success: int = 0
    calls_without_key: int = 0

    def summary(self) -> dict[str, Any]:
        """Return the counts as published by GET /tally."""
        successes = [sum(map(_is_success, answers)) for answers in self.statuses.values()]
        return {
            "calls": self.by_status.total(),
            "keys": len(successes),
            "delivered_keys": sum(count > 0 for count in successes),
            "keys_delivered_more_than_once": sum(count > 1 for count in successes),
            "calls_after_success": self.calls_after_success,
            "calls_without_key": self.calls_without_key,
            "statuses": {str(status): count for status, count in sorted(self.by_status.items())},
        }


class Receiver:
    """Chooses responses and counts them. ``clock`` returns Unix ms."""

    def __init__(self, clock: Callable[[], int], flaky_rate_per_second: int = FLAKY_RATE_PER_SECOND) -> None:
        self.tallies: dict[str, PathTally] = {}
        self._clock = clock
        self._flaky_rate_per_second = flaky_rate_per_second
        self._second: dict[str, tuple[int, int]] = {}  # per path: the current second and the calls in it
        self._keys = 0

    def answer(self, path: str, query: str, key: str, body: bytes) -> Answer:
        """Choose the response to one call and count it."""
        if path == "tally" or path.startswith("tally/"):
            return self._tally(path)
        behaviour = path.partition("/")[0]
        if behaviour not in _BEHAVIOURS or (path not in self.tallies and len(self.tallies) >= MAX_NAMES):
            return NOT_FOUND
        tally = self.tallies.setdefault(path, PathTally())
        earlier = tally.statuses.get(key, [])
        answer = _BEHAVIOURS[behaviour](self, Call(path, query, key, body, earlier))
        tally.by_status[answer.status] += 1
        tally.calls_after_success += any(map(_is_success, earlier))
        if not key or (not earlier and self._keys >= MAX_KEYS):
            tally.calls_without_key += 1
        elif earlier:
            earlier.append(answer.status)
        else:
            tally.statuses[key] = [answer.status]
            self._keys += 1
        return answer

    def _tally(self, path: str) -> Answer:
        if path == "tally":
            return Answer(200, orjson.dumps({name: tally.summary() for name, tally in self.tallies.items()}))
        tally = self.tallies.get(path.removeprefix("tally/").removesuffix("/keys"))
        return Answer(200, orjson.dumps(tally.statuses)) if tally else NOT_FOUND

    def _flaky(self, call: Call) -> Answer:
        now = self._clock() // 1000
        second, calls = self._second.get(call.path, (now, 0))
        calls = calls + 1 if second == now else 1
        self._second[call.path] = (now, calls)
        if calls > self._flaky_rate_per_second:
            return _SLOW_DOWN
        percentile = crc32(call.key.encode()) % 100
        if percentile < ALWAYS_REFUSED_PERCENT:
            return _BAD_FIELD
        failures = (percentile < FAILED_ONCE_BELOW_PERCENT) + (percentile < FAILED_TWICE_BELOW_PERCENT)
        return _OVERLOADED if call.earlier.count(_OVERLOADED.status) < failures else _OK


def _scripted(call: Call) -> Answer:
    try:
        event = orjson.loads(call.body)
        script = event.get("properties", {}).get("script") or [200]
        return _scripted_answer(script[min(len(call.earlier), len(script) - 1)])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return _json_answer(400, {"message": f"properties.script cannot be followed: {error}"})


def _status(call: Call) -> Answer:
    code = call.path.removeprefix("status/").partition("/")[0]
    if not code.isdecimal() or len(code) != len("200"):
        return NOT_FOUND
    return Answer(int(code), delay_ms=_delay_ms(call.query, 0))


class Connection(asyncio.Protocol):
    """One keep-alive HTTP/1.1 connection; its requests come one after another."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._transport.close()

    def on_message_begin(self) -> None:
        self._url = b""
        self._key = ""
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == len(b"idempotency-key") and name.lower() == b"idempotency-key":
            self._key = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > MAX_BODY_BYTES:
            self._transport.abort()

    def on_message_complete(self) -> None:
        path, _, query = self._url.decode("latin-1").partition("?")
        answer = self._receiver.answer(path.strip("/"), query, self._key, self._body)
        if answer.delay_ms:
            # One ms more: uvloop counts in whole ms, and may be up to one early.
            asyncio.get_running_loop().call_later((answer.delay_ms + 1) / 1000, self._reply, answer)
        else:
            self._reply(answer)

    def _reply(self, answer: Answer) -> None:
        if answer.close:
            self._transport.close()
        elif answer.status != NO_ANSWER and not self._transport.is_closing():
            self._transport.write(_ENCODED.get(answer) or answer.encode())


async def serve(receiver: Receiver, host: str, port: int) -> asyncio.Server:
    """Start serving; port 0 takes a free one."""
    return await asyncio.get_running_loop().create_server(partial(Connection, receiver), host, port, backlog=1024)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m console.demo.receiver", description="A partner's server for tests."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--flaky-rate", type=int, default=FLAKY_RATE_PER_SECOND, help="calls per second of /flaky")
    options = parser.parse_args()

    async def run() -> None:
        stop = asyncio.Event()
        for stop_signal in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(stop_signal, stop.set)
        receiver = Receiver(lambda: time.time_ns() // 1_000_000, options.flaky_rate)
        server = await serve(receiver, options.host, options.port)
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        await stop.wait()
        server.close()

    uvloop.run(run())


def _is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _delay_ms(query: str, default_ms: int) -> int:
    text = parse_qs(query).get("ms", [""])[0]
    return min(int(text), 600_000) if text.isdecimal() else default_ms


def _json_answer(status: int, body: Any, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status, orjson.dumps(body), headers)


def _scripted_answer(step: Any) -> Answer:
    """Turn one entry of a script into a response. Raises ValueError, TypeError or KeyError for a malformed one."""
    if step == "hang":
        return HANG
    if step == "close":
        return CLOSE
    if isinstance(step, dict):
        wait = (("Retry-After", str(int(step["retry_after"]))),) if "retry_after" in step else ()
        return _json_answer(int(step["status"]), step.get("body", {}), wait)
    return Answer(int(step))


_OK = Answer(200)
_LARGE = Answer(200, LARGE_BODY)
_SLOW_DOWN = _json_answer(429, {"message": "Rate limit exceeded"}, (("Retry-After", "1"),))
_BAD_FIELD = _json_answer(400, {"message": "Field 'properties.revenue' must be a number"})
_OVERLOADED = _json_answer(503, {"message": "Upstream overloaded, try again"})
_ENCODED = {answer: answer.encode() for answer in (_OK, _SLOW_DOWN, _BAD_FIELD, _OVERLOADED)}
_BEHAVIOURS: dict[str, Callable[[Receiver, Call], Answer]] = {
    "healthy": lambda receiver, call: _OK,
    "flaky": Receiver._flaky,
    "scripted": lambda receiver, call: _scripted(call),
    "status": lambda receiver, call: _status(call),
    "slow": lambda receiver, call: Answer(200, delay_ms=_delay_ms(call.query, 50)),
    "hang": lambda receiver, call: HANG,
    "large": lambda receiver, call: _LARGE,
}

if __name__ == "__main__":
    main()
