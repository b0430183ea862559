"""The six reads of the delivery overview: one step of the pipeline each, all from view step_series."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from console.api.delivery.pages import Entry, Fold, Folded, Row, by_attempt, read_cursor, write_cursor
from console.api.delivery.parameters import (
    COLUMNS,
    DestinationStepParameters,
    OverviewParameters,
    SourceStepParameters,
)
from console.api.delivery.periods import MetricsPeriod, read_series
from console.api.delivery.shapes import (
    DatasetEntry,
    DeliveryOverview,
    DeliveryOverviewAnswer,
    PageOfEntries,
    SeriesPoint,
    time_text,
)
from console.data_dir import View

FILTERED_AT_SOURCE = "filtered-at-source"
SUCCESSFUL = "successful-delivery"
POINTS_LIMIT = 200_000  # buckets of all entries of a page


@dataclass(frozen=True, slots=True)
class OverviewRead:
    """One of the six. ``name``: last part of the path."""

    name: str
    summary: str
    parameters: type[OverviewParameters]

    @property
    def step(self) -> str:
        """The step as the view calls it."""
        return self.name.replace("-", "_")


OVERVIEW_READS = (
    OverviewRead("successfully-received", "Events taken from a source", OverviewParameters),
    OverviewRead("failed-on-ingest", "Items that ingest refused", SourceStepParameters),
    OverviewRead(FILTERED_AT_SOURCE, "Events dropped for all destinations (duplicates)", SourceStepParameters),
    OverviewRead(
        "filtered-at-destination", "Deliveries that configuration chose not to send", DestinationStepParameters
    ),
    OverviewRead("failed-delivery", "Deliveries discarded or expired", DestinationStepParameters),
    OverviewRead(SUCCESSFUL, "Deliveries that arrived", DestinationStepParameters),
)


def read_overview(
    read: OverviewRead, parameters: OverviewParameters, period: MetricsPeriod, view: View, clock: Callable[[], int]
) -> DeliveryOverviewAnswer:
    """Answer one read. Raises `Refused`, and `sinks.clickhouse.store.StoreError`."""
    dimensions = parameters.dimensions
    columns = tuple(COLUMNS[name] for name in dimensions)
    chosen = parameters.chosen()
    first = read_cursor(parameters.pagination_cursor, dimensions)
    limit = min(parameters.pagination_count, max(1, POINTS_LIMIT // period.buckets))
    fold = Fold(columns, chosen, first, limit)
    asked = {
        "source": parameters.source_id,
        "destination": parameters.destination_id or "",
        "step": read.step,
        "by": sorted({*columns, *chosen}),
    }
    for rows in read_series(view, period, asked, clock):
        fold.add(_with_reasons(rows, read) if "code" in asked["by"] else rows)
    return DeliveryOverviewAnswer(data=shape(fold.page(), dimensions, first, retries=read.name == SUCCESSFUL))


def _with_reasons(rows: list[dict[str, Any]], read: OverviewRead) -> Iterable[Row]:
    if read.name == SUCCESSFUL:
        return by_attempt(rows)
    if read.name == FILTERED_AT_SOURCE:  # for one reason only, which counts do not name
        return ({**row, "code": "DUPLICATE"} for row in rows)
    return rows


def shape(folded: Folded, dimensions: tuple[str, ...], first: tuple[str, ...], *, retries: bool) -> DeliveryOverview:
    """Put a page into Segment's shape; ``retries``: whether to tell how many took a second call or more."""
    return DeliveryOverview(
        total=folded.total.count,
        dataset=[_entry(entry, dimensions, retries) for entry in folded.entries],
        pagination=PageOfEntries(
            current=write_cursor(dimensions, first),
            next=None if folded.next is None else write_cursor(dimensions, folded.next),
            previous=None if folded.previous is None else write_cursor(dimensions, folded.previous),
            total_entries=folded.entries_in_all,
        ),
    )


def _entry(entry: Entry, dimensions: tuple[str, ...], retries: bool) -> DatasetEntry:
    values: dict[str, Any] = dict(zip(dimensions, entry.key, strict=True))
    values["total"] = entry.total.count
    values["totalRetryCount"] = entry.total.retries if retries else None
    values["series"] = [
        SeriesPoint(time=time_text(at_ms), count=tally.count, retry_count=tally.retries if retries else None)
        for at_ms, tally in entry.series.items()
    ]
    return DatasetEntry.model_validate(values)
