"""Requests: the head that is written, and which redirects are followed.

Calls of one destination share a template of the head. Few redirects are followed, to checked addresses only, and
without credentials. Only 307 and 308 keep method and body; any other redirect would lose the event and is the result of
the call.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from msgspec.structs import replace

from model.http.messages import HttpRequest
from sinks.http.urls import HttpUrl

# Nearly all responses have a few hundred bytes, so compression saves nothing. Compressed ones are still decoded
# (`sinks.http.response_body`).
ACCEPT_ENCODING = "identity"
_FRAMING = frozenset({"content-length", "transfer-encoding"})  # set here
_NO_BODY_EXPECTED = frozenset({"GET", "HEAD"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL_CHARACTERS = bytes([*range(9), *range(10, 32), 127])
MAX_HOPS = 3
SAME_METHOD_AND_BODY = (307, 308)
# Headers that may go to another origin: they describe the body or identify the delivery, and are no credentials.
_HARMLESS_HEADERS = frozenset({"content-type", "user-agent", "idempotency-key"})


def request_head(method: str, target: str, authority: str, headers: Mapping[str, str], body_bytes: int) -> bytes:
    """Write the head of a request with a body of ``body_bytes``. Raises ValueError, which quotes no value.

    ``target``: the path with its query, or the whole URL for a proxy; ``authority``: host and port for the Host header.
    """
    has_length = body_bytes > 0 or method not in _NO_BODY_EXPECTED
    template, lines = _template(method, target, authority, tuple(headers), has_length)
    values = (*headers.values(), body_bytes) if has_length else tuple(headers.values())
    head = (template % values).encode()
    if len(head.translate(None, _CONTROL_CHARACTERS)) != len(head) - 2 * lines:
        raise ValueError("the value of a header contains control characters")
    return head


@lru_cache(maxsize=4_000)
def _template(method: str, target: str, authority: str, names: tuple[str, ...], has_length: bool) -> tuple[str, int]:
    """Return the head with a placeholder for each value, and its number of lines."""
    given = {name.lower() for name in names}
    if not all(map(_TOKEN.fullmatch, (method, *names))) or given & _FRAMING or len(given) < len(names):
        raise ValueError("the method or the name of a header is not valid")
    defaults = {"host": authority, "accept": "*/*", "accept-encoding": ACCEPT_ENCODING}
    fixed = [f"{name}: {value}" for name, value in defaults.items() if name not in given]
    escaped = [line.replace("%", "%%") for line in (f"{method} {target} HTTP/1.1", *fixed)]
    lines = [*escaped, *(name.replace("%", "%%") + ": %s" for name in names)]
    if has_length:
        lines.append("content-length: %d")
    return "\r\n".join([*lines, "", ""]), len(lines) + 1


def next_hop(url: HttpUrl, location: str) -> HttpUrl | None:
    """Return the target of a redirect; None when it has none, or when it would downgrade https to http."""
    if not location:
        return None
    try:
        hop = url.join(location)
    except ValueError:
        return None
    return hop if url.scheme == "http" or hop.scheme == "https" else None


def for_hop(request: HttpRequest, url: HttpUrl, hop: HttpUrl) -> HttpRequest:
    """The request to send to the target of a redirect."""
    if (hop.scheme, hop.authority) == (url.scheme, url.authority):
        return request
    harmless = {name: value for name, value in request.headers.items() if name.lower() in _HARMLESS_HEADERS}
    return replace(request, headers=harmless)
