"""What a destination filter does to an event it matches: drop it, keep a sample, drop or keep some of its fields."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import md5
from typing import Any, ClassVar, TypeAlias

import orjson

from model.fql.paths import reader

Event: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Drop:
    """Send nothing."""

    kind: ClassVar[str] = "DROP"


@dataclass(frozen=True, slots=True)
class Sample:
    """Keep a share of the events: ``percent`` from 0 (none) to 1 (all).

    With a ``path``, such as ``userId``, events with the same value there share one fate, and what is kept at some
    percentage is kept at every higher one. An event with nothing (or null) there is sampled by chance: otherwise all
    such events, often most of them, would be kept or dropped together.
    """

    kind: ClassVar[str] = "SAMPLE"
    percent: float
    path: str | None = None


@dataclass(frozen=True, slots=True)
class DropProperties:
    """Take the named fields out of the objects at some paths ('' is the event); of a list, out of each object in it."""

    kind: ClassVar[str] = "DROP_PROPERTIES"
    fields: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class AllowProperties:
    """Leave only the named fields in the objects at some paths, and everything elsewhere as it is."""

    kind: ClassVar[str] = "ALLOW_PROPERTIES"
    fields: Mapping[str, tuple[str, ...]]


FilterAction: TypeAlias = Drop | Sample | DropProperties | AllowProperties

_ORDER: tuple[type[FilterAction], ...] = (Sample, Drop, DropProperties, AllowProperties)


def apply(actions: Iterable[FilterAction], event: Event, random: Callable[[], float]) -> Event | None:
    """Return the event after all actions, None when it is dropped; the very same object when nothing changed.

    They apply in the order sample, drop, drop properties, allow properties, however they are given. The event itself
    is never modified. ``random`` returns a number from 0 up to, not including, 1.
    """
    for action in sorted(actions, key=lambda action: _ORDER.index(type(action))):
        match action:
            case Drop():
                return None
            case Sample(percent, path):
                if not _is_kept(percent, path, event, random):
                    return None
            case DropProperties(fields):
                event = _edit(event, fields, allow=False)
            case AllowProperties(fields):
                event = _edit(event, fields, allow=True)
    return event


def _is_kept(percent: float, path: str | None, event: Event, random: Callable[[], float]) -> bool:
    if percent <= 0 or percent >= 1:
        return percent >= 1
    value = reader(tuple(path.split(".")))(event) if path else None
    position = None if value is None else _position(value)
    return (random() if position is None else position) < percent


def _position(value: Any) -> float | None:
    """Hash a value to a number from 0 up to, not including, 1; None when it cannot be written as JSON."""
    try:
        text = orjson.dumps(value)
    except orjson.JSONEncodeError:  # too deep, or an integer beyond 64 bits
        return None
    # The upper 53 bits, because all 64 would round up to 1.
    return (int.from_bytes(md5(text, usedforsecurity=False).digest()[:8]) >> 11) / 2**53


def _edit(event: Event, fields: Mapping[str, tuple[str, ...]], *, allow: bool) -> Event:
    for path, names in fields.items():
        edited = dict(event)
        changed = False
        for target in _objects_at(edited, path.split(".") if path else []):
            unwanted = [name for name in target if (name in names) is not allow]
            for name in unwanted:
                del target[name]
            changed = changed or bool(unwanted)
        event = edited if changed else event
    return event


def _objects_at(root: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
    """Copy what lies on the way to a path, and return the copies of the objects there."""
    found = [root]
    for name in names:
        found = [inner for holder in found for inner in _copied(holder, name)]
    return found


def _copied(holder: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """Put a copy in the place of an object, or of a list and each object in it; lists in lists without recursion."""
    pending: list[tuple[Any, Any]] = [(holder, name)] if name in holder else []
    while pending:
        container, place = pending.pop()
        value = container[place]
        if isinstance(value, dict):
            container[place] = copy = dict(value)
            yield copy
        elif isinstance(value, list):
            container[place] = elements = list(value)
            pending.extend((elements, index) for index in range(len(elements)))
