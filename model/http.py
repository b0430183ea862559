"""One HTTP request and what came of it, as plain values: what destinations build and read, and engines carry.

Structs of msgspec rather than dataclasses: several are made for every event, and these cost a tenth.
"""

from collections.abc import Mapping

import msgspec

RESPONSE_BODY_LIMIT_BYTES = 64 * 1024  # enough for any error message; the rest is never read into memory


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call. ``timeout_seconds`` bounds the whole of it, from connecting to the last body byte."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_seconds: float


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. ``body`` holds at most RESPONSE_BODY_LIMIT_BYTES; ``body_truncated`` says if more was sent."""

    status: int
    headers: Mapping[str, str] = {}  # names in lower case
    body: bytes = b""
    body_truncated: bool = False


class HttpFailure(msgspec.Struct, frozen=True, kw_only=True):
    """No answer. ``code`` is a transport code of model.codes: ECONNREFUSED, ETIMEDOUT, TLS_ERROR, ...."""

    code: str
    message: str
