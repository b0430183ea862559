"""Reading a value at a path such as ``$.context.traits['e.mail']`` or ``products[0].price``, as Segment does.

Mappings rely on three habits of JavaScript: a path that continues past 0, false, '' or null gives that value;
``length`` and single characters of texts, and ``length`` of lists, can be read; and in lists ``a.0`` is ``a[0]``.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from model.mapping.javascript import length, sendable, units
from model.mapping.values import MISSING

Resolver: TypeAlias = Callable[[Any], Any]  # takes the event (or an item of a list), gives a JSON value or MISSING

_QUOTED = re.compile(r"""\[(?:'([^']*)'|"([^"]*)")\]""")
# A bracket belongs to a name unless it stands beside a quote or a digit.
_SEPARATOR = re.compile(r"""\[(?=["'0-9])|\.|(?<=["'0-9])\]+""")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def from_root(path: str) -> Resolver:
    """Compile the text of ``@path``. ``$`` stands for the event and may be left out; no path at all is all of it."""
    if path == "$" or path.startswith("$["):
        return reader(path[1:])
    return reader(path.replace("$.", "", 1))


def reader(path: str) -> Resolver:
    """Compile a path without ``$``. Brackets that hold neither a number nor a name in quotes are part of a name."""
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
                value = length(value)
            elif isinstance(value, str) and index is not None:
                value = sendable(units(value)[index : index + 1]) or MISSING
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
    for bracket in _QUOTED.finditer(path):
        name = bracket[1] if bracket[2] is None else bracket[2]
        names += _separated(path[end : bracket.start()])
        names += [name] if name else []
        end = bracket.end()
    return names + _separated(path[end:])


def _separated(path: str) -> list[str]:
    return [name.replace("'", "").replace('"', "") for name in _SEPARATOR.split(path) if name]
