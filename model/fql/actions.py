"""What a destination filter does to an event it matches: drop it, keep a sample, drop, keep or map some of its fields.

An action that fails raises, so that no event is sent with fields that should have been removed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import md5
from typing import Any, TypeAlias

import orjson

from model.fql.field_edits import FieldChange, with_changes, with_only, without
from model.fql.field_path import names_of
from model.fql.paths import Event, reader
from model.mapping.values import text as as_text


@dataclass(frozen=True, slots=True)
class Drop:
    """Send nothing."""


@dataclass(frozen=True, slots=True)
class SampleEvents:
    """Keep a share of the events: ``percent`` from 0 (none) to 1 (all).

    With a ``path``, such as ``userId``, events with the same value there share one fate, and what is kept at some
    percentage is kept at every higher one. An event with nothing (or null) there is sampled by chance: otherwise all
    such events, often most of them, would be kept or dropped together.
    """

    percent: float
    path: str | None = None


@dataclass(frozen=True, slots=True)
class DropProperties:
    """Take the named fields out of the objects at some paths ('' is the event). See `model.fql.field_edits.without`."""

    fields: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class AllowProperties:
    """Leave only the named fields in the objects at some paths, and everything elsewhere as it is.

    Names are not paths: a dotted name does not keep a field inside another object.
    """

    fields: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class MapProperties:
    """Change the fields at some paths. See `model.fql.field_edits.with_changes`."""

    changes: Mapping[str, FieldChange]


FilterAction: TypeAlias = Drop | SampleEvents | DropProperties | AllowProperties | MapProperties

_ORDER: tuple[type[FilterAction], ...] = (SampleEvents, Drop, DropProperties, AllowProperties, MapProperties)


def apply(actions: Iterable[FilterAction], event: Event, random: Callable[[], float]) -> Event | None:
    """Return the event after all actions, None when it is dropped; the very same object when nothing changed.

    They apply in the order sample, drop, drop properties, allow properties, map properties, however they are given. The
    event itself is never modified. ``random`` returns a number from 0 up to, not including, 1. Raises FieldPathInvalid,
    and MappingFailed when what is mapped grows too large.
    """
    for action in sorted(actions, key=lambda action: _ORDER.index(type(action))):
        match action:
            case Drop():
                return None
            case SampleEvents(percent, path):
                if not _is_kept(percent, path, event, random):
                    return None
            case DropProperties(fields):
                for path, names in fields.items():
                    event = without(event, path, names)
            case AllowProperties(fields):
                for path, names in fields.items():
                    event = with_only(event, path, names)
            case MapProperties(changes):
                event = with_changes(event, changes)
    return event


def _is_kept(percent: float, path: str | None, event: Event, random: Callable[[], float]) -> bool:
    if percent <= 0 or percent >= 1:
        return percent >= 1
    value = reader(names_of(path))(event) if path else None
    position = None if value is None else _position(value)
    return (random() if position is None else position) < percent


def _position(value: Any) -> float | None:
    """Hash a value as JavaScript writes it in JSON to a number from 0 up to, not including, 1; None when it cannot."""
    try:
        text = as_text(value).encode() if isinstance(value, float) else orjson.dumps(value)
    except orjson.JSONEncodeError:  # too deep, or an integer beyond 64 bits
        return None
    # The upper 53 bits, because all 64 would round up to 1.
    return (int.from_bytes(md5(text, usedforsecurity=False).digest()[:8]) >> 11) / 2**53
