"""Connections in the workspace file: filters, insert function, mappings."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from model.config.env_string import EnvString, config_error, require
from model.config.fields import FormerIds, Name, Slug
from model.config.problems import quoted
from model.config.section import Section
from model.fql.actions import AllowProperties, Drop, DropProperties, FilterAction, MapProperties, SampleEvents
from model.fql.field_edits import FieldChange
from model.fql.field_path import FieldPathInvalid, names_of
from model.fql.filters import compile_filter
from model.fql.syntax import FqlInvalid
from model.fql.triggers import compile_trigger
from model.mapping.values import MISSING

# Only the syntax is checked; importing it happens at the first call.
_FUNCTION = re.compile(r"[A-Za-z_]\w{0,63}(\.[A-Za-z_]\w{0,63}){0,15}:[A-Za-z_]\w{0,63}", re.ASCII)


def _checked_fql(compile_fql: Callable[[str], object]) -> AfterValidator:
    def check(text: str) -> str:
        try:
            compile_fql(text)
        except FqlInvalid as error:
            raise config_error(f"line {error.line}, column {error.column}: {error.message}", error.remedy) from None
        return text

    return AfterValidator(check)


def _check_path(path: str) -> str:
    try:
        names_of(path)
    except FieldPathInvalid as error:
        raise config_error(str(error), error.remedy) from None
    return path


ObjectPath = Annotated[str, AfterValidator(_check_path)]  # '' is the event itself
PathToField = Annotated[str, Field(min_length=1), AfterValidator(_check_path)]


class DropConfig(Section):
    """The event is not sent."""

    type: Literal["DROP"]
    """DROP: the event is not sent."""


class SampleConfig(Section):
    """Only a share of the events is sent."""

    type: Literal["SAMPLE"]
    """SAMPLE: a share of the events is sent."""
    percent: float = Field(ge=0, le=1)
    """The share that is sent: 0.25 sends a quarter."""
    path: Annotated[PathToField, Field(max_length=200)] | None = None
    """Events with the same value there are kept or dropped together, such as userId. Not given: each by itself."""


class DropPropertiesConfig(Section):
    """Some fields are not sent."""

    type: Literal["DROP_PROPERTIES"]
    """DROP_PROPERTIES: the fields named are not sent."""
    fields: dict[ObjectPath, Annotated[tuple[PathToField, ...], Field(min_length=1)]] = Field(
        min_length=1, max_length=100
    )
    """By path of an object ("" is the event itself; a number is an item of a list): the names of its fields."""


class AllowPropertiesConfig(Section):
    """Only some fields are sent."""

    type: Literal["ALLOW_PROPERTIES"]
    """ALLOW_PROPERTIES: of the objects named, only the fields named are sent."""
    fields: dict[ObjectPath, tuple[PathToField, ...]] = Field(min_length=1, max_length=100)
    """By path of an object ("" is the event itself; a number is an item of a list): the names of its fields."""


class ChangeConfig(Section):
    """What becomes of a field: set, copy or move, and to_string by itself or after one of them."""

    set_to: Any = Field(default=None, alias="set")
    """This value is written, whatever was there."""
    copy_from: PathToField | None = Field(default=None, alias="copy")
    """What the field at this path holds is written; if it is missing, nothing."""
    move_from: PathToField | None = Field(default=None, alias="move")
    """As copy, and the other field is removed."""
    to_string: bool = False
    """true: a number, true, false or null becomes text."""

    @model_validator(mode="after")
    def _one_change(self) -> "ChangeConfig":
        given = self.model_fields_set & {"set_to", "copy_from", "move_from"}
        if len(given) > 1:
            raise config_error(
                "more than one of set, copy and move is given", "Keep one; to_string may stand beside it"
            )
        if not given and not self.to_string:
            raise config_error("this changes nothing", "Write set, copy, move or to_string: true")
        if given and self.copy_from is None and self.move_from is None and "set_to" not in given:
            raise config_error(
                "copy and move take a path", "Write one, such as properties.plan, or leave the field out"
            )
        return self

    def compiled(self) -> FieldChange:
        """As `model.fql.field_edits` takes it."""
        value = self.set_to if "set_to" in self.model_fields_set else MISSING
        return FieldChange(value, self.copy_from, self.move_from, self.to_string)


def _check_moves(changes: Mapping[str, ChangeConfig]) -> Mapping[str, ChangeConfig]:
    for into, change in changes.items():
        moved = names_of(change.move_from or "")
        for path in changes if moved else ():
            if names_of(path)[: len(moved)] == moved and (path == into or len(names_of(path)) > len(moved)):
                message = f"{quoted(change.move_from or '')} is moved away, and {quoted(path)} is inside it"
                raise config_error(message, "Use copy, or leave one of the two out")
    return changes


class MapPropertiesConfig(Section):
    """Some fields are set, copied, moved or written as text."""

    type: Literal["MAP_PROPERTIES"]
    """MAP_PROPERTIES: the fields named are changed."""
    map: Annotated[dict[PathToField, ChangeConfig], AfterValidator(_check_moves)] = Field(min_length=1, max_length=100)
    """By path of a field, such as properties.plan: what becomes of it. Copies and moves read the event as it was."""


AnyActionConfig = Annotated[
    DropConfig | SampleConfig | DropPropertiesConfig | AllowPropertiesConfig | MapPropertiesConfig,
    Field(discriminator="type"),
]


class FilterConfig(Section):
    """Events that match are dropped, sampled or stripped of fields before they are sent."""

    name: Annotated[Name, Field(max_length=64)] = ""
    """Name for people."""
    enabled: bool = True
    """false: the filter does nothing."""
    condition: Annotated[str, _checked_fql(compile_filter)] = Field(alias="if")
    """FQL, such as type = "track" and event = "Test"; all matches every event."""
    actions: tuple[AnyActionConfig, ...] = Field(min_length=1, max_length=10)
    """What is done with events that match."""

    def compiled_actions(self) -> tuple[FilterAction, ...]:
        """As `model.fql.actions` takes them."""
        return tuple(map(_compiled, self.actions))


def _compiled(action: AnyActionConfig) -> FilterAction:
    match action:
        case DropConfig():
            return Drop()
        case SampleConfig():
            return SampleEvents(action.percent, action.path)
        case DropPropertiesConfig():
            return DropProperties(action.fields)
        case AllowPropertiesConfig():
            return AllowProperties(action.fields)
        case MapPropertiesConfig():
            return MapProperties({path: change.compiled() for path, change in action.map.items()})


class MappingConfig(Section):
    """What is sent for which events. Several that match make several deliveries."""

    name: Slug
    """Short name used in reports."""
    was: FormerIds = ()
    """The name it had before, or several: what waits to be mapped by that one is mapped by this one."""
    enabled: bool = True
    """false: the mapping is not there."""
    trigger: Annotated[str, _checked_fql(compile_trigger)] | None = None
    """FQL, such as type = "track". Not given: every event."""
    mapping: dict[str, Any] | None = None
    """What is sent, with @path, @template and the other directives. Not given: the whole event."""


class Connection(Section):
    """Events of one source go to one destination."""

    source: Slug
    """Id of a source."""
    destination: Slug
    """Id of a destination."""
    enabled: bool = True
    """false: nothing is sent; deliveries are filtered."""
    mode: Literal["cloud", "device"] = "cloud"
    """cloud: Waybill delivers. device: the SDK sends by itself, so it is not reportable here."""
    filters: tuple[FilterConfig, ...] = Field(default=(), max_length=50)
    """Applied in order, before mappings."""
    insert_function: (
        Annotated[
            str, require(_FUNCTION.fullmatch, "this is not the name of a function", "Write package.module:handler")
        ]
        | None
    ) = None
    """package.module:handler, a Python function that may change, drop or reject an event before it is mapped."""
    function_settings: dict[str, EnvString] = Field(default={}, max_length=50)
    """What the insert function gets as settings. Secrets only as ${NAME}."""
    mappings: tuple[MappingConfig, ...] = Field(default=(), max_length=50)
    """What is sent for which events. Not given: the destination's defaults."""
