"""Reads the body of a tracking request: bounded in bytes, time and memory, whatever the sender does."""

import asyncio
import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive

DRAIN_BYTES = 8 * 1024 * 1024  # read and dropped of a body too large, so that the sender hears the answer
MEDIA_TYPES = {"application/json", "text/plain", ""}  # browsers post text/plain, which needs no CORS preflight


class RequestRefused(Exception):
    """The whole request is refused with an HTTP ``status``; ``message`` is for the sender and repeats nothing of it.

    ``count``: items it is known to have held. ``write_key``: as found in the body. ``close``: the rest of the body
    was not read, so the connection is of no more use. ``retry_after_seconds``: the sender is to try again.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        count: int = 1,
        write_key: Any = None,
        close: bool = False,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.count = count
        self.write_key = write_key
        self.close = close
        self.retry_after_seconds = retry_after_seconds


@dataclass(slots=True)
class BodyReader:
    """Reads bodies of at most ``max_bytes``; all of them together hold at most ``max_held_bytes`` while they arrive."""

    max_bytes: int
    timeout_seconds: float
    max_held_bytes: int
    _held_bytes: int = 0

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Return the body, decompressed. Raises `RequestRefused` (400, 408, 413, 415 or 429) and `ClientDisconnect`."""
        encoding = _check_headers(headers)
        body = bytearray()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                await self._receive(receive, body)
        except TimeoutError:
            text = f"the body did not arrive within {self.timeout_seconds:g} s; send it again"
            raise RequestRefused(408, "request_timeout", text, close=True) from None
        finally:
            self._held_bytes -= len(body)
        return self._gunzip(bytes(body)) if encoding == "gzip" else bytes(body)

    async def _receive(self, receive: Receive, body: bytearray) -> None:
        dropped_bytes = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk, more = message.get("body", b""), message.get("more_body", False)
            if dropped_bytes or len(body) + len(chunk) > self.max_bytes:
                dropped_bytes += len(chunk)
                if dropped_bytes > DRAIN_BYTES:
                    raise self._too_large(close=True)
                continue
            if self._held_bytes + len(chunk) > self.max_held_bytes:
                text = "too many requests are arriving at once; send it again"
                raise RequestRefused(429, "too_many_requests", text, close=True, retry_after_seconds=1)
            self._held_bytes += len(chunk)
            body += chunk
        if dropped_bytes:
            raise self._too_large()

    def _gunzip(self, body: bytes) -> bytes:
        # One member only: thousands of empty ones would cost quadratic time, and no SDK sends more than one.
        member = zlib.decompressobj(wbits=31)
        try:
            plain = member.decompress(body, self.max_bytes + 1)
        except zlib.error:
            raise RequestRefused(400, "bad_request", "the body is not gzip as Content-Encoding says") from None
        if len(plain) > self.max_bytes:
            raise self._too_large()
        if not member.eof or member.unused_data:
            raise RequestRefused(400, "bad_request", "the gzip body is cut short, or something follows it")
        return plain

    def _too_large(self, *, close: bool = False) -> RequestRefused:
        text = f"the request is over {self.max_bytes:,} bytes (decompressed); send smaller batches"
        return RequestRefused(413, "batch_too_large", text, close=close)


def basic_write_key(authorization: bytes) -> str | None:
    """Return the user of HTTP Basic, which is where SDKs put the write key; None for anything else.

    A Bearer token is left to whatever stands in front of Waybill: the write key is then in the body.
    """
    scheme, _, credentials = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, _, _ = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return user or None


def _check_headers(headers: Mapping[bytes, bytes]) -> str:
    """Return the content encoding: '' or 'gzip'."""
    content_type = headers.get(b"content-type", b"")
    if content_type != b"application/json":
        _check_content_type(content_type.decode("latin-1"))
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding in {b"", b"identity"}:
        return ""
    if encoding in {b"gzip", b"x-gzip"}:
        return "gzip"
    raise RequestRefused(415, "bad_request", "this Content-Encoding is not taken; send gzip or none")


def _check_content_type(content_type: str) -> None:
    media_type, _, parameters = content_type.lower().partition(";")
    charset = parameters.partition("charset=")[2].split(";")[0].strip(' "')
    if media_type.strip() not in MEDIA_TYPES or charset not in {"", "utf-8", "utf8", "us-ascii"}:
        text = "this Content-Type is not taken; send application/json (or text/plain) in UTF-8"
        raise RequestRefused(415, "bad_request", text)
