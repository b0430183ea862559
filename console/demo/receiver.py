"""A partner's server for the demo, and to try Waybill on: responds in known ways.

    python -m console.demo.receiver --port 0        prints {"port": 40213} and serves until SIGTERM

    /healthy          200
    /flaky            3 % of keys always 400; 8 % get 503 on their first call or two; 429 above 600 calls a second

Anything may follow the name, so several destinations can have one behaviour: /healthy/crm, /healthy/ads. It shares the
machine with what it demonstrates, so it is a bare asyncio protocol.
"""

import argparse
import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast
from zlib import crc32

import httptools
import orjson
import uvloop

MAX_KEYS = 500_000
MAX_BODY_BYTES = 1_000_000
FLAKY_RATE_PER_SECOND = 600
ALWAYS_REFUSED_PERCENT = 3  # of the keys of /flaky: 0, 1, 2 of a hundred
FAILED_TWICE_BELOW_PERCENT = 5  # 3 and 4
FAILED_ONCE_BELOW_PERCENT = 11  # 5 to 10


@dataclass(frozen=True, slots=True)
class CannedResponse:
    """The response to a call."""

    status: int
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self) -> bytes:
        """Return the bytes of the HTTP response."""
        phrase = _PHRASES.get(self.status, "Unnamed")
        extra = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        length = f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n"
        return f"HTTP/1.1 {self.status} {phrase}\r\n{length}{extra}\r\n".encode("latin-1", "replace") + self.body


_PHRASES = {status.value: status.phrase for status in HTTPStatus}
NOT_FOUND = CannedResponse(404, b'{"message":"no such path; see the top of console/demo/receiver.py"}')


def json_answer(status: int, body: object, headers: tuple[tuple[str, str], ...] = ()) -> CannedResponse:
    """A response with a JSON body."""
    return CannedResponse(status, orjson.dumps(body), headers)


OK = CannedResponse(200)
_SLOW_DOWN = json_answer(429, {"message": "Rate limit exceeded"}, (("Retry-After", "1"),))
_BAD_FIELD = json_answer(400, {"message": "Field 'properties.revenue' must be a number"})
_OVERLOADED = json_answer(503, {"message": "Upstream overloaded, try again"})
_ENCODED = {answer: answer.encode() for answer in (OK, _SLOW_DOWN, _BAD_FIELD, _OVERLOADED)}


class Receiver:
    """Chooses responses. ``clock`` returns Unix ms."""

    def __init__(self, clock: Callable[[], int], flaky_rate_per_second: int = FLAKY_RATE_PER_SECOND) -> None:
        self._clock = clock
        self._flaky_rate_per_second = flaky_rate_per_second
        self._second: dict[str, tuple[int, int]] = {}  # per path: the current second and the calls in it
        self._failures: Counter[tuple[str, str]] = Counter()  # per path and key, of those that fail at first

    def connection(self) -> "ClientConnection":
        """Make the protocol of one connection."""
        return ClientConnection(self)

    def answer(self, path: str, query: str, key: str, body: bytes) -> CannedResponse:
        """Choose the response to one call; ``key`` is its Idempotency-Key."""
        match path.partition("/")[0]:
            case "healthy":
                return OK
            case "flaky":
                return self._flaky(path, key)
            case _:
                return NOT_FOUND

    def _flaky(self, path: str, key: str) -> CannedResponse:
        now = self._clock() // 1000
        second, calls = self._second.get(path, (now, 0))
        calls = calls + 1 if second == now else 1
        self._second[path] = (now, calls)
        if calls > self._flaky_rate_per_second:
            return _SLOW_DOWN
        percentile = crc32(key.encode()) % 100
        if percentile < ALWAYS_REFUSED_PERCENT:
            return _BAD_FIELD
        failures = (percentile < FAILED_ONCE_BELOW_PERCENT) + (percentile < FAILED_TWICE_BELOW_PERCENT)
        if self._failures[path, key] >= failures or len(self._failures) >= MAX_KEYS:
            return OK
        self._failures[path, key] += 1
        return _OVERLOADED


class ClientConnection(asyncio.Protocol):
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
        self.reply(answer)

    def reply(self, answer: CannedResponse) -> None:
        if not self._transport.is_closing():
            self._transport.write(_ENCODED.get(answer) or answer.encode())


async def serve(receiver: Receiver, host: str, port: int) -> asyncio.Server:
    """Start serving; port 0 takes a free one."""
    return await asyncio.get_running_loop().create_server(receiver.connection, host, port, backlog=1024)


def main(kind: type[Receiver] = Receiver) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m console.demo.receiver", description="A partner's server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    options = parser.parse_args()

    async def run() -> None:
        stop = asyncio.Event()
        for stop_signal in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(stop_signal, stop.set)
        receiver = kind(lambda: time.time_ns() // 1_000_000)
        server = await serve(receiver, options.host, options.port)
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        await stop.wait()
        server.close()

    uvloop.run(run())


if __name__ == "__main__":
    main()
