"""The step from facts to rows: decides on replayed facts, counts minutes, closes them. One key per outcomes partition.

It has no snapshot. Recording resumes at the offset where the open append minute started (see `OutcomesPartition`), so
the open minute is counted again from the log, into the same rows.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from bytewax.operators import StatefulBatchLogic

from flows.recording.replays import ReplayDeduplicator
from flows.topics.interface import MINUTES, Record
from flows.topics.records import dead_letter
from flows.topics.sink import OutgoingRecord
from model.durations import HOUR_MS, MINUTE_MS
from model.events.envelope import FORMAT_VERSION, UnreadableRecord
from model.recording.facts import Fact, decode
from model.recording.rollup import LogMinute, bundle
from model.recording.rows import LogPosition, Row, minute_row, rollup_values, rows_of

SEND_MINUTES_EVERY = timedelta(seconds=1)  # open rows are visible within about two seconds
MAX_EMPTY_MINUTES = 7 * 24 * 60  # after a longer silence only the last week's empty minutes are written


class RebuildHours(NamedTuple):
    """Ask the store to sum the hours of one partition again, from minutes up to append minute ``through_ms``."""

    log_partition: int
    hours_ms: tuple[int, ...]
    through_ms: int


StoreItem = Row | RebuildHours
Recorded = StoreItem | OutgoingRecord


class Recorder(StatefulBatchLogic[Record, Recorded, None]):
    """Turns the facts of one partition into rows, in log order."""

    def __init__(self, replays: ReplayDeduplicator) -> None:
        self._replays = replays
        self._open: LogMinute | None = None
        self._partition = 0
        self._last_offset = 0
        self._send_at: datetime | None = None

    def on_batch(self, values: list[Record]) -> tuple[Iterable[Recorded], bool]:
        """Record a batch of facts."""
        out: list[Recorded] = []
        facts: list[tuple[Record, Fact | None]] = []
        for record in values:
            try:
                facts.append((record, decode(record.value)))
            except UnreadableRecord as error:
                facts.append((record, None))  # no rows, but its append minute may close the previous one
                out.append(dead_letter(record.value, record.key, "UNREADABLE_RECORD", f"outcomes: {error}"))
        decoded = [(record.offset, fact) for record, fact in facts if fact is not None]
        self._replays.look_up(decoded, values[0].partition)
        for record, fact in facts:
            minute, closed = self._minute_of(record)
            out.extend(closed)
            self._last_offset = record.offset
            if fact is None:
                continue
            decision = self._replays.decision(fact)
            out.extend(rows_of(fact, LogPosition(record.partition, record.offset, record.appended_ms), decision))
            minute.add(fact, decision)
        if self._send_at is None:
            self._send_at = datetime.now(UTC) + SEND_MINUTES_EVERY
        return out, StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[Iterable[Recorded], bool]:
        """Emit the open minute's changed rows."""
        self._send_at = None
        return self._changed_rows(), StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[Iterable[Recorded], bool]:
        """Emit the counts so far; the minute stays open, and the next start counts it again."""
        return self._changed_rows(), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """A second after the first fact whose rows were not emitted yet."""
        return self._send_at

    def snapshot(self) -> None:
        """No state to save; but facts flushed two epochs ago are in the store and can be forgotten."""
        self._replays.epoch_ended()

    def _minute_of(self, record: Record) -> tuple[LogMinute, list[Recorded]]:
        """The record's append minute, and the items from closing the previous one."""
        minute_ms = record.appended_ms // MINUTE_MS * MINUTE_MS
        closed = self._open
        if closed is not None and minute_ms <= closed.minute_ms:
            return closed, []
        self._partition = record.partition
        self._open = LogMinute(minute_ms)
        return self._open, [] if closed is None else self._close(closed, minute_ms)

    def _close(self, closed: LogMinute, next_ms: int) -> list[Recorded]:
        out = self._rows(closed)
        rows = [rollup_values(series, counts) | {"minute_ms": series.minute_ms} for series, counts in closed.rows()]
        out.append(self._minute_record(bundle(closed.minute_ms, self._partition, rows, closed.states)))
        # Silent minutes are written too, because alerting evaluates every minute.
        silent_from_ms = max(closed.minute_ms + MINUTE_MS, next_ms - MAX_EMPTY_MINUTES * MINUTE_MS)
        silent = range(silent_from_ms, next_ms, MINUTE_MS)
        out.extend(self._minute_record(bundle(empty_ms, self._partition, [])) for empty_ms in silent)
        hours = {past_ms // HOUR_MS * HOUR_MS for past_ms in (*closed.minutes(), closed.minute_ms)}
        past_hours = tuple(sorted(hour_ms for hour_ms in hours if hour_ms < next_ms // HOUR_MS * HOUR_MS))
        if past_hours:
            out.append(RebuildHours(self._partition, past_hours, closed.minute_ms))
        return out

    def _changed_rows(self) -> list[Recorded]:
        return self._rows(self._open) if self._open is not None else []

    def _rows(self, minute: LogMinute) -> list[Recorded]:
        """The rows that changed since the last call."""
        at = {"append_minute_ms": minute.minute_ms, "partition": self._partition, "version": self._last_offset}
        rows: list[Recorded] = [minute_row(series, counts, **at) for series, counts in minute.changed()]
        rows.extend(minute_row(total, counts, **at) for total, counts in minute.changed_totals())
        return rows

    def _minute_record(self, content: dict[str, Any]) -> OutgoingRecord:
        value = orjson.dumps({"v": FORMAT_VERSION, **content})
        return OutgoingRecord(MINUTES, str(self._partition).encode(), value)
