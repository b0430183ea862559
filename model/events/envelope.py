"""The record format of topics with original bytes (events, retries, dead_letters).

One JSON header line, then the payload unchanged::

    {"v":1,"source":"web"}\n{"type":"track","event":"Order Completed",...}

The header carries the format version; an unknown version is refused, so that an old worker cannot misread
records of a newer one. JSON escapes every newline, so the first one always ends the header.
"""

from typing import Any, Literal, TypeVar

import msgspec
import orjson

FORMAT_VERSION = 1
T = TypeVar("T")


class UnreadableRecord(ValueError):
    """A topic record is not in a format this version of Waybill reads; the text says what was found."""


def encode_record(header: dict[str, Any], payload: bytes) -> bytes:
    """Encode one record; ``header`` needs no version, it is added here."""
    return orjson.dumps({"v": FORMAT_VERSION, **header}) + b"\n" + payload


class _Versioned(msgspec.Struct):
    v: Literal[1]


_version_decoder = msgspec.json.Decoder(_Versioned)


def decode_json(decoder: msgspec.json.Decoder[T], line: bytes, what: str) -> T:
    """Decode JSON into a msgspec type. Raises `UnreadableRecord`, which names ``what`` was expected."""
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableRecord(f"not {what}: {error}") from None


def check_version(line: bytes) -> None:
    """Check that a JSON object names this format version. Raises `UnreadableRecord`."""
    decode_json(_version_decoder, line, f"format version {FORMAT_VERSION}")


def decode_record(value: bytes) -> tuple[dict[str, Any], bytes]:
    """Decode one record into header and payload. Raises `UnreadableRecord`."""
    line, newline, payload = value.partition(b"\n")
    if not newline:
        raise UnreadableRecord("no header line")
    check_version(line)
    try:
        return orjson.loads(line), payload
    except orjson.JSONDecodeError as error:
        raise UnreadableRecord(f"header is not JSON: {error}") from None
