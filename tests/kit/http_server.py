"""A server that does what it is told byte by byte, well-formed HTTP or not, for the suite of the HTTP engines."""

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[Seen, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]


@dataclass(slots=True)
class RawServer:
    """Serves one behaviour per path; a behaviour says whether the connection stays open."""

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    requests: list[Seen] = field(default_factory=list)
    connections: int = 0
    closed: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> "RawServer":
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, host, 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Close everything."""
        assert self._server
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def on(self, path: str, behaviour: Behaviour) -> None:
        """Answer this path that way."""
        self.behaviours[path] = behaviour

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.closed += 1
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = head.split("\r\n")[0].split(" ")
        headers = {
            name.lower(): value for name, value in re.findall(r"^([^:\r\n]+): ?([^\r\n]*)\r$", head, re.MULTILINE)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        seen = Seen(method, target, headers, body)
        self.requests.append(seen)
        keep_open = await self.behaviours[target.partition("?")[0]](seen, reader, writer)
        if keep_open:
            await writer.drain()
        return keep_open


def says(text: str) -> Behaviour:
    """Send these bytes and keep the connection."""

    async def behave(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(text.encode("latin-1"))
        return True

    return behave


def says_and_closes(text: str) -> Behaviour:
    """Send these bytes and close the connection in an orderly way."""

    async def behave(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(text.encode("latin-1"))
        await writer.drain()
        return False

    return behave


def keeps_open(text: str) -> Behaviour:
    """Send these bytes, then nothing until the other side goes away."""

    async def behave(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(text.encode("latin-1"))
        await writer.drain()
        await reader.read(1)
        return False

    return behave


def answers(status: int, body: str = "", **headers: str) -> Behaviour:
    """Answer properly."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return says(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{lines}\r\n{body}")


async def hangs(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Say nothing until the other side goes away."""
    await reader.read(1)
    return False


async def drips(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Promise a body and send a byte of it now and then, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def resets_midway(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Send half an answer and break the connection."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with RST
    writer.transport.abort()
    return False


async def echoes(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Send the body back."""
    writer.write(
        b"HTTP/1.1 200 OK\r\nX-Method: %s\r\nContent-Length: %d\r\n\r\n" % (seen.method.encode(), len(seen.body))
    )
    writer.write(seen.body)
    return True


async def sends_ten_megabytes(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Send far more than anyone should read."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
    for _ in range(100):
        writer.write(b"y" * 100_000)
        await writer.drain()
    return True


@contextlib.asynccontextmanager
async def answering_heads(response: bytes, *, close: bool, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that responds as soon as it has the head of a request, and never reads the body."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(response)
            await writer.drain()
            if not close:
                reader._transport.pause_reading()  # type: ignore[attr-defined]
                await asyncio.sleep(30)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
