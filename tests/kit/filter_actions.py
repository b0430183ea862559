"""Filter actions without the checks of the workspace file."""

from collections.abc import Mapping
from typing import Any

from model.fql.actions import AllowProperties, Drop, DropProperties, MapProperties, SampleEvents
from model.fql.field_edits import FieldChange
from model.mapping.values import MISSING

Fields = Mapping[str, tuple[str, ...]]


def drop() -> Drop:
    return Drop(type="DROP")


def sample_events(percent: float, path: str | None = None) -> SampleEvents:
    return SampleEvents.model_construct(type="SAMPLE", percent=percent, path=path)


def drop_properties(fields: Fields) -> DropProperties:
    return DropProperties.model_construct(type="DROP_PROPERTIES", fields=fields)


def allow_properties(fields: Fields) -> AllowProperties:
    return AllowProperties.model_construct(type="ALLOW_PROPERTIES", fields=fields)


def map_properties(changes: Mapping[str, FieldChange]) -> MapProperties:
    return MapProperties.model_construct(type="MAP_PROPERTIES", map=changes)


def field_change(
    value: Any = MISSING, *, copy: str | None = None, move: str | None = None, to_string: bool = False
) -> FieldChange:
    given = {"set": value, "copy": copy, "move": move}
    named = {name: given[name] for name in given if given[name] is not (MISSING if name == "set" else None)}
    return FieldChange.model_construct(**named, to_string=to_string)
