"""Parses the head of a response: status line and headers, and where the body ends (RFC 9112, section 6.3).

A line that is no header is passed over, and a length that contradicts itself is a fault of the body: neither costs the
status. The parser is written here because those of libraries refuse such responses as a whole.
"""

import re
from collections.abc import Callable
from functools import lru_cache

import msgspec

MAX_HEAD_BYTES = 256 * 1024  # also of all interim responses together
_MAX_CACHED_BYTES = 4 * 1024
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) +([1-9][0-9][0-9])(?: .*)?\r?", re.DOTALL)
_NAME = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*")
_FOLD = re.compile(r"\r?\n[ \t]+")  # a line that continues the one before
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_CONTROL_CHARACTERS = bytes([*range(9), *range(11, 32), 127])  # but tab and LF
_NO_BODY = frozenset({204, 304})
# Repeated lines of these form one list; of others the last counts.
_LISTS = frozenset({"connection", "content-encoding", "content-length", "transfer-encoding"})


class ResponseHead(msgspec.Struct, frozen=True):
    """Names of ``headers`` are in lower case, values decoded as Latin-1.

    ``length_bytes``: of the body as sent; None: until the last chunk if ``chunked``, else until the connection closes.
    ``keep_alive``: the connection may serve another request. ``fault``: why the end of the body cannot be known.
    """

    status: int
    headers: dict[str, str]
    keep_alive: bool
    length_bytes: int | None = None
    chunked: bool = False
    fault: str = ""


def end_of_head(received: bytes | bytearray, begin: int) -> tuple[int, int]:
    """Find the empty line, from ``begin`` on. Returns the end of the head and the begin of the body, or (-1, -1).

    Lines end with CRLF, or with LF alone.
    """
    end = received.find(b"\n\r\n", begin)
    bare = received.find(b"\n\n", begin, end if end >= 0 else len(received))
    if bare >= 0:
        return bare, bare + 2
    return (end, end + 3) if end >= 0 else (-1, -1)


def parsed_head(head: bytes) -> ResponseHead:
    """Parse a head without its empty line. Raises ValueError when it is no response."""
    # Responses of one server mostly have the same head, apart from the second in their date.
    return _cached(head) if len(head) <= _MAX_CACHED_BYTES else _parsed(head)


def _parsed(head: bytes) -> ResponseHead:
    text = head.decode("latin-1")
    if "\n " in text or "\n\t" in text:
        text = _FOLD.sub(" ", text)
    first, *lines = text.split("\n")
    status_line = _STATUS_LINE.fullmatch(first)
    if status_line is None:
        raise ValueError(f"the response is not HTTP: {first[:60]!r}")
    if len(head.translate(None, _CONTROL_CHARACTERS)) != len(head) - head.count(b"\r\n") - head.endswith(b"\r"):
        lines = [line for line in lines if not _CONTROL_CHARACTER.search(line.removesuffix("\r"))]
    status = int(status_line[2])
    headers = _headers(lines, _lower_name if len(head) <= _MAX_CACHED_BYTES else _lower_name.__wrapped__)
    connection = headers.get("connection", "").lower()
    keep_alive = "close" not in connection if status_line[1] == "1" else "keep-alive" in connection
    if status in _NO_BODY:
        return ResponseHead(status, headers, keep_alive, 0)
    codings, length = headers.get("transfer-encoding"), headers.get("content-length")
    if codings is not None:
        chunked = codings.lower().rpartition(",")[2].strip() == "chunked"
        keep_alive = keep_alive and chunked and length is None and status_line[1] == "1"
        return ResponseHead(status, headers, keep_alive, None, chunked)
    if length is None:
        return ResponseHead(status, headers, False)
    lengths = {part.strip() for part in length.split(",")}
    (only, *others) = lengths
    if others or not only.isascii() or not only.isdigit() or len(only) > 18:
        return ResponseHead(status, headers, False, fault=f"its Content-Length is not valid: {length[:60]!r}")
    return ResponseHead(status, headers, keep_alive, int(only))


_cached = lru_cache(maxsize=500)(_parsed)


def _headers(lines: list[str], lower_name: Callable[[str], str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = lower_name(name)
        if name and colon:
            value = value.strip(" \t\r")
            headers[name] = f"{headers[name]}, {value}" if name in _LISTS and name in headers else value
    return headers


@lru_cache(maxsize=1_000)
def _lower_name(name: str) -> str:
    """The name of a header in lower case; '' if it is none."""
    known = _NAME.fullmatch(name)
    return known[1].lower() if known else ""
