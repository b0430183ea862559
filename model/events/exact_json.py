"""JSON that keeps numbers as written: integers beyond 64 bits, decimals longer than a double.

`loads` reads such a number as an `Exact`, which calculates as the nearest double and which `dumps` writes unchanged.
Everything else behaves like orjson, and as fast: an event without long numbers is only scanned once.

    dumps(loads(b'{"id":36893488147419103233}')) == b'{"id":36893488147419103233}'
"""

import json
import re
from decimal import Decimal, DecimalException
from typing import Any

import orjson

_LONG = 16  # a double may not hold numbers with this many digits; the point counts as one
_MARKS = bytes.maketrans(b"123456789.E", b"0000000000e")
_RUN = b"0" * _LONG
_TINY = b"0e-000"  # as `_MARKS` leaves 1e-400, which a double cannot tell from 0
_NUMBER = re.compile(rb"[-+.\deE]*")
_BEFORE, _AFTER = b":,[ \t\r\n", b",]} \t\r\n"
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1  # what orjson reads as an integer
_INTEGER_CHARACTERS = 20
_LOOKED_AT = 100_000  # values, before it is given up to find out why something cannot be written


class Exact(float):
    """A number with more digits than a double; ``written``: its original text."""

    written: str

    def __new__(cls, written: str) -> "Exact":
        """Parse it. orjson has refused numbers over 1.8e308 before."""
        made = super().__new__(cls, written)
        made.written = written
        return made


def loads(text: bytes) -> Any:
    """Decode JSON. Raises orjson.JSONDecodeError."""
    value = orjson.loads(text)
    if not holds_inexact(text):
        return value
    try:
        return json.loads(text, parse_int=_integer, parse_float=_float)
    except (ValueError, RecursionError):  # nested deeper than any event may be
        return value


def dumps(value: Any, option: int = 0) -> bytes:
    """Encode as JSON, integers of any size included. ``option``: of orjson. Raises orjson.JSONEncodeError."""
    try:
        return orjson.dumps(value, _as_written, option)
    except orjson.JSONEncodeError:
        if not _holds_large_integer(value):
            raise
        return orjson.dumps(writable(value), None, option)


def writable(value: Any) -> Any:
    """Return a copy that any use of orjson writes as `dumps` would: for requests, which destinations encode."""
    if isinstance(value, dict):
        return {name: writable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [writable(inner) for inner in value]
    if isinstance(value, Exact):
        return orjson.Fragment(value.written)
    return orjson.Fragment(str(value)) if _is_large_integer(value) else value


def holds_inexact(text: bytes) -> bool:
    """Say whether decoding and encoding with orjson would change some number.

    May say yes for digits inside a string, which costs time and changes nothing.
    """
    marked = text.translate(_MARKS)
    if marked.rfind(_RUN) < 0 and marked.rfind(_TINY) < 0:  # from the end, which finds nothing several times faster
        return False
    return _holds(_TINY, text, marked) or _holds(_RUN, text, marked)


def _holds(mark: bytes, text: bytes, marked: bytes) -> bool:
    at = marked.find(mark)
    while at >= 0:
        number = _NUMBER.match(text, at)[0]  # type: ignore[index]  # a digit or point stands there
        try:
            is_exact = (
                mark is _RUN and repr(float(number)).encode() == number
            )  # true of nearly all events, and fast to check
        except ValueError:
            is_exact = False
        end = at + len(number)
        if not is_exact and _is_inexact(text, at, end):
            return True
        at = marked.find(mark, end)  # never twice in one number, so that the time is linear
    return False


def _is_inexact(text: bytes, at: int, end: int) -> bool:
    """Whether the text around ``at`` up to ``end`` is a number that a double cannot hold."""
    start = at
    while start and text[start - 1] in b"+-.0123456789eE":
        start -= 1
    before, after = text[start - 1 : start], text[end : end + 1]
    if (before and before not in _BEFORE) or (after and after not in _AFTER):
        return False
    return not _is_exact(text[start:end].decode())


def _is_exact(number: str) -> bool:
    if number.lstrip("-").isdecimal():
        return len(number) <= _INTEGER_CHARACTERS and _SMALLEST <= int(number) <= _LARGEST
    try:
        shortest = repr(float(number))
        return shortest == number or Decimal(number) == Decimal(shortest)
    except (ValueError, DecimalException):  # no number, or one with an exponent beyond all measure
        return False


def _integer(written: str) -> int | Exact:
    return int(written) if _is_exact(written) else Exact(written)


def _float(written: str) -> float:
    return float(written) if _is_exact(written) else Exact(written)


def _is_large_integer(value: Any) -> bool:
    return type(value) is int and not _SMALLEST <= value <= _LARGEST


def _holds_large_integer(value: Any) -> bool:
    pending = [value]
    for _ in range(_LOOKED_AT):
        if not pending:
            return False
        found = pending.pop()
        if _is_large_integer(found):
            return True
        pending += found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return False


def _as_written(value: Any) -> orjson.Fragment:
    if isinstance(value, Exact):
        return orjson.Fragment(value.written)
    raise TypeError(type(value).__name__)
