"""Reads the body of a tracking request: bounded in bytes, time and memory, whatever the sender does."""

import asyncio
import base64
import binascii
import codecs
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from console.ingest.limits import IngestLimits
from console.ingest.salvage import Salvage

DRAIN_BYTES = 8 * 1024 * 1024  # of a body too large, read and dropped so that the sender reads the response
_SALVAGED_PIECE_BYTES = 256 * 1024
GZIP_MAGIC = b"\x1f\x8b"
# The encodings besides Unicode that senders use in practice.
_SINGLE_BYTE_CHARSETS = {"iso8859-1", "iso8859-15", "cp1252"}


@dataclass(eq=False)
class RequestRefused(Exception):
    """The whole request is refused with an HTTP ``status``; ``message`` is for the sender and quotes nothing of it.

    ``count``: items it is known to have held. ``write_key``: as found in the body. ``salvage``: ids and keys in a
    body that was not read to its end. ``close``: the body was not read to its end, so the connection ends too.
    ``retry_after_seconds``: the sender is asked to send again after this time.
    """

    status: int
    code: str
    message: str
    count: int = 1
    write_key: Any = None
    salvage: Salvage | None = None
    close: bool = False
    retry_after_seconds: int | None = None

    def __str__(self) -> str:
        return self.message


@dataclass(slots=True)
class BodyReader:
    """Reads bodies within the limits of one request and of all requests that arrive at the same time."""

    limits: IngestLimits
    _held_bytes: int = 0

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Return the body, decompressed and in UTF-8. Content-Type is not checked: SDKs and beacons name many types
        for JSON. Raises `RequestRefused` (400, 408, 413, 415 or 429) and `ClientDisconnect`.
        """
        coding = headers.get(b"content-encoding", b"").strip().lower()
        if coding not in _WINDOW_BITS:
            text = "this Content-Encoding is not supported; send gzip, deflate or none"
            raise RequestRefused(415, "bad_request", text)
        body = bytearray()
        try:
            async with asyncio.timeout(self.limits.body_timeout_seconds):
                await self._receive(receive, body, coding)
        except TimeoutError:
            text = f"the body did not arrive within {self.limits.body_timeout_seconds:g} s; send it again"
            salvage = self._salvage(body, coding)
            raise RequestRefused(408, "request_timeout", text, salvage=salvage, close=True) from None
        finally:
            self._held_bytes -= len(body)
        plain = bytes(body)
        # JSON never begins as gzip does. So a body is decompressed even if the header was lost on the way, and not a
        # second time if a proxy decompressed it and left the header.
        if _is_compressed(plain, coding):
            plain = self._decompress(plain, coding)
        return in_utf8(plain, headers.get(b"content-type", b""))

    async def _receive(self, receive: Receive, body: bytearray, coding: bytes) -> None:
        salvage: Salvage | None = None  # of a body too large, whose rest is read and dropped
        dropped_bytes = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk, more = message.get("body", b""), message.get("more_body", False)
            if salvage is not None or len(body) + len(chunk) > self.limits.request_bytes:
                salvage = salvage or self._salvage(body, coding)
                if not _is_compressed(body, coding):
                    salvage.feed(chunk)
                dropped_bytes += len(chunk)
                if dropped_bytes > DRAIN_BYTES:
                    raise self._too_large(salvage, close=True)
                continue
            if self._held_bytes + len(chunk) > self.limits.arriving_bytes:
                text = "too many requests are arriving at once; send it again"
                raise RequestRefused(429, "too_many_requests", text, close=True, retry_after_seconds=1)
            self._held_bytes += len(chunk)
            body += chunk
        if salvage is not None:
            raise self._too_large(salvage)

    def _decompress(self, body: bytes, coding: bytes) -> bytes:
        # One gzip member only: thousands of empty ones would cost quadratic time, and no SDK sends more than one.
        member = zlib.decompressobj(_window_bits(body, coding))
        try:
            plain = member.decompress(body, self.limits.request_bytes + 1)
        except zlib.error:
            name = "deflate" if coding == b"deflate" else "gzip"
            raise RequestRefused(400, "bad_request", f"the body is not {name} as Content-Encoding says") from None
        if len(plain) > self.limits.request_bytes:
            raise self._too_large(self._salvage(body, coding))
        if not member.eof or member.unused_data:
            salvage = self._salvage(body, coding)
            text = "the compressed body is cut short, or data follows it"
            raise RequestRefused(400, "bad_request", text, salvage=salvage)
        return plain

    def _salvage(self, body: bytes | bytearray, coding: bytes) -> Salvage:
        """Search what arrived of a body; of a compressed one at most DRAIN_BYTES of its content."""
        salvage = Salvage(self.limits.items)
        if not _is_compressed(body, coding):
            salvage.feed(bytes(body))
            return salvage
        member = zlib.decompressobj(_window_bits(bytes(body), coding))
        rest = bytes(body)
        try:
            for _ in range(DRAIN_BYTES // _SALVAGED_PIECE_BYTES):
                salvage.feed(member.decompress(rest, _SALVAGED_PIECE_BYTES))
                rest = member.unconsumed_tail
                if not rest:
                    break
        except zlib.error:
            pass  # what was found before the error counts
        return salvage

    def _too_large(self, salvage: Salvage, *, close: bool = False) -> RequestRefused:
        text = (
            f"the request is over {self.limits.request_bytes:,} bytes (decompressed), which is "
            "ingest.max_request_bytes of the workspace; send smaller batches, or raise it"
        )
        return RequestRefused(413, "batch_too_large", text, salvage=salvage, close=close)


def basic_write_key(authorization: bytes) -> str | None:
    """Return the user of HTTP Basic, which is where SDKs put the write key; None for anything else.

    A Bearer token is for a proxy in front of Waybill: the write key is then in the body.
    """
    scheme, _, credentials = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        encoded = credentials.strip().rstrip(b"=")
        user, _, _ = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return user or None


_ZLIB, _GZIP = 15, 31  # zlib's window bits by container
_WINDOW_BITS = {b"": 0, b"identity": 0, b"gzip": _GZIP, b"x-gzip": _GZIP, b"deflate": _ZLIB}


def _is_compressed(body: bytes | bytearray, coding: bytes) -> bool:
    return body.startswith(GZIP_MAGIC) or (_WINDOW_BITS[coding] != 0 and not body[:64].lstrip().startswith(b"{"))


def _window_bits(body: bytes, coding: bytes) -> int:
    if body.startswith(GZIP_MAGIC):
        return _GZIP
    bits = _WINDOW_BITS[coding]
    # Some senders omit the zlib header that "deflate" means.
    return -_ZLIB if bits == _ZLIB and not _has_zlib_header(body) else bits


def _has_zlib_header(body: bytes) -> bool:
    return len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0


def in_utf8(body: bytes, content_type: bytes) -> bytes:
    """Return JSON text in UTF-8: converted from UTF-16 or UTF-32, recognized by their zero bytes, or from the charset
    that ``content_type`` names, unless it is UTF-8 already. What cannot be decoded stays as it is, or becomes U+FFFD.
    """
    unicode = "utf-8" if body[:1] == b"{" and body[1:2] != b"\0" else json.detect_encoding(body)
    if unicode != "utf-8":
        return body.decode(unicode, "replace").encode()
    charset = _charset(content_type) if b"charset" in content_type else ""
    if charset not in _SINGLE_BYTE_CHARSETS:
        return body
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode(charset, "replace").encode()
    return body


def _charset(content_type: bytes) -> str:
    named = content_type.decode("latin-1").lower().partition("charset=")[2].split(";")[0].strip(" \"'")
    try:
        return codecs.lookup(named).name
    except LookupError:
        return ""
