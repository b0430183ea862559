"""Facts and minutes as rows of the store's tables (sql/). Times stay Unix ms; the tables read them as such."""

from typing import Any, NamedTuple

from msgspec import structs

from model.recording.facts import (
    AttemptFailed,
    Audited,
    DeliveryFact,
    DestinationState,
    Duplicate,
    EventFact,
    Fact,
    Outcome,
    Received,
    Redriven,
    Rejected,
    Requeued,
    Sample,
    Tested,
    WatermarkReport,
    kind_of,
)
from model.recording.replays import Decision, EarlierOutcome
from model.recording.rollup import Counts, Series, Total, TotalCounts


class Row(NamedTuple):
    """One row for a table."""

    table: str
    values: dict[str, Any]


class LogPosition(NamedTuple):
    """Where a fact stands in topic outcomes, and when it was appended there (Unix ms)."""

    partition: int
    offset: int
    appended_ms: int


def rows_of(fact: Fact, position: LogPosition, verdict: Decision) -> list[Row]:
    """The rows a fact is kept as: usually one; two when it takes an earlier outcome back."""
    if isinstance(fact, WatermarkReport):
        return [Row("ticks", _tick(fact, position))]
    if isinstance(fact, Sample):
        return [Row("samples", _sample(fact, position))]
    if isinstance(fact, DestinationState):
        return [Row("destination_states", _destination_state(fact, position))]
    if isinstance(fact, Audited):
        return [Row("audit", _audited(fact, position))]
    own = _fact(fact, position)
    own["count"] = verdict.count
    rows = [Row("facts", own)]
    if verdict.takes_back is not None:
        rows.append(Row("facts", _correction(own, verdict.takes_back)))
    return rows


def minute_row(series: Series, counts: Counts, *, append_minute_ms: int, partition: int, version: int) -> Row:
    """A row of windowed counts; ``version`` is the last log offset it includes, the highest wins."""
    values: dict[str, Any] = {
        "minute": series.minute_ms // 1_000,
        "append_minute": append_minute_ms // 1_000,
        "log_partition": partition,
        "version": version,
        **counts_of(series, counts),
    }
    return Row("minutes", values)


def total_row(total: Total, counts: TotalCounts, *, append_minute_ms: int, partition: int, version: int) -> Row:
    """A row of totals; ``version`` as in `minute_row`."""
    values: dict[str, Any] = {
        "minute": total.minute_ms // 1_000,
        "append_minute": append_minute_ms // 1_000,
        "log_partition": partition,
        "version": version,
        "source": total.source,
        "destination": total.destination,
        "status": total.status,
        "code": total.code,
        "queue_ms": counts.queue_ms,
        "retry_wait_ms": counts.retry_wait_ms,
        "limit_wait_ms": counts.limit_wait_ms,
        "calls_ms": counts.calls_ms,
        "first_at": counts.first_at_ms,
        "last_at": counts.last_at_ms,
        **_numbers_of(counts),
    }
    return Row("minute_totals", values)


def counts_of(series: Series, counts: Counts) -> dict[str, Any]:
    """Dimensions and numbers of a row, without its times."""
    return {
        "source": series.source,
        "destination": series.destination,
        "mapping": series.mapping,
        "event_type": series.event_type,
        "event_name": series.event_name,
        "app_version": series.app_version,
        "status": series.status,
        "code": series.code,
        **_numbers_of(counts),
    }


def _numbers_of(counts: Counts) -> dict[str, Any]:
    return {
        "count": counts.count,
        "latency": {str(index): count for index, count in counts.latency.items()},
        "by_attempt": {str(attempt): count for attempt, count in counts.by_attempt.items()},
    }


