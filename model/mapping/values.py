"""The values of a mapping: JSON as `orjson` reads it, and MISSING.

Missing is not null: a missing field is left out, a null one is sent.
"""

from decimal import Decimal
from enum import Enum
from math import inf, isinf, isnan
from typing import Any, Final

from model.config.problems import FieldPath
from model.events.exact_json import Exact
from model.mapping.errors import MappingFailed

DEPTH_LIMIT = 200  # of a result: twice what an event may have, and less than JSON writers take
TEXT_LIMIT_CHARS = 1 << 20  # of one text a mapping makes
_EFFORT_LIMIT_CHARS = 4 << 20  # of one result; each value counts as some
_EFFORT_PER_VALUE_CHARS = 16
_BRANCHES = frozenset({dict, list})


class Missing(Enum):
    """The value at a path that does not exist."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


def is_given(value: Any) -> bool:
    """Whether a value is neither missing nor null."""
    return value is not MISSING and value is not None


def is_blank(value: Any) -> bool:
    """Whether a value is a text without a visible character."""
    return isinstance(value, str) and (not value or value.isspace())


def is_empty(value: Any) -> bool:
    """Whether a value is missing, null, a blank text, or an empty object or list."""
    if isinstance(value, dict):
        return all(inner is MISSING for inner in value.values())
    return value is MISSING or value is None or is_blank(value) or value == []


def kind(value: Any) -> str:
    """Name the kind of a value for messages, which must not show the value itself."""
    match value:
        case Missing():
            return "missing"
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"


def text(value: Any) -> str:
    """Write a value as JavaScript does in a template: lists joined by commas, objects without what they hold.

    What is missing or null is the empty text.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if -(10**21) < value < 10**21 else _float_text(as_float(value))
    if isinstance(value, Exact):
        return value.written
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, list):
        return ",".join(map(text, value))
    return "[object Object]" if isinstance(value, dict) else ""


def fresh(value: Any, path: FieldPath = ()) -> Any:
    """Copy a value deeply; ``path`` is the place in the mapping, for errors.

    Missing fields are left out, missing items are null.

    Raises MappingFailed when it is too large or too deep: mappings can multiply what they are given.
    """
    return _Copying(path).branch(value, DEPTH_LIMIT) if type(value) in _BRANCHES else value


def limited(made: str, path: FieldPath) -> str:
    """Return a text. Raises MappingFailed, with the path of the mapping, when it is too long."""
    check_length(len(made), path)
    return made


def check_length(made_chars: int, path: FieldPath) -> None:
    """Raise MappingFailed when so many characters are too many for one text."""
    if made_chars > TEXT_LIMIT_CHARS:
        raise MappingFailed(path, f"makes a text longer than {TEXT_LIMIT_CHARS} characters")


class _Copying:
    """Copies within a limit of effort. Written for speed: half of a mapping's time is spent here."""

    __slots__ = ("effort_left_chars", "path")

    def __init__(self, path: FieldPath) -> None:
        self.path = path
        self.effort_left_chars = _EFFORT_LIMIT_CHARS

    def branch(self, value: Any, depth: int) -> Any:
        if depth == 0:
            raise MappingFailed(self.path, f"makes more than {DEPTH_LIMIT} levels")
        effort_chars = _EFFORT_PER_VALUE_CHARS * (1 + len(value))
        copied: Any
        if type(value) is dict:
            copied = {}
            for name, inner in value.items():
                if inner is MISSING:
                    continue
                effort_chars += len(name)
                if type(inner) is str:
                    effort_chars += len(inner)
                    copied[name] = inner
                else:
                    copied[name] = self.branch(inner, depth - 1) if type(inner) in _BRANCHES else inner
        else:
            copied = [
                self.branch(inner, depth - 1) if type(inner) in _BRANCHES else None if inner is MISSING else inner
                for inner in value
            ]
            effort_chars += sum(len(inner) for inner in value if type(inner) is str)
        self.effort_left_chars -= effort_chars
        if self.effort_left_chars < 0:
            raise MappingFailed(self.path, f"makes more than {_EFFORT_LIMIT_CHARS >> 20} MB of one event")
        return copied


def as_float(value: int) -> float:
    """Convert a whole number of any size; infinite when it is too large."""
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def _float_text(value: float) -> str:
    """Write a number by the rules of ECMAScript, which has one kind of numbers and few exponents."""
    if isnan(value):
        return "NaN"
    if isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    negative, decimals, exponent = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, decimals)).rstrip("0")
    if not digits:
        return "0"
    sign = "-" if negative else ""
    point = len(decimals) + int(exponent)  # where the decimal point stands, counted from the first digit
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if 0 < point <= 21:
        fraction = digits[point:]
        return f"{sign}{digits[:point].ljust(point, '0')}{'.' if fraction else ''}{fraction}"
    fraction = digits[1:]
    return f"{sign}{digits[0]}{'.' if fraction else ''}{fraction}e{point - 1:+d}"
