"""What the functions of destination filters do. Total: arguments of other types give None, which is null.

Lengths count the bytes of UTF-8, as Segment's servers do.
"""

import math
import operator
import re
from collections.abc import Callable
from typing import Any

from model.fql.glob import compile_glob

_TYPES = {
    str: "string",
    int: "number",
    float: "number",
    bool: "bool",
    type(None): "null",
    list: "list",
    dict: "object",
}
_NUMBER = re.compile(r"[+-]?[0-9]{1,64}(\.[0-9]{1,64})?([eE][+-]?[0-9]{1,4})?")
_VERSION_PART = re.compile(r"\s*([+-]?[0-9]+)")  # what follows the number, such as -beta, does not count
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {  # by operator
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_INTEGER_LIMIT_BITS = 1024  # longer integers are not converted: the conversion takes quadratic time
_WHOLE_LIMIT = 2.0**53  # a float below it that has no fraction is written without one


def typeof(value: Any) -> str:
    """Return ``string``, ``number``, ``bool``, ``null``, ``list`` or ``object``."""
    return _TYPES[type(value)]


def equal(left: Any, right: Any) -> bool:
    """Compare without converting: true is not 1. However deep the values, no recursion."""
    pending = [(left, right)]
    while pending:
        one, other = pending.pop()
        kind = _TYPES[type(one)]
        if kind != _TYPES[type(other)]:
            return False
        if kind == "list":
            if len(one) != len(other):
                return False
            pending.extend(zip(one, other, strict=True))
        elif kind == "object":
            if one.keys() != other.keys():
                return False
            pending.extend((value, other[name]) for name, value in one.items())
        elif one != other:
            return False
    return True


def element_of(value: Any, elements: Any) -> bool:
    """Whether a scalar is in a list; never when either is something else."""
    if not isinstance(elements, list) or isinstance(value, list | dict):
        return False
    return any(equal(value, element) for element in elements)


def is_number(value: Any) -> bool:
    """Whether it is a JSON number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def contains(text: Any, part: Any) -> bool:
    """Whether both are strings and the second is within the first."""
    return isinstance(text, str) and isinstance(part, str) and part in text


def match(text: Any, pattern: Any) -> bool:
    """Whether both are strings and the second, a glob, describes the whole of the first."""
    if not isinstance(text, str) or not isinstance(pattern, str):
        return False
    matches = compile_glob(pattern)
    return matches is not None and matches(text)


def semver(version: Any, sign: Any, other: Any) -> bool:
    """Compare versions of up to three numbers, such as ``1.10.0``; missing numbers are 0. What is none never holds."""
    if not (isinstance(version, str) and isinstance(sign, str) and isinstance(other, str)):
        return False
    one, two = _version(version), _version(other)
    return sign in COMPARISONS and one is not None and two is not None and COMPARISONS[sign](one, two)


def _version(text: str) -> tuple[float, ...] | None:
    parts = [_VERSION_PART.match(part) for part in text.split(".", 3)]
    numbers = tuple(float(part[1]) for part in parts if part)
    return (*numbers, 0.0, 0.0)[:3] if len(numbers) == len(parts) <= 3 else None


def length(value: Any) -> int | None:
    """Count the elements of a list, the bytes of a string; null has none."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, list):
        return len(value)
    return 0 if value is None else None


def boolean(value: Any) -> bool | None:
    """Convert: null is false, a number is true unless 0, a string must be ``true`` or ``false``."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value)
    return None if isinstance(value, list | dict) else bool(value)


def string(value: Any) -> str | None:
    """Convert: null is empty, numbers and bools are written as in JSON."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if value.bit_length() <= _INTEGER_LIMIT_BITS else None
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < _WHOLE_LIMIT else repr(value)
        case _:
            return None


def number(value: Any) -> int | float | None:
    """Convert: true is 1, false is 0, a string must be a finite number."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return None
    if value.lstrip("+-").isdecimal():
        return int(value)
    read = float(value)
    return read if math.isfinite(read) else None


def _of_text(change: Callable[[str], str]) -> Callable[[Any], str | None]:
    return lambda value: change(value) if isinstance(value, str) else None


FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {  # number of arguments, function
    "bool": (1, boolean),
    "contains": (2, contains),
    "kebabcase": (1, _of_text(lambda text: text.replace(" ", "-"))),
    "length": (1, length),
    "lowercase": (1, _of_text(str.lower)),
    "match": (2, match),
    "number": (1, number),
    "semver": (3, semver),
    "snakecase": (1, _of_text(lambda text: text.replace(" ", "_"))),
    "string": (1, string),
    "titlecase": (1, _of_text(lambda text: " ".join(word[:1].upper() + word[1:] for word in text.split(" ")))),
    "typeof": (1, typeof),
    "uppercase": (1, _of_text(str.upper)),
}
