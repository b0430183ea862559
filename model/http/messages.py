"""One HTTP request and what came of it, as plain values: what destinations build and read, and engines carry.

Structs of msgspec rather than dataclasses: several are made for every event, and these cost a tenth.
"""

from collections.abc import Mapping

import msgspec

RESPONSE_BODY_LIMIT_BYTES = 64 * 1024  # enough for any error message; the rest is never read into memory
ITEMS_BODY_LIMIT_BYTES = 4 * 1024 * 1024
_BODY_BYTES_FOR_EACH_ITEM = 4 * 1024  # an answer about an item: its status, a message, perhaps the item once more


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call. ``timeout_seconds`` bounds the whole of it, from connecting to the last body byte.

    ``read_limit_bytes``: what is read of the answer's body at most, counted decoded. ``needs_body``: its body may
    change what the answer means, so it is waited for as long as the call may last. ``direct``: past the proxy of the
    workspace, if it has one.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_seconds: float
    read_limit_bytes: int = RESPONSE_BODY_LIMIT_BYTES
    needs_body: bool = True
    direct: bool = False


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: there is one as soon as its status came. Names of ``headers`` are in lower case.

    ``body`` is decoded (then there is no content-encoding among the headers) and holds at most ``read_limit_bytes`` of
    the request; ``body_truncated`` says if more was sent. ``body_fault`` says why a body could not be read to its end,
    or not decoded: ``body`` is what came before the fault.
    """

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    body_truncated: bool = False
    body_fault: str = ""


class HttpFailure(msgspec.Struct, frozen=True, kw_only=True):
    """No answer. ``code`` is a transport code of model.codes: ECONNREFUSED, ETIMEDOUT, TLS_ERROR, ...."""

    code: str
    message: str


def read_limit_bytes(items: int) -> int:
    """How much to read of an answer that speaks of each of so many items."""
    return min(RESPONSE_BODY_LIMIT_BYTES + _BODY_BYTES_FOR_EACH_ITEM * items, ITEMS_BODY_LIMIT_BYTES)
