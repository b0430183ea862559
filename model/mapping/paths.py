"""Reading a value at a path such as ``$.context.traits['e.mail']`` or ``products[0].price``, as Segment does.

Three habits of JavaScript that mappings rely on: a path that goes on past 0, false, '' or null gives that value itself;
``length`` of texts and lists can be read; and in both ``a.0`` is ``a[0]``.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from model.mapping.values import MISSING

Resolver: TypeAlias = Callable[[Any], Any]  # takes the event (or an item of a list), gives a JSON value or MISSING

_BRACKET = re.compile(r"""\[(?:([0-9]{1,9})|'([^']*)'|"([^"]*)")\]""")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def from_root(path: str) -> Resolver:
    """Compile the text of ``@path``. ``$`` stands for the event and may be left out; no path at all is all of it."""
    if path == "$" or path.startswith("$["):
        return reader(path[1:])
    return reader(path.removeprefix("$."))


def reader(path: str) -> Resolver:
    """Compile a path without ``$``. Other brackets than ``[0]``, ``['a']`` and ``["a"]`` are part of a name."""
    return reader_of(_names(path))


def reader_of(names: Iterable[str]) -> Resolver:
    """Compile a path given as its names; none at all is the whole event."""
    steps = tuple((name, int(name) if _INDEX.fullmatch(name) else None) for name in names)

    def read(payload: Any) -> Any:
        value = payload
        for name, index in steps:
            if isinstance(value, dict):
                value = value.get(name, MISSING)
                if value is MISSING:
                    return MISSING
            elif isinstance(value, list):
                if index is not None and index < len(value):
                    value = value[index]
                elif name == "length":
                    value = len(value)
                else:
                    return MISSING
            elif not value:
                return value
            elif isinstance(value, str) and name == "length":
                value = _length(value)
            elif isinstance(value, str) and index is not None and index < len(value):
                value = value[index]
            else:
                return MISSING
        return value

    # Nearly all paths are one or two names long and meet objects; going through the loop takes them twice the time.
    match steps:
        case ():
            return lambda payload: payload
        case ((only, _),):
            return lambda payload: payload.get(only, MISSING) if type(payload) is dict else read(payload)
        case ((first, _), (second, _)):

            def read_two(payload: Any) -> Any:
                if type(payload) is dict:
                    inner = payload.get(first)
                    if type(inner) is dict:
                        return inner.get(second, MISSING)
                return read(payload)

            return read_two
    return read


def _names(path: str) -> list[str]:
    names: list[str] = []
    end = 0
    for bracket in _BRACKET.finditer(path):
        names += filter(None, path[end : bracket.start()].split("."))
        names += [name for name in bracket.groups() if name is not None]
        end = bracket.end()
    names += filter(None, path[end:].split("."))
    return names


def _length(value: str) -> int:
    """Count as JavaScript does, where a character outside the first 65,536 is two."""
    return len(value) if value.isascii() else len(value) + sum(char > "\uffff" for char in value)
