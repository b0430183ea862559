"""Decodes response bodies (gzip, deflate) within the read limit, and reports what cannot be decoded.

The limit counts decoded bytes, so that a small body cannot unpack into a large one. Engines pass the raw bytes: at most
one byte over the limit, which marks a longer body.
"""

import zlib

import httptools

from model.http.messages import HttpResponse

LATE = "it did not come in time"  # the fault of a body that did not arrive in time
_WINDOW_OF_GZIP = 16 + zlib.MAX_WBITS
_GZIP_NAMES = frozenset({"gzip", "x-gzip"})
_GZIP_MAGIC = b"\x1f\x8b"
_MOST_MEMBERS = 100  # of a gzip body; each costs time, even an empty one
_PIECE_BYTES = 4_096
_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class ChunkedBody:
    """Appends the chunks of one body to ``body``, decoded by httptools.

    ``complete``: the last chunk was read; ``surplus``: bytes followed it.
    """

    def __init__(self, body: bytearray) -> None:
        self.complete = False
        self.surplus = False
        self._body = body
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(_CHUNKED_HEAD)

    def feed(self, data: bytes | bytearray) -> str:
        """Decode what was received. Returns why the rest cannot be decoded, or ''."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self.complete:
                self.surplus = True
            else:
                return f"its chunks are not valid: {error}"
        return ""

    def on_message_begin(self) -> None:
        """Called by httptools."""
        self.surplus = self.complete

    def on_body(self, part: bytes) -> None:
        """Called by httptools."""
        if not self.complete:
            self._body += part

    def on_message_complete(self) -> None:
        """Called by httptools."""
        self.complete = True


def response_of(status: int, headers: dict[str, str], raw: bytes, *, limit_bytes: int, fault: str = "") -> HttpResponse:
    """Make the response. ``raw``: the body before decoding; ``fault``: why reading ended early."""
    truncated = len(raw) > limit_bytes
    coding, unknown = _coding(headers) if "content-encoding" in headers or "transfer-encoding" in headers else ("", "")
    if not coding and not unknown:
        body = raw[:limit_bytes] if truncated else raw
        return HttpResponse(status=status, headers=headers, body=body, body_truncated=truncated, body_fault=fault)
    if not raw or unknown:  # nothing to decode, as with status 204; or nothing that we can
        fault = fault or (f"its content coding {unknown} is not supported" if raw else "")
        return HttpResponse(status=status, headers=headers, body_truncated=truncated, body_fault=fault)
    body, wrong = _decode(raw, coding, limit_bytes)
    if len(body) > limit_bytes:
        body, truncated, wrong = body[:limit_bytes], True, ""
    elif truncated:
        wrong = ""  # incomplete because reading stopped at the limit
    plain = {name: value for name, value in headers.items() if name != "content-encoding"}
    return HttpResponse(status=status, headers=plain, body=body, body_truncated=truncated, body_fault=fault or wrong)


def _coding(headers: dict[str, str]) -> tuple[str, str]:
    """Return the content coding, gzip or deflate or '' for none; and the name of an unsupported one, or ''."""
    transfer = _names(headers.get("transfer-encoding", ""), but="chunked")
    codings = _names(headers.get("content-encoding", ""), but="identity")
    if transfer or len(codings) > 1 or not set(codings) <= _GZIP_NAMES | {"deflate"}:
        return "", ", ".join([*codings, *transfer])[:100]
    if not codings:
        return "", ""
    return "gzip" if codings[0] in _GZIP_NAMES else "deflate", ""


def _names(value: str, but: str) -> list[str]:
    names = (name.strip().lower() for name in value.split(","))
    return [name for name in names if name not in ("", but)]


def _decode(raw: bytes, coding: str, limit_bytes: int) -> tuple[bytes, str]:
    """Decode to one byte over the limit. Returns the decoded part and the error in the rest."""
    if coding == "deflate":
        # It means zlib's format (RFC 1950); some send the bare stream of RFC 1951.
        decoded, wrong, _ = _inflate(raw, 0, zlib.MAX_WBITS, limit_bytes)
        if wrong and not decoded:
            bare, wrong_bare, _ = _inflate(raw, 0, -zlib.MAX_WBITS, limit_bytes)
            if bare or not wrong_bare:
                decoded, wrong = bare, wrong_bare
        return decoded, f"its deflate {wrong}" if wrong else ""
    body, at = b"", 0
    for _ in range(_MOST_MEMBERS):
        decoded, wrong, at = _inflate(raw, at, _WINDOW_OF_GZIP, limit_bytes - len(body))
        body += decoded
        if wrong or len(body) > limit_bytes:
            return body, f"its gzip {wrong}" if wrong else ""
        if not raw.startswith(_GZIP_MAGIC, at):  # the end, or bytes that belong to nothing
            return body, ""
    return body, f"its gzip has more than {_MOST_MEMBERS} members"


def _inflate(raw: bytes, begin: int, window_bits: int, limit_bytes: int) -> tuple[bytes, str, int]:
    """Decode one stream to one byte over the limit. Returns the data, the error, and the end of the stream."""
    decoder = zlib.decompressobj(window_bits)
    decoded = bytearray()
    for start in range(begin, len(raw), _PIECE_BYTES):  # in pieces, to keep what precedes corrupt data
        piece = raw[start : start + _PIECE_BYTES]
        try:
            decoded += decoder.decompress(piece, limit_bytes + 1 - len(decoded))
        except zlib.error as error:
            return bytes(decoded), f"is corrupt ({error})", start
        if decoder.eof or len(decoded) > limit_bytes:
            return bytes(decoded), "", start + len(piece) - len(decoder.unused_data)
    return bytes(decoded), "ends early", len(raw)
