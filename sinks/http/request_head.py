"""Writes the head of a request: request line and headers. Calls of one destination share a template."""

import re
from collections.abc import Mapping
from functools import lru_cache

# Nearly all responses have a few hundred bytes, so compression saves nothing. Compressed ones are still decoded
# (`sinks.http.response_body`).
ACCEPT_ENCODING = "identity"
_FRAMING = frozenset({"content-length", "transfer-encoding"})  # set here
_NO_BODY_EXPECTED = frozenset({"GET", "HEAD"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL_CHARACTERS = bytes([*range(9), *range(10, 32), 127])


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
