"""Cursors: opaque texts that name the entry at which a page begins.

A page begins with the first entry that is not before the named one. So a client that walks the pages sees each entry
once, also while entries appear and disappear.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import orjson

from console.api.errors import Refused

Key = tuple[str, ...]  # the values by which entries are told apart; () is before all
FIELD = "pagination.cursor"


def write_cursor(dimensions: tuple[str, ...], key: Key) -> str:
    """Name the entry at which a page begins."""
    return urlsafe_b64encode(orjson.dumps([dimensions, key])).decode().rstrip("=")


def read_cursor(text: str, dimensions: tuple[str, ...]) -> Key:
    """Return the entry at which the page begins. Raises `Refused` for what no answer to this question gave."""
    if not text:
        return ()
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        named, key = orjson.loads(urlsafe_b64decode(padded))
        if not isinstance(named, list) or not isinstance(key, list):
            raise ValueError("no lists")
        if len(key) not in (0, len(named)) or not all(isinstance(value, str) for value in key):
            raise ValueError("no key")
    except (ValueError, TypeError):
        raise Refused(422, f"{FIELD}: take it from the answer before, as it is", FIELD) from None
    if tuple(named) != dimensions:
        raise Refused(422, f"{FIELD}: it belongs to another groupBy; begin without it", FIELD)
    return tuple(key)
