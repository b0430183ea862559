"""Facts and minutes as rows of the store's tables (sql/). Times stay Unix ms; the store converts them."""

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec.structs import astuple

from model.recording.facts import (
    Audited,
    DeliveryFact,
    DestinationState,
    Fact,
    Outcome,
    Redriven,
    Rejected,
    Sample,
    WatermarkReport,
    kind_of,
)
from model.recording.replays import Decision, EarlierOutcome
from model.recording.rollup import Counts, RollupKey, TotalCounts, TotalKey

_TABLES: dict[type[Fact], str] = {
    WatermarkReport: "watermarks",
    Sample: "samples",
    DestinationState: "destination_states",
    Audited: "audit",
}
# Columns are named like their fields, with these exceptions.
_COLUMNS = {
    "at_ms": "at",
    "received_at_ms": "received_at",
    "due_at_ms": "due_at",
    "until_ms": "until",
    "watermark_ms": "watermark",
    "rejection_id": "delivery_id",
    "count": "items",
}
# Fields without a column in the table.
_OMITTED = {
    "facts": {"v", "redrive_id"},
    "watermarks": {"v", "run"},
    "samples": {"v", "run", "replayed", "resent", "error_group"},
    "destination_states": {"v", "run"},
    "audit": {"v", "run"},
}


_TOTALS = ("queue_ms", "retry_wait_ms", "limit_wait_ms", "calls_ms")


class Row(NamedTuple):
    """One row for a table."""

    table: str
    values: dict[str, Any]


class LogPosition(NamedTuple):
    """Where a fact stands in topic outcomes, and when it was appended there (Unix ms)."""

    partition: int
    offset: int
    appended_ms: int


def rows_of(fact: Fact, position: LogPosition, decision: Decision) -> list[Row]:
    """The rows that record a fact: usually one; two when it takes an earlier outcome back."""
    table = _TABLES.get(type(fact), "facts")
    columns, fields = _columns_of(type(fact), table)
    row = dict(zip(columns, fields(fact), strict=True))
    row["log_partition"], row["log_offset"] = position.partition, position.offset
    if isinstance(fact, WatermarkReport):
        row["positions"] = [astuple(at) for at in fact.positions]
    if table != "facts":
        return [Row(table, row)]
    row |= {"kind": kind_of(fact), "correction": 0, "count": decision.count, "appended_at": position.appended_ms}
    if isinstance(fact, DeliveryFact) and fact.redrive and not isinstance(fact, Redriven):
        row["kind"] = f"redrive_{row['kind']}"
    if isinstance(fact, Outcome):
        row["latency_ms"] = max(0, fact.at_ms - fact.received_at_ms)
    elif isinstance(fact, Rejected):
        row["received_at"] = fact.at_ms
    if decision.takes_back is None:
        return [Row(table, row)]
    return [Row(table, row), Row(table, _correction(row, decision.takes_back))]


def minute_row(
    key: RollupKey | TotalKey, counts: Counts, *, append_minute_ms: int, partition: int, version: int
) -> Row:
    """A row of windowed counts, or of totals; ``version`` is the last log offset it includes; the highest wins."""
    times = {"minute": key.minute_ms // 1_000, "append_minute": append_minute_ms // 1_000}
    values = {**times, "log_partition": partition, "version": version, **rollup_values(key, counts)}
    if not isinstance(counts, TotalCounts):
        return Row("minutes", values)
    sums = {name: getattr(counts, name) for name in _TOTALS}
    return Row("minute_totals", {**values, **sums, "first_at": counts.first_at_ms, "last_at": counts.last_at_ms})


def rollup_values(key: RollupKey | TotalKey, counts: Counts) -> dict[str, Any]:
    """Dimensions and numbers of a row, without its times."""
    values: dict[str, Any] = key._asdict()
    del values["minute_ms"]
    return values | {
        "count": counts.count,
        "latency": {str(index): count for index, count in counts.latency.items()},
        "by_attempt": {str(attempt): count for attempt, count in counts.by_attempt.items()},
    }


@cache
def _columns_of(kind: type[Fact], table: str) -> tuple[tuple[str, ...], Callable[[Fact], tuple[Any, ...]]]:
    """The columns a kind of fact fills from its fields, and what reads those fields."""
    fields = [name for name in kind.__struct_fields__ if name not in _OMITTED[table]]
    return tuple(_COLUMNS.get(name, name) for name in fields), attrgetter(*fields)


def _correction(own: dict[str, Any], prior: EarlierOutcome) -> dict[str, Any]:
    taken_back = {"correction": 1, "count": -1, "state": prior.state, "code": prior.code, "at": prior.at_ms}
    return {**own, **taken_back, "message": "", "resent": False}
