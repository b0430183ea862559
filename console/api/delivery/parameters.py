"""The query parameters of the delivery overview and delivery metrics, and the spellings of them that clients use."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

from console.api.errors import FIELD_LIMIT_CHARS, Refused
from model.reason_codes.aliases import canonical
from sinks.clickhouse.rows import LATEST_TIME_MS

ENTRIES_LIMIT = 1_000  # of a page
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)


def spell_query(items: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return a query with each name spelled as the models below do.

    groupBy.0=eventName&groupBy.1=eventType, groupBy[]=eventName    groupBy=eventName
    filter.eventName.0=Signed Up, filter.eventName=Signed Up        filter[eventName]=Signed Up
    pagination.count=10                                             pagination[count]=10

    Raises `Refused` for names nested deeper, a name with and without parts, and a parameter that is given twice and
    takes one value.
    """
    spelled: list[tuple[str, str]] = []
    known: set[str] = set()
    parts: dict[str, bool] = {}
    for written, value in items:
        name, *inner = written.replace("[", ".").replace("]", "").split(".")
        if inner and (not inner[-1] or inner[-1].isdecimal()):  # which of several values
            inner.pop()
        field = written[:FIELD_LIMIT_CHARS]
        if len(inner) > 1 or parts.setdefault(name, bool(inner)) != bool(inner):
            raise Refused(422, f"{field}: no parameter is written like that", field)
        spelling = f"{name}[{inner[0]}]" if inner else name
        if spelling in known and name not in {"groupBy", "filter"}:
            raise Refused(422, f"{field}: give it once", field)
        known.add(spelling)
        spelled.append((spelling, value))
    return spelled


class Granularity(StrEnum):
    """How wide the buckets of a series are."""

    MINUTE = "MINUTE"
    HOUR = "HOUR"
    DAY = "DAY"

    @property
    def step_seconds(self) -> int:
        """The width of a bucket."""
        return {"MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}[self]


# What entries can stand for, in the order in which entries are sorted, and the column of view step_series.
COLUMNS = {
    "eventName": "event_name",
    "eventType": "event_type",
    "appVersion": "app_version",
    "discardReason": "code",
    "subscriptionId": "mapping",
}


def _alias(name: str) -> str:
    group, _, part = name.partition("_")
    return f"{group}[{to_camel(part)}]" if group in {"filter", "pagination"} else to_camel(name)


def _split(value: Any) -> Any:
    return [name for text in value for name in text.split(",") if name] if isinstance(value, list) else value


def _read_time(value: Any) -> Any:
    text = str(value).upper()
    if not _TIME.fullmatch(text):
        raise ValueError("write a time such as 2026-05-04T12:00:00Z; a + in a URL is %2B")
    moment = datetime.fromisoformat(text)
    time_ms = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    if not 0 <= time_ms <= LATEST_TIME_MS:
        raise ValueError("choose a time from 1970 to 2099")
    return time_ms


_GROUPS = (Field(max_length=10), BeforeValidator(_split))
_TIME_SCHEMA = {"type": "string", "format": "date-time", "examples": ["2026-05-04T12:00:00Z"]}
Id = Annotated[str, Field(min_length=1, max_length=256)]
TimeMs = Annotated[int, BeforeValidator(_read_time), WithJsonSchema(_TIME_SCHEMA)]
Texts = Annotated[tuple[Annotated[str, Field(max_length=1_000)], ...], Field(max_length=50)]  # a URL ends at 64 KB


class Parameters(BaseModel):
    """Query parameters; an unknown one is refused by name."""

    model_config = ConfigDict(
        alias_generator=_alias, extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class OverviewParameters(Parameters):
    """What every read of the delivery overview takes; that of received events takes no more."""

    source_id: Id
    """The source's id in the workspace file."""
    start_time: TimeMs
    """Begin of the period, included; whole minutes count, so seconds are rounded down. Without a zone: UTC."""
    end_time: TimeMs
    """End of the period, excluded; seconds are rounded up to the minute."""
    granularity: Granularity
    """How wide the buckets of the series are; days begin at 00:00 UTC."""
    group_by: Annotated[tuple[Literal["eventName", "eventType", "appVersion"], ...], *_GROUPS] = ()
    """What an entry of the dataset stands for; not given: one entry for everything."""
    filter_event_name: Texts = ()
    """Count only events with one of these names."""
    filter_event_type: Texts = ()
    """Count only these calls: track, identify, page, screen, group, alias."""
    filter_app_version: Texts = ()
    """Count only events of these versions of the app (context.app.version)."""
    pagination_cursor: Annotated[str, Field(max_length=8_000)] = ""
    """From the previous answer: its pagination.next or pagination.previous; empty: the first page."""
    pagination_count: Annotated[int, Field(ge=1, le=ENTRIES_LIMIT)] = ENTRIES_LIMIT
    """At most so many entries. A page with long series may hold fewer; walk until there is no pagination.next."""

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The keys of entries, each once, in the order in which entries are sorted."""
        return tuple(name for name in COLUMNS if name in self.group_by)

    @property
    def destination_id(self) -> str | None:
        """The destination, of reads that have one."""
        return None

    def chosen(self) -> dict[str, frozenset[str]]:
        """Return the values to keep by column of view step_series; columns without a choice are left out."""
        given = self.model_dump(by_alias=True)
        values = {column: given.get(f"filter[{name}]") for name, column in COLUMNS.items()}
        if values["code"]:
            values["code"] = map(canonical, values["code"])
        return {column: frozenset(wanted) for column, wanted in values.items() if wanted}


class SourceStepParameters(OverviewParameters):
    """Of events that went no further than their source."""

    group_by: Annotated[tuple[Literal["eventName", "eventType", "appVersion", "discardReason"], ...], *_GROUPS] = ()  # type: ignore[assignment]
    """What an entry of the dataset stands for; not given: one entry for everything."""
    filter_discard_reason: Texts = ()
    """Count only these reason codes, in Waybill's spelling or in Segment's; of successful deliveries
    successes.attempt.1 for the first call, successes.attempt.2 for the second, and so on."""


class DestinationStepParameters(SourceStepParameters):
    """Of deliveries."""

    destination_config_id: Id
    """The destination's id in the workspace file."""
    group_by: Annotated[
        tuple[Literal["eventName", "eventType", "appVersion", "discardReason", "subscriptionId"], ...], *_GROUPS
    ] = ()  # type: ignore[assignment]
    """What an entry of the dataset stands for; not given: one entry for everything."""
    filter_subscription_id: Texts = ()
    """Count only deliveries of these mappings."""

    @property
    def destination_id(self) -> str:
        """The destination."""
        return self.destination_config_id


class MetricsParameters(Parameters):
    """Of the summary of one destination."""

    source_id: Id | SkipJsonSchema[None] = None
    """Only what came from this source; not given: from all."""
    start_time: TimeMs | SkipJsonSchema[None] = None
    """Begin of the period, included; not given: an hour, 7 days or 30 days before its end, by granularity."""
    end_time: TimeMs | SkipJsonSchema[None] = None
    """End of the period, excluded; not given: now."""
    granularity: Granularity = Granularity.MINUTE
    """Only chooses the period that is meant when startTime is not given: MINUTE, HOUR or DAY."""
