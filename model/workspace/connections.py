"""Connections in the workspace file: filters, insert function, mappings."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from model.config.env_string import EnvString, config_error, require
from model.config.fields import FormerIds, Name, Slug
from model.config.section import Section
from model.fql.actions import AnyAction
from model.fql.filters import compile_filter
from model.fql.syntax import FqlInvalid
from model.fql.triggers import compile_trigger

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


class FilterConfig(Section):
    """Events that match are dropped, sampled or stripped of fields before they are sent."""

    name: Annotated[Name, Field(max_length=64)] = ""
    """Name for people."""
    enabled: bool = True
    """false: the filter does nothing."""
    condition: Annotated[str, _checked_fql(compile_filter)] = Field(alias="if")
    """FQL, such as type = "track" and event = "Test"; all matches every event."""
    actions: tuple[AnyAction, ...] = Field(min_length=1, max_length=10)
    """What is done with events that match."""


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
