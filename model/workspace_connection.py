"""Connections in the workspace file: filters, insert function, mappings."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from model.environment_text import EnvironmentText, fault
from model.filter_actions import AllowProperties, Drop, DropProperties, FilterAction, Sample
from model.fql.filters import compile_filter
from model.fql.syntax import FqlInvalid
from model.fql.triggers import compile_trigger
from model.function_name import check_handler
from model.workspace_fields import FormerIds, Name, Slug
from model.workspace_settings import Section


def _check_filter(text: str) -> str:
    try:
        compile_filter(text)
    except FqlInvalid as error:
        raise fault(f"line {error.line}, column {error.column}: {error.message}", error.remedy) from None
    return text


def _check_trigger(text: str) -> str:
    try:
        compile_trigger(text)
    except FqlInvalid as error:
        raise fault(f"line {error.line}, column {error.column}: {error.message}", error.remedy) from None
    return text


def _check_function(text: str) -> str:
    try:
        check_handler(text)
    except ValueError as error:
        raise fault(str(error), "Write package.module:handler") from None
    return text


class DropConfig(Section):
    """The event is not sent."""

    type: Literal["DROP"]
    """DROP: the event is not sent."""

    def compiled(self) -> FilterAction:
        """As `model.filter_actions` takes it."""
        return Drop()


class SampleConfig(Section):
    """Only a share of the events is sent."""

    type: Literal["SAMPLE"]
    """SAMPLE: a share of the events is sent."""
    percent: float = Field(ge=0, le=1)
    """The share that is sent: 0.25 sends a quarter."""
    path: Annotated[str, Field(max_length=200)] | None = None
    """Events with the same value there are kept or dropped together, such as userId. Not given: each by itself."""

    def compiled(self) -> FilterAction:
        """As `model.filter_actions` takes it."""
        return Sample(self.percent, self.path)


class _FieldsConfig(Section):
    fields: dict[str, tuple[str, ...]] = Field(min_length=1, max_length=100)
    """By path of an object ("" is the event itself): the names of its fields."""

    def _fields(self) -> dict[str, tuple[str, ...]]:
        return dict(self.fields)


class DropPropertiesConfig(_FieldsConfig):
    """Some fields are not sent."""

    type: Literal["DROP_PROPERTIES"]
    """DROP_PROPERTIES: the fields named are not sent."""

    def compiled(self) -> FilterAction:
        """As `model.filter_actions` takes it."""
        return DropProperties(self._fields())


class AllowPropertiesConfig(_FieldsConfig):
    """Only some fields are sent."""

    type: Literal["ALLOW_PROPERTIES"]
    """ALLOW_PROPERTIES: of the objects named, only the fields named are sent."""

    def compiled(self) -> FilterAction:
        """As `model.filter_actions` takes it."""
        return AllowProperties(self._fields())


AnyActionConfig = Annotated[
    DropConfig | SampleConfig | DropPropertiesConfig | AllowPropertiesConfig, Field(discriminator="type")
]


class FilterConfig(Section):
    """Events that match are dropped, sampled or stripped of fields before they are sent."""

    name: Annotated[Name, Field(max_length=64)] = ""
    """Name for people."""
    enabled: bool = True
    """false: the filter does nothing."""
    condition: Annotated[str, AfterValidator(_check_filter)] = Field(alias="if")
    """FQL, such as type = "track" and event = "Test"; all matches every event."""
    actions: tuple[AnyActionConfig, ...] = Field(min_length=1, max_length=10)
    """What is done with events that match."""

    def compiled_actions(self) -> tuple[FilterAction, ...]:
        """As `model.filter_actions` takes them."""
        return tuple(action.compiled() for action in self.actions)


class MappingConfig(Section):
    """What is sent for which events. Several that match make several deliveries."""

    name: Slug
    """Short name used in reports."""
    was: FormerIds = ()
    """The name it had before, or several: what waits to be mapped by that one is mapped by this one."""
    enabled: bool = True
    """false: the mapping is not there."""
    trigger: Annotated[str, AfterValidator(_check_trigger)] | None = None
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
    """Looked at in order, before mappings."""
    insert_function: Annotated[str, AfterValidator(_check_function)] | None = None
    """package.module:handler, a Python function that may change, drop or reject an event before it is mapped."""
    function_settings: dict[str, EnvironmentText] = Field(default={}, max_length=50)
    """What the insert function gets as settings. Secrets only as ${NAME}."""
    mappings: tuple[MappingConfig, ...] = Field(default=(), max_length=50)
    """What is sent for which events. Not given: the destination's defaults."""
