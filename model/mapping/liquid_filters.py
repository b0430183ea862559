"""The filters of ``@liquid``: those of the library that are safe on any event, and our own for some that are not.

Left out are the ones Segment forbids (map, sort, uniq and others), those that look anything up by regular expressions
or from the end (their time grows with the square of a text), and those that only make sense for web pages.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any

from model.mapping.times import read_moment
from model.mapping.values import kind, text

LIMIT_CHARS = 100_000  # of any text, items of any list: more than an event has
_LARGEST_NUMBER = 10**308  # about where floating point ends
_DATE_PATTERN_LIMIT_CHARS = 100
_DATE_DIRECTIVE = re.compile(r"%-?(.)", re.DOTALL)
_DATE_CODES = frozenset("aAbBCdDeFGHIjmMpRSTuUVwWyYzZ%")

# True: the filter is about texts, and gets its values as such.
FROM_LIBRARY: Mapping[str, bool] = {
    **dict.fromkeys(
        "append base64_decode base64_encode base64_url_safe_decode base64_url_safe_encode capitalize downcase escape"
        " escape_once lstrip prepend remove remove_first rstrip split squish strip strip_newlines truncate"
        " truncatewords upcase url_decode url_encode".split(),
        True,
    ),
    **dict.fromkeys(
        "abs at_least at_most ceil compact default divided_by first floor last minus modulo plus round size slice sum"
        " times where".split(),
        False,
    ),
}


class FilterRefused(ValueError):
    """What a filter will not do, in words that show nothing of the event."""


def liquid_text(value: Any) -> str:
    """Write a value as Liquid does: as in other templates, but lists without anything between their items."""
    if isinstance(value, list | tuple):
        return "".join(map(liquid_text, value))
    # What remains are the library's own words for nothing, which say so as texts.
    return text(value) if value is None or isinstance(value, str | int | float | dict) else str(value)


def guarded(name: str, function: Callable[..., Any], *, on_texts: bool) -> Callable[..., Any]:
    """Let a filter raise nothing but FilterRefused, bound what it returns, give it texts if it is about texts."""

    @wraps(function)  # keeps the library's marks of what else it passes to the function
    def call(value: Any, *args: Any, **options: Any) -> Any:
        if on_texts:
            value, args = liquid_text(value), tuple(map(liquid_text, args))
        try:
            result = function(value, *args, **options)
        except FilterRefused as error:
            raise FilterRefused(f"filter {name} {error}") from None
        except Exception:
            # Each filter has its own ways to fail on data it was not written for, and quotes the data in them.
            raise FilterRefused(f"filter {name} cannot work with {kind(value)} and what it is given") from None
        if isinstance(result, str | list) and len(result) > LIMIT_CHARS:
            raise FilterRefused(f"filter {name} makes more than {LIMIT_CHARS} characters or items")
        if isinstance(result, int) and abs(result) > _LARGEST_NUMBER:
            raise FilterRefused(f"filter {name} makes too large a number")
        return result

    return call


def _replace(value: str, old: str, new: str = "") -> str:
    _check_growth(len(value) + value.count(old) * len(new))
    return value.replace(old, new)


def _replace_first(value: str, old: str, new: str = "") -> str:
    return value.replace(old, new, 1)


def _join(value: Any, separator: Any = " ") -> str:
    items = [liquid_text(item) for item in (value if isinstance(value, list | tuple) else [value])]
    between = liquid_text(separator)
    _check_growth(sum(map(len, items)) + len(items) * len(between))
    return between.join(items)


def _strip_html(value: str) -> str:
    return re.sub(r"<[^<>]*>", "", value)


def _date(value: Any, pattern: str) -> str:
    if value in ("now", "today"):
        raise FilterRefused("has no clock: use a time of the event, such as timestamp")
    moment = read_moment(value)
    if moment is None:
        return liquid_text(value)  # as Liquid does, so that a bad date can be seen where it arrives
    if len(pattern) > _DATE_PATTERN_LIMIT_CHARS:
        raise FilterRefused(f"takes a pattern of at most {_DATE_PATTERN_LIMIT_CHARS} characters")
    return _DATE_DIRECTIVE.sub(lambda directive: _date_part(moment, directive), pattern)


def _date_part(moment: datetime, directive: re.Match[str]) -> str:
    match directive[1]:
        case "s":  # the system's own would know only its own time zone
            return str(int(moment.timestamp()))
        case "L":
            return f"{moment.microsecond // 1000:03}"
        case code if code in _DATE_CODES:
            return moment.strftime(directive[0])
        case _:
            raise FilterRefused("does not know a directive of its pattern")


def _check_growth(length: int) -> None:
    if length > LIMIT_CHARS:
        raise FilterRefused(f"makes more than {LIMIT_CHARS} characters")


OWN: Mapping[str, Callable[..., Any]] = {
    "date": guarded("date", _date, on_texts=False),
    "join": guarded("join", _join, on_texts=False),
    "replace": guarded("replace", _replace, on_texts=True),
    "replace_first": guarded("replace_first", _replace_first, on_texts=True),
    "strip_html": guarded("strip_html", _strip_html, on_texts=True),
}
