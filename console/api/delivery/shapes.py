"""The answers, in Segment's shapes. A field without a value is left out."""

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from console.reports.banner import Banner
from console.reports.trace import Step

Data = TypeVar("Data")
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-05-04T12:00:00.000Z"])]


class Shape(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, frozen=True, use_attribute_docstrings=True, extra="forbid"
    )


class SeriesPoint(Shape):
    """One bucket."""

    time: Time
    """When the bucket begins."""
    count: int
    """How many; negative where more was taken back than counted."""
    retry_count: int | None = None
    """Of successful deliveries: how many took a second call or more."""


class DatasetEntry(Shape):
    """What happened to one group; the fields named by groupBy tell which."""

    event_name: str | None = None
    """The event's name; empty for calls without one."""
    event_type: str | None = None
    """The call's type."""
    app_version: str | None = None
    """The app's version."""
    discard_reason: str | None = None
    """The reason's code; of successful deliveries successes.attempt.1, successes.attempt.2, …"""
    subscription_id: str | None = None
    """The mapping's name."""
    total: int
    """Of the whole period."""
    total_retry_count: int | None = None
    """Of successful deliveries: how many took a second call or more."""
    series: list[SeriesPoint]
    """Only buckets in which something happened, oldest first."""


class PageOfEntries(Shape):
    """Where this page stands."""

    current: str
    """The cursor of this page."""
    next: str | None = None
    """The cursor of the next page; left out on the last."""
    previous: str | None = None
    """The cursor of the page before; left out on the first."""
    total_entries: int
    """Entries of all pages."""


class DeliveryOverview(Shape):
    """One step of the pipeline over a period."""

    total: int
    """Of the whole period and of all pages, as filtered."""
    dataset: list[DatasetEntry]
    """Sorted by the fields of groupBy; empty when nothing happened."""
    pagination: PageOfEntries


class MetricPart(Shape):
    """Part of a metric."""

    metric_name: str
    """Such as successes.attempt.1, errors.discarded.400, errors.awaiting-retry.429, filtered.FILTERED_BY_RULES."""
    value: int
    """How many deliveries."""


class Metric(Shape):
    """One number of the summary."""

    metric_name: str
    """successes, discarded, expired, filtered, awaiting-retry, attempts-failed, or latency-p50-ms and the like."""
    total: int
    """Deliveries; of attempts-failed calls; of latencies milliseconds."""
    breakdown: list[MetricPart] | None = None
    """What the total is made of, most first."""


class DeliveryMetricsSummary(Shape):
    """What became of the deliveries to one destination."""

    source_id: str
    """The source asked for; empty for all."""
    destination_metadata_id: str
    """The kind of destination, as Segment answers it: not the destination's own id."""
    metrics: list[Metric]
    """The numbers. Latencies are left out when nothing was delivered."""


class DeliveryMetrics(Shape):
    """Envelope of the summary."""

    delivery_metrics_summary: DeliveryMetricsSummary


class EventTrace(BaseModel):
    """All that is known about the events with one messageId: what `waybill trace --json` prints. Times are Unix ms."""

    model_config = ConfigDict(extra="forbid")

    message_id: str
    found: bool
    pending: list[str]
    banners: list[Banner]
    steps: list[Step]


class Traced(BaseModel):
    """Envelope of the trace."""

    trace: EventTrace


class Answer(BaseModel, Generic[Data]):
    """Envelope of each answer."""

    data: Data


DeliveryOverviewAnswer = Answer[DeliveryOverview]
DeliveryMetricsAnswer = Answer[DeliveryMetrics]
TraceAnswer = Answer[Traced]


def time_text(time_ms: int) -> str:
    """Write a time as the API does."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
