"""What goes in and out over ClickHouse's HTTP interface: a statement, an answer, errors as ClickHouse words them."""

import gzip
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import lz4.frame  # type: ignore[import-untyped]
from backports import zstd

# user: (password, readonly); readonly 2: reads and changes settings, writes nothing.
USERS = {"default": ("", 0), "writer": ("wr/te@me", 0), "reader": ("read-me", 2)}
# Keys of the URL that are the transport's own; all others are settings.
TRANSPORT_KEYS = {
    "query", "database", "user", "password", "query_id", "session_id", "session_timeout", "session_check", "quota_key",
    "role", "compress", "decompress", "buffer_size", "wait_end_of_query", "client_protocol_version", "default_format",
    "send_progress_in_http_headers", "http_headers_progress_interval_ms", "enable_http_compression",
}  # fmt: skip
DECODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "lz4": lz4.frame.decompress,
    "zstd": zstd.decompress,
}
ENCODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
}
_NOT_FOUND = {46, 47, 50, 60, 63, 73, 81, 115}  # unknown function, identifier, type, table, ..., database, setting
_BAD_REQUEST = {6, 26, 27, 36, 38, 41, 43, 53, 62, 72, 117}  # cannot parse, bad arguments, type mismatch, syntax
_STATUS = {159: 408, 48: 501, 194: 401, 192: 403, 193: 403, 516: 403}
_CODE = re.compile(r"Code: (\d+)\.")


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL as it came; after the FORMAT clause of an INSERT its rows."""

    sql: bytes
    database: str = "default"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)  # without param_
    default_format: str = "TabSeparated"
    readonly: int = 0

    @property
    def is_insert(self) -> bool:
        """Whether it writes rows."""
        return self.sql[:100].lstrip()[:6].upper() == b"INSERT"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; headers are those of ClickHouse alone."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def error_answer(text: str) -> Answer:
    """An error in ClickHouse's own words, ``Code: 60. DB::Exception: ...``; anything before them is left out."""
    found = _CODE.search(text)
    code = int(found[1]) if found else 1002
    status = _STATUS.get(code) or (404 if code in _NOT_FOUND else 400 if code in _BAD_REQUEST else 500)
    start = found.start() if found else 0
    return Answer(status, {"X-ClickHouse-Exception-Code": str(code)}, text[start:].encode() + b"\n")


def refusal(code: int, name: str, text: str) -> Answer:
    """An error that the server of the test finds itself."""
    return error_answer(f"Code: {code}. DB::Exception: {text}. ({name}) (version 0.0.0.0 (test build))")
