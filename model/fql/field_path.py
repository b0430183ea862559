r"""Paths to fields of an event, as filter actions are given them: names with dots between, such as ``context.ip``; and
reading the field at a path.

In lists a number is an item, from 0: ``properties.products.0.email``. A path without an index continues in every item.
A backslash escapes the next character: ``properties.a\.b`` is the field ``a.b``.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

Event: TypeAlias = dict[str, Any]  # JSON: dict, list, str, int, float, bool, None and nothing derived from them
Reader: TypeAlias = Callable[[Event], Any]

LIMIT_CHARS = 1_000
EVENT_FIELDS = (  # of Segment's events; others may stand beside them
    *("anonymousId", "category", "channel", "context", "event", "groupId", "integrations", "messageId", "name"),
    *("originalTimestamp", "previousId", "projectId", "properties", "receivedAt", "sentAt", "timestamp", "traits"),
    *("type", "userId", "version", "writeKey"),
)
_INDEX = re.compile(r"[0-9]{1,9}", re.ASCII)
_STEP = re.compile(r"((?:[^.\\]|\\.)*+)(\.|\Z)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_BRACKETS = re.compile(r"(?:[^\[\]\\]|\\.)*+[\[\]]", re.DOTALL)


class FieldPathInvalid(ValueError):
    """The text is not a path; ``remedy`` says what to write."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@lru_cache(maxsize=4096)
def names_of(path: str) -> tuple[str, ...]:
    """Split a path into its names; '' is the event itself, which has none. Raises FieldPathInvalid.

    List notations of other path languages are refused: read as names, they would silently match nothing.
    """
    if len(path) > LIMIT_CHARS:
        raise FieldPathInvalid(f"a path is longer than {LIMIT_CHARS} characters", "Name an object nearer to the event")
    names: list[str] = []
    at = 0
    while path:
        step = _STEP.match(path, at)
        if step is None:
            raise FieldPathInvalid("a backslash stands at the end", "Write two if the name ends in one")
        names.append(_name(step[1], is_first=not names))
        at = step.end()
        if not step[2]:
            break
    return tuple(names)


def index_of(name: str) -> int | None:
    """Return the list index a name stands for; None when it is not a number."""
    return int(name) if _INDEX.fullmatch(name) else None


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


def _name(written: str, *, is_first: bool) -> str:
    if not written:
        raise FieldPathInvalid(
            "an empty name stands in a path", "Write one dot between two names, and none at the ends"
        )
    if written == "$" and is_first:
        raise FieldPathInvalid("a path begins at the event itself", "Leave out the $ and its dot")
    if written in ("$", "*") or _BRACKETS.match(written):
        remedy = (
            "Write products.0 for one item and products for every item; put a backslash before what is part of a name"
        )
        raise FieldPathInvalid("$, * and brackets do not stand for the items of a list", remedy)
    return _ESCAPED.sub(r"\1", written)
