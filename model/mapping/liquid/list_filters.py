"""Liquid's filters of lists, and those of any value."""

from collections.abc import Callable, Mapping
from math import isnan
from typing import Any

from model.mapping import javascript as js
from model.mapping.liquid.paths import path
from model.mapping.liquid.text_filters import check_growth, or_default
from model.mapping.liquid.values import Scope, equals, filter_of, is_false, is_nil, liquid_text, own, plain, value_at
from model.mapping.values import MISSING

_LARGEST_INDENT = 10


def _items(value: Any) -> list[Any]:
    value = plain(value)
    if isinstance(value, list):
        return value
    return [] if is_nil(value) else [value]


def _of_items(function: Callable[..., Any]) -> Callable[..., Any]:
    return filter_of(function, _items)


def _at_end(position: int) -> Callable[..., Any]:
    def read(scope: Scope, value: Any) -> Any:
        value = plain(value)
        length = own(value, "length") if js.is_truthy(value) else MISSING
        if not isinstance(length, int | float) or isinstance(length, bool):
            return ""
        return own(value, js.to_string(length - 1 if position < 0 else 0))

    return read


def _size(scope: Scope, value: Any) -> Any:
    length = own(value, "length")
    return length if js.is_truthy(length) else 0


def _join(scope: Scope, value: Any, separator: Any = MISSING) -> str:
    items, separator = _items(value), plain(separator)
    between = " " if is_nil(separator) else liquid_text(separator)
    texts = ["" if item is None or item is MISSING else js.to_string(item) for item in items]
    check_growth(sum(map(len, texts)) + len(texts) * len(between))
    return between.join(texts)


def _slice(scope: Scope, value: Any, begin: Any = MISSING, length: Any = MISSING) -> Any:
    value, begin, length = plain(value), plain(begin), plain(or_default(length, 1))
    if is_nil(value):
        return []
    found = value if isinstance(value, list) else js.units(liquid_text(value))
    empty: Any = [] if isinstance(value, list) else ""
    if js.precedes(begin, 0):
        begin = js.add(len(found), begin)
    if js.precedes(begin, 0) or js.precedes(length, 0):
        return empty
    part = found[js.index(begin, len(found)) : js.index(js.add(begin, length), len(found))]
    return part if isinstance(part, list) else js.joined(part)


def _sum(scope: Scope, value: Any, name: Any = MISSING) -> float:
    steps: list[Any] = liquid_text(name).split(".") if js.is_truthy(name) else []
    items = _items(value)
    scope.charge(len(items) * len(steps))
    total = 0.0
    for item in items:
        number = js.to_number(plain(value_at(item, steps)))
        total += 0.0 if isnan(number) else number
    return total


def _where(scope: Scope, value: Any, name: Any = MISSING, expected: Any = MISSING) -> list[Any]:
    written, items = liquid_text(name), _items(value)
    scope.charge(len(items) * (written.count(".") + written.count("[")))
    read = path(written)
    inner = Scope(MISSING)

    def holds(item: Any) -> bool:
        inner.payload = {} if item is None else item
        found = read(inner) if read else MISSING
        return not is_false(found) if expected is MISSING else equals(found, expected)

    return [item for item in items if holds(item)]


def _default(scope: Scope, value: Any, default: Any = MISSING, option: Any = MISSING) -> Any:
    value = plain(value)
    if isinstance(value, str | list):
        return value if value else default
    if value is False and isinstance(option, list) and option[0] == "allow_false" and js.is_truthy(option[1]):
        return False
    return default if is_false(value) else value


def _json(scope: Scope, value: Any, indent: Any = MISSING) -> Any:
    spaces = ""
    if isinstance(indent, str):
        spaces = js.joined(js.units(indent)[:_LARGEST_INDENT])
    elif isinstance(indent, int | float) and not isinstance(indent, bool):
        spaces = " " * int(min(max(js.to_integer(indent), 0), _LARGEST_INDENT))
    written = js.json_text(value, spaces, scope.charge)
    return MISSING if written is None else written


LIQUIDJS: Mapping[str, Callable[..., Any]] = {
    "compact": _of_items(lambda items: [item for item in items if not is_nil(item)]),
    "default": _default,
    "first": _at_end(0),
    "inspect": _json,
    "join": _join,
    "json": _json,
    "jsonify": _json,
    "last": _at_end(-1),
    "pop": _of_items(lambda items: items[:-1]),
    "push": _of_items(lambda items, item=MISSING: [*items, item]),
    "raw": lambda scope, value: value,
    "shift": _of_items(lambda items: items[1:]),
    "size": _size,
    "slice": _slice,
    "sum": _sum,
    "to_integer": lambda scope, value: value if type(value) is int else js.to_number(plain(value)),
    "unshift": _of_items(lambda items, item=MISSING: [item, *items]),
    "where": _where,
}
