"""One HTTP request and its result as plain values: destinations build and read them, the engine sends them.

msgspec structs, because several are made per event and a dataclass costs ten times as much.
"""

from collections.abc import Mapping

import msgspec

RESPONSE_BODY_LIMIT_BYTES = 64 * 1024  # enough for any error message; the rest is never read into memory
ITEMS_BODY_LIMIT_BYTES = 4 * 1024 * 1024
_BODY_BYTES_FOR_EACH_ITEM = 4 * 1024  # bytes per item of a response: its status, a message, perhaps a copy of the item


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call. ``timeout_seconds`` bounds the whole of it, from connecting to the last body byte.

    ``read_limit_bytes``: most bytes read of the response body, decoded. ``needs_body``: the body may change the class
    of the response, so it is awaited until the timeout. ``direct``: without the proxy of the workspace.
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
    """A response; it exists as soon as its status was received. Names of ``headers`` are in lower case.

    ``body`` is decoded (then there is no content-encoding among the headers) and holds at most ``read_limit_bytes`` of
    the request; ``body_truncated`` says if more was sent. ``body_fault`` says why the body could not be read to its
    end, or not decoded; ``body`` is what was received before.
    """

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    body_truncated: bool = False
    body_fault: str = ""


class HttpFailure(msgspec.Struct, frozen=True, kw_only=True):
    """No response. ``code`` is a transport code of `model.reason_codes.http`: ECONNREFUSED, ETIMEDOUT, TLS_ERROR, …"""

    code: str
    message: str


def read_limit_bytes(items: int) -> int:
    """How much to read of a response with a result for each of ``items``."""
    return min(RESPONSE_BODY_LIMIT_BYTES + _BODY_BYTES_FOR_EACH_ITEM * items, ITEMS_BODY_LIMIT_BYTES)
