"""Reading a field of an event."""

from collections.abc import Callable
from typing import Any, TypeAlias

from model.fql.field_path import index_of

Event: TypeAlias = dict[str, Any]  # JSON: dict, list, str, int, float, bool, None and nothing derived from them
Reader: TypeAlias = Callable[[Event], Any]


def reader(names: tuple[str, ...], missing: Any = None) -> Reader:
    """Compile a path, from the root; in lists a name made of digits is an index from 0. ``missing``: read where nothing
    is, by default the same as null."""
    if len(names) == 1:
        (only,) = names
        return lambda event: event.get(only, missing)
    steps = tuple((name, index_of(name)) for name in names)

    def read(event: Event) -> Any:
        value: Any = event
        for name, index in steps:
            if isinstance(value, dict):
                value = value.get(name, missing)
            elif isinstance(value, list) and index is not None and index < len(value):
                value = value[index]
            else:
                return missing
        return value

    return read
