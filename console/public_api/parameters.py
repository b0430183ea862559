"""The parameters of the reads, as the query string names them. `query_text` gives every value as a list of texts."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from model.reason_codes.aliases import canonical
from sinks.clickhouse.rows import LATEST_TIME_MS

ENTRIES_LIMIT = 1_000  # of a page
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)


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


def _take_one(value: Any) -> Any:
    if isinstance(value, list):
        if len(value) != 1:
            raise ValueError("give it once")
        return value[0]
    return value


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


Once = BeforeValidator(_take_one)
Id = Annotated[str, Field(min_length=1, max_length=256), Once]
TimeMs = Annotated[
    int, BeforeValidator(_read_time), Once, WithJsonSchema({"type": "string", "format": "date-time"})
]  # validators run from right to left
Texts = Annotated[tuple[Annotated[str, Field(max_length=1_000)], ...], Field(max_length=50)]  # a URL ends at 64 KB


class Parameters(BaseModel):
    """A group of parameters; one that is not known is refused by name."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class EventFilter(Parameters):
    """Count only what is one of the values given; several may be given of each."""

    event_name: Texts = ()
    """The event's name."""
    event_type: Texts = ()
    """The call's type: track, identify, page, screen, group, alias."""
    app_version: Texts = ()
    """The app's version (context.app.version)."""

    def chosen(self) -> dict[str, frozenset[str]]:
        """Return the values to keep by column of view step_series; columns without a choice are left out."""
        given = {COLUMNS[to_camel(name)]: values for name, values in self if values}
        if "code" in given:
            given["code"] = tuple(map(canonical, given["code"]))
        return {column: frozenset(values) for column, values in given.items()}


class ReasonFilter(EventFilter):
    """As above."""

    discard_reason: Texts = ()
    """The reason's code, in Waybill's spelling or in Segment's; of successful deliveries: successes.attempt.1 for the
    first call, successes.attempt.2 for the second, and so on."""


class DeliveryFilter(ReasonFilter):
    """As above."""

    subscription_id: Texts = ()
    """The mapping's name."""


class Page(Parameters):
    """Which part of the entries."""

    cursor: Annotated[str, Field(max_length=8_000), Once] = ""
    """From the answer before: its pagination.next or pagination.previous; empty: the first page."""
    count: Annotated[int, Field(ge=1, le=ENTRIES_LIMIT), Once] = ENTRIES_LIMIT
    """At most so many entries. A page with long series may hold fewer; walk until there is no pagination.next."""


class OverviewParameters(Parameters):
    """What every read of the delivery overview takes."""

    source_id: Id
    """The source's id in the workspace file."""
    start_time: TimeMs
    """Begin of the period, included; whole minutes count, so seconds are rounded down. Without a zone: UTC."""
    end_time: TimeMs
    """End of the period, excluded; seconds are rounded up to the minute."""
    granularity: Annotated[Granularity, Once]
    """How wide the buckets of the series are; days begin at 00:00 UTC."""
    group_by: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """What an entry of the dataset stands for; not given: one entry for everything."""
    filter: EventFilter = EventFilter()
    """Count only some."""
    pagination: Page = Page()
    """Which part of the entries."""

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What entries are told apart by, each once, in the order in which entries are sorted."""
        return tuple(name for name in COLUMNS if name in self.group_by)


class ReceivedParameters(OverviewParameters):
    """Of events that were received."""

    group_by: Annotated[
        tuple[Literal["eventName", "eventType", "appVersion"], ...], Field(max_length=10), BeforeValidator(_split)
    ] = ()
    """What an entry of the dataset stands for; not given: one entry for everything."""


class SourceStepParameters(OverviewParameters):
    """Of events that went no further than their source."""

    group_by: Annotated[
        tuple[Literal["eventName", "eventType", "appVersion", "discardReason"], ...],
        Field(max_length=10),
        BeforeValidator(_split),
    ] = ()
    """What an entry of the dataset stands for; not given: one entry for everything."""
    filter: ReasonFilter = ReasonFilter()
    """Count only some."""


class DestinationStepParameters(OverviewParameters):
    """Of deliveries."""

    destination_config_id: Id
    """The destination's id in the workspace file."""
    group_by: Annotated[
        tuple[Literal["eventName", "eventType", "appVersion", "discardReason", "subscriptionId"], ...],
        Field(max_length=10),
        BeforeValidator(_split),
    ] = ()
    """What an entry of the dataset stands for; not given: one entry for everything."""
    filter: DeliveryFilter = DeliveryFilter()
    """Count only some."""


class MetricsParameters(Parameters):
    """Of the summary of one destination."""

    source_id: Id | None = None
    """Only what came from this source; not given: from all."""
    start_time: TimeMs | None = None
    """Begin of the period, included; not given: an hour, 7 days or 30 days before its end, by granularity."""
    end_time: TimeMs | None = None
    """End of the period, excluded; not given: now."""
    granularity: Annotated[Granularity, Once] = Granularity.MINUTE
    """Only chooses the period that is meant when startTime is not given: MINUTE, HOUR or DAY."""
