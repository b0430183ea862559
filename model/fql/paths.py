"""Reading a field of an event. What is missing reads as None, as null does."""

from collections.abc import Callable
from typing import Any, TypeAlias

Event: TypeAlias = dict[str, Any]  # JSON: dict, list, str, int, float, bool, None and nothing derived from them
Reader: TypeAlias = Callable[[Event], Any]

_INDEX_LIMIT_DIGITS = 9


def reader(names: tuple[str, ...]) -> Reader:
    """Compile a path, from the root; in lists a name made of digits is an index from 0."""
    if len(names) == 1:
        (only,) = names
        return lambda event: event.get(only)
    steps = tuple((name, _index(name)) for name in names)

    def read(event: Event) -> Any:
        value: Any = event
        for name, index in steps:
            if isinstance(value, dict):
                value = value.get(name)
            elif isinstance(value, list) and index is not None and index < len(value):
                value = value[index]
            else:
                return None
        return value

    return read


def _index(name: str) -> int | None:
    return int(name) if name.isascii() and name.isdigit() and len(name) <= _INDEX_LIMIT_DIGITS else None