def _fact(fact: Fact, position: LogPosition) -> dict[str, Any]:
    row: dict[str, Any] = {
        "kind": kind_of(fact),
        "correction": 0,
        "log_partition": position.partition,
        "log_offset": position.offset,
        "appended_at": position.appended_ms,
        "at": fact.at_ms,
        "run": fact.run,
    }
    if isinstance(fact, EventFact):
        row |= {
            "source": fact.source,
            "message_id": fact.message_id,
            "event_type": fact.event_type,
            "event_name": fact.event_name,
            "app_version": fact.app_version,
            "events_partition": fact.events_partition,
            "events_offset": fact.events_offset,
            "received_at": fact.received_at_ms,
            "replayed": fact.replayed,
        }
    if isinstance(fact, DeliveryFact):
        row |= {
            "delivery_id": fact.delivery_id,
            "destination": fact.destination,
            "mapping": fact.mapping,
            "attempt": fact.attempt,
            "code": fact.code,
            "message": fact.message,
            "resent": fact.resent,
            "redrive": fact.redrive,
            "error_group": fact.error_group,
            "batch_items": fact.batch_items,
        }
        if fact.redrive and not isinstance(fact, Redriven):
            row["kind"] = f"redrive_{row['kind']}"
    if isinstance(fact, Received):
        row["routes"] = fact.routes
    elif isinstance(fact, Duplicate):
        row["first_offset"] = fact.first_offset
    elif isinstance(fact, AttemptFailed):
        row |= {
            "attempt_id": fact.attempt_id,
            "failure": fact.failure,
            "http_status": fact.http_status,
            "http_ms": fact.http_ms,
            "due_at": fact.due_at_ms,
        }
    elif isinstance(fact, Requeued):
        row["due_at"] = fact.due_at_ms
    elif isinstance(fact, Outcome):
        row |= {
            "state": fact.state,
            "http_status": fact.http_status,
            "http_ms": fact.http_ms,
            "latency_ms": max(0, fact.at_ms - fact.received_at_ms),
            "queue_ms": fact.queue_ms,
            "retry_wait_ms": fact.retry_wait_ms,
            "limit_wait_ms": fact.limit_wait_ms,
            "calls_ms": fact.calls_ms,
            "due_at": fact.due_at_ms,
        }
    elif isinstance(fact, Redriven):
        row["author"] = fact.author
    elif isinstance(fact, Tested):
        row |= {
            "author": fact.author,
            "state": fact.state,
            "http_status": fact.http_status,
            "http_ms": fact.http_ms,
        }
    elif isinstance(fact, Rejected):
        row |= {
            "source": fact.source,
            "message_id": fact.message_id,
            "event_type": fact.event_type,
            "code": fact.code,
            "message": fact.message,
            "items": fact.count,
            "received_at": fact.at_ms,
            "delivery_id": fact.rejection_id,
        }
    return row


def _correction(own: dict[str, Any], prior: EarlierOutcome) -> dict[str, Any]:
    taken_back = {"correction": 1, "count": -1, "state": prior.state, "code": prior.code, "at": prior.at_ms}
    return {**own, **taken_back, "message": "", "resent": False}


def _sample(fact: Sample, position: LogPosition) -> dict[str, Any]:
    row = {name.removesuffix("_ms"): value for name, value in structs.asdict(fact).items()}
    for name in ("v", "replayed", "resent", "run", "error_group"):
        del row[name]
    return {**row, "log_partition": position.partition, "log_offset": position.offset}


def _destination_state(fact: DestinationState, position: LogPosition) -> dict[str, Any]:
    return {
        "destination": fact.destination,
        "at": fact.at_ms,
        "log_partition": position.partition,
        "log_offset": position.offset,
        "run": fact.run,
        "state": fact.state,
        "code": fact.code,
        "message": fact.message,
        "until": fact.until_ms,
    }


def _audited(fact: Audited, position: LogPosition) -> dict[str, Any]:
    row = {name: value for name, value in structs.asdict(fact).items() if name not in {"v", "run", "at_ms"}}
    return {**row, "at": fact.at_ms, "log_partition": position.partition, "log_offset": position.offset}


def _tick(fact: WatermarkReport, position: LogPosition) -> dict[str, Any]:
    return {
        "worker": fact.worker,
        "workers": fact.workers,
        "log_partition": position.partition,
        "log_offset": position.offset,
        "at": fact.at_ms,
        "watermark": fact.watermark_ms,
        "positions": [(p.topic, p.partition, p.position, p.end, p.settled) for p in fact.positions],
    }
