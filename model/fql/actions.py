"""What a destination filter does to an event it matches: drop it, keep a sample, drop, keep or map some of its fields.

An action that fails raises, so that no event is sent with fields that should have been removed.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import md5
from typing import Annotated, Any, Literal, TypeAlias

import orjson
from pydantic import AfterValidator, Field

from model.config.env_string import config_error
from model.config.problems import quoted
from model.config.section import Section
from model.fql.field_edits import FieldChange, PathToField, check_path, with_changes, with_only, without
from model.fql.field_path import Event, names_of, reader
from model.mapping.values import text as as_text

ObjectPath = Annotated[str, AfterValidator(check_path)]  # '' is the event itself


class Drop(Section):
    """The event is not sent."""

    type: Literal["DROP"]
    """DROP: the event is not sent."""


class SampleEvents(Section):
    """Only a share of the events is sent."""

    type: Literal["SAMPLE"]
    """SAMPLE: a share of the events is sent."""
    percent: float = Field(ge=0, le=1)
    """The share that is sent: 0.25 sends a quarter."""
    path: Annotated[PathToField, Field(max_length=200)] | None = None
    """Events with the same value there are kept or dropped together, such as userId. Not given: each by itself."""


class DropProperties(Section):
    """Some fields are not sent."""

    type: Literal["DROP_PROPERTIES"]
    """DROP_PROPERTIES: the fields named are not sent."""
    fields: dict[ObjectPath, Annotated[tuple[PathToField, ...], Field(min_length=1)]] = Field(
        min_length=1, max_length=100
    )
    """By path of an object ("" is the event itself; a number is an item of a list): the names of its fields."""


class AllowProperties(Section):
    """Only some fields are sent."""

    type: Literal["ALLOW_PROPERTIES"]
    """ALLOW_PROPERTIES: of the objects named, only the fields named are sent."""
    fields: dict[ObjectPath, tuple[PathToField, ...]] = Field(min_length=1, max_length=100)
    """By path of an object ("" is the event itself; a number is an item of a list): the names of its fields."""


def _check_moves(changes: Mapping[str, FieldChange]) -> Mapping[str, FieldChange]:
    for into, change in changes.items():
        moved = names_of(change.move_from or "")
        for path in changes if moved else ():
            if names_of(path)[: len(moved)] == moved and (path == into or len(names_of(path)) > len(moved)):
                message = f"{quoted(change.move_from or '')} is moved away, and {quoted(path)} is inside it"
                raise config_error(message, "Use copy, or leave one of the two out")
    return changes


class MapProperties(Section):
    """Some fields are set, copied, moved or written as text."""

    type: Literal["MAP_PROPERTIES"]
    """MAP_PROPERTIES: the fields named are changed."""
    map: Annotated[dict[PathToField, FieldChange], AfterValidator(_check_moves)] = Field(min_length=1, max_length=100)
    """By path of a field, such as properties.plan: what becomes of it. Copies and moves read the event as it was."""


FilterAction: TypeAlias = Drop | SampleEvents | DropProperties | AllowProperties | MapProperties
AnyAction = Annotated[FilterAction, Field(discriminator="type")]

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
            case SampleEvents(percent=percent, path=path):
                if not _is_kept(percent, path, event, random):
                    return None
            case DropProperties(fields=fields):
                for path, names in fields.items():
                    event = without(event, path, names)
            case AllowProperties(fields=fields):
                for path, names in fields.items():
                    event = with_only(event, path, names)
            case MapProperties(map=changes):
                event = with_changes(event, changes)
    return event


def _is_kept(percent: float, path: str | None, event: Event, random: Callable[[], float]) -> bool:
    """Whether a sample keeps an event; what is kept at some percentage is kept at every higher one.

    An event with nothing (or null) at the path is sampled by chance: otherwise all such events, often most of them,
    would be kept or dropped together.
    """
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
