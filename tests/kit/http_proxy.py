"""A small real proxy: CONNECT for https, the absolute form for http. It says what it was asked for."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CREDENTIALS = "Basic " + base64.b64encode(b"user:p@ss word").decode()


@dataclass(slots=True)
class Proxy:
    """Connects every name to loopback. ``refusal``: a status to answer everything with; ``asked``: request lines."""

    refusal: int = 0
    wants_credentials: bool = True
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://user:p%40ss%20word@127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.asked.append(f"{method} {target}")
        self.heads.append(head)
        refusal = self.refusal
        if self.wants_credentials and headers.get("proxy-authorization") != CREDENTIALS:
            refusal = 407
        if method == "CONNECT":
            if refusal:
                writer.write(f"HTTP/1.1 {refusal} No\r\nContent-Length: 0\r\n\r\n".encode())
                return False
            inner = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_copy(reader, inner[1]), _copy(inner[0], writer))
            return False
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if refusal:
            writer.write(f"HTTP/1.1 {refusal} No\r\nContent-Length: 0\r\n\r\n".encode())
            return True
        url = urlsplit(target)
        passed_on = [line for line in lines if line and not line.lower().startswith("proxy-")]
        from_server, to_server = await asyncio.open_connection("127.0.0.1", url.port)
        path = url.path + (f"?{url.query}" if url.query else "")
        to_server.write("\r\n".join([f"{method} {path} HTTP/1.1", *passed_on, "", ""]).encode("latin-1") + body)
        to_server.write_eof()
        writer.write(await from_server.readuntil(b"\r\n") + b"Connection: close\r\n")
        await _copy(from_server, writer)
        return False


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def proxying(proxy: Proxy) -> AsyncIterator[Proxy]:
    """Listen on a free port."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(proxy.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
