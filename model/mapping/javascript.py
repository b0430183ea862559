"""JavaScript's conversions and comparisons of values, which show in the results of Segment's mappings.

Texts are counted in UTF-16 units there: a character beyond U+FFFF is two. Numbers are of one kind, floating point.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from json.encoder import encode_basestring
from math import floor, fmod, inf, isfinite, isnan, nan
from re import compile as regex
from typing import Any

from model.mapping.values import MISSING, as_float, text

SPACES = "\t\n\v\f\r \xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000\ufeff"
SPACE = f"[{SPACES}]"  # in regular expressions; Python's \s knows others

_DECIMAL = regex(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WITH_BASE = regex(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_INFINITIES = {"Infinity": inf, "+Infinity": inf, "-Infinity": -inf}
_INDEX = regex(r"0|[1-9][0-9]{0,9}")
_INDEX_LIMIT = 2**32 - 1
_SURROGATE = regex("[\ud800-\udfff]")
_LARGEST_EXACT = 2**53


def units(value: str) -> str:
    """Return a text in which each character is one UTF-16 unit."""
    if value.isascii() or max(value) <= "\uffff":
        return value
    encoded = value.encode("utf-16-le", "surrogatepass")
    return "".join(map(chr, memoryview(encoded).cast("H")))


def joined(value: str) -> str:
    """Undo `units`; a half of a character that stands alone stays one."""
    if value.isascii() or not _SURROGATE.search(value):
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def sendable(value: str) -> str:
    """Return a text that UTF-8 can hold: halves of characters become U+FFFD, as JavaScript's encoder does."""
    if value.isascii():
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def length(value: str) -> int:
    """Count the UTF-16 units of a text."""
    return len(value) if value.isascii() else len(value) + sum(char > "\uffff" for char in value)


def to_string(value: Any) -> str:
    """``String(value)``: as in templates, but what is missing or null is written out."""
    if value is None:
        return "null"
    if value is MISSING:
        return "undefined"
    return "[object Object]" if isinstance(value, Enum) else text(value)


def to_number(value: Any) -> float:
    """``Number(value)``; NaN when it is not a number."""
    match value:
        case None:
            return 0.0
        case bool() | float():
            return float(value)
        case int():
            return as_float(value)
        case str():
            return _read_number(value)
        case list():
            return _read_number(text(value))
    return nan


def to_integer(value: Any) -> float:
    """Return a whole number or an infinity, towards zero; 0 for what is no number."""
    number = to_number(value)
    if isnan(number):
        return 0.0
    return float(int(number)) if isfinite(number) else number


def is_truthy(value: Any) -> bool:
    """Say whether ``if (value)`` holds."""
    if isinstance(value, dict | list):
        return True
    return value is not MISSING and bool(value) and value == value  # noqa: PLR0124 - not-a-number differs from itself


def index(value: Any, size: int) -> int:
    """Return a position within a text or list of a size, as ``slice`` takes it: from the end if it is negative."""
    number = to_integer(value)
    return int(min(max(number + size if number < 0 else number, 0), size))


def add(left: Any, right: Any) -> Any:
    """``left + right``: a text if one of both is one, or is a list or an object; otherwise a number."""
    if isinstance(left, str | list | dict) or isinstance(right, str | list | dict):
        return to_string(left) + to_string(right)
    return to_number(left) + to_number(right)


def precedes(left: Any, right: Any) -> bool | None:
    """``left < right``: texts by their units, anything else as numbers; None when one is no number."""
    left = text(left) if isinstance(left, list | dict) else left
    right = text(right) if isinstance(right, list | dict) else right
    if isinstance(left, str) and isinstance(right, str):
        return left < right if left.isascii() and right.isascii() else units(left) < units(right)
    first, second = _comparable(left), _comparable(right)
    return None if isnan(first) or isnan(second) else first < second


def rounded(value: float) -> float:
    """``Math.round``: a half goes up."""
    if not isfinite(value):
        return value
    below = floor(value)
    return float(below if value - below < 0.5 else below + 1)


def remainder(value: float, divisor: float) -> float:
    """``value % divisor``: has the sign of the value."""
    if not isfinite(value) or divisor == 0 or isnan(divisor):
        return nan
    if not isfinite(divisor):
        return value
    return fmod(value, divisor)


def divided(value: float, divisor: float) -> float:
    """``value / divisor``, which never fails."""
    if divisor != 0:
        return value / divisor
    if value == 0 or isnan(value):
        return nan
    return inf if (value > 0) == (str(divisor)[0] != "-") else -inf


def names_in_order(value: dict[str, Any]) -> Iterator[str]:
    """Yield the names of an object as JavaScript keeps them: list indexes first, by number."""
    numbers = sorted((name for name in value if _is_index(name)), key=int)
    if not numbers:
        return iter(value)
    indexes = set(numbers)
    return iter([*numbers, *(name for name in value if name not in indexes)])


def json_text(value: Any, indent: str = "", limit: Callable[[int], None] | None = None) -> str | None:
    """``JSON.stringify``: None for MISSING. ``limit`` is called with the length of each part."""
    parts: list[str] = []
    return "".join(parts) if _write_json(value, parts, indent, "", limit or (lambda chars: None)) else None


def _write_json(value: Any, parts: list[str], indent: str, prefix: str, limit: Callable[[int], None]) -> bool:
    """Add the JSON of a value to parts; False when it is missing."""
    if value is MISSING:
        return False
    if not isinstance(value, dict | list):
        parts.append(_scalar_json(value))
        limit(len(parts[-1]))
        return True
    inner = prefix + indent
    separator, colon = (f"\n{inner}", ": ") if indent else ("", ":")
    is_list, some = isinstance(value, list), False
    parts.append("[" if is_list else "{")
    for item in value if isinstance(value, list) else names_in_order(value):
        before = len(parts)
        parts.append(f",{separator}" if some else separator)
        if isinstance(value, dict):
            parts.append(_quoted(item) + colon)
        limit(len(parts[-1]))
        if _write_json(item if isinstance(value, list) else value[item], parts, indent, inner, limit):
            some = True
        elif is_list:
            parts.append("null")
            some = True
        else:
            del parts[before:]
    parts.append((f"\n{prefix}" if some and indent else "") + ("]" if is_list else "}"))
    return True


def _scalar_json(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, float) and not isfinite(value):
        return "null"
    if isinstance(value, Enum):
        return "{}"  # nil, empty and blank are objects without fields in LiquidJS
    return to_string(value)


def _quoted(value: str) -> str:
    quoted = encode_basestring(value)
    if quoted.isascii():
        return quoted
    return _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", quoted)


def _is_index(name: str) -> bool:
    return name[:1].isdigit() and _INDEX.fullmatch(name) is not None and int(name) < _INDEX_LIMIT


def _comparable(value: Any) -> float:
    # Whole numbers as they are: two long ids are not equal because their first sixteen digits are.
    return value if isinstance(value, int) and not isinstance(value, bool) else to_number(value)


def _read_number(value: str) -> float:
    value = value.strip(SPACES)
    if not value:
        return 0.0
    if _DECIMAL.fullmatch(value):
        return float(value)
    if _WITH_BASE.fullmatch(value):
        return as_float(int(value, 0))
    return _INFINITIES.get(value, nan)
