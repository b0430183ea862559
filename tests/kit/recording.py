"""A small log of facts and its recording, for tests of the views: what flows/recording/dataflow.py does, without a
flow."""

from dataclasses import dataclass, field
from typing import Any

from model.durations import MINUTE_MS
from model.events.ids import delivery_id
from model.recording.facts import (
    AttemptFailed,
    Duplicate,
    Fact,
    Outcome,
    Position,
    Received,
    Rejected,
    Requeued,
    State,
    WatermarkReport,
)
from model.recording.replays import Decision
from model.recording.rollup import LogMinute
from model.recording.rows import LogPosition, minute_row, rows_of
from sinks.clickhouse.store import Store

BASE_MS = 1_790_000_100_000 // 3_600_000 * 3_600_000  # the start of an hour
ONE = Decision(1)


@dataclass(frozen=True)
class Event:
    """An event at an offset of partition 0 of the events log."""

    offset: int
    received_at_ms: int
    source: str = "web"
    destinations: tuple[str, ...] = ("crm",)
    message_id: str = ""

    def about(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "message_id": self.message_id or f"m{self.offset}",
            "event_type": "track",
            "event_name": "Order Completed",
            "app_version": "1.0",
            "events_partition": 0,
            "events_offset": self.offset,
            "received_at_ms": self.received_at_ms,
        }

    def delivery(self, destination: str = "crm") -> str:
        return delivery_id("log-1", 0, self.offset, self.source, destination, "default")

    def received(self, **more: Any) -> Received:
        routes = tuple((self.delivery(to), to, "default") for to in self.destinations)
        return Received(**{**self.about(), "at_ms": self.received_at_ms + 5, "routes": routes, **more})

    def duplicate(self) -> Duplicate:
        return Duplicate(**self.about(), at_ms=self.received_at_ms + 5, first_offset=0)

    def outcome(self, state: State, after_ms: int = 100, *, to: str = "crm", **more: Any) -> Outcome:
        values = {**self._to(to, after_ms), "attempt": 1, "state": state, **more}
        return Outcome(**values)

    def failed(self, after_ms: int, due_at_ms: int, *, to: str = "crm", attempt: int = 1, code: str = "503") -> Fact:
        return AttemptFailed(
            **self._to(to, after_ms), attempt=attempt, attempt_id=f"{self.offset}-{to}-{attempt}", failure="retry",
            code=code, message="busy", http_status=int(code) if code.isdigit() else 0, http_ms=20, due_at_ms=due_at_ms,
        )  # fmt: skip

    def requeued(self, after_ms: int, due_at_ms: int, *, to: str = "crm") -> Fact:
        return Requeued(**self._to(to, after_ms), attempt=0, code="PAUSED", due_at_ms=due_at_ms)

    def _to(self, destination: str, after_ms: int) -> dict[str, Any]:
        return {
            **self.about(),
            "at_ms": self.received_at_ms + after_ms,
            "delivery_id": self.delivery(destination),
            "destination": destination,
            "mapping": "default",
        }


def rejected(at_ms: int, items: int, **more: Any) -> Rejected:
    about = {"source": "web", "code": "event_too_large", "message": "40 KB", "message_id": "bad", "event_type": "track"}
    return Rejected(at_ms=at_ms, rejection_id=f"r{at_ms}", count=items, **{**about, **more})


def watermark_report(
    watermark_ms: int, *, shard: str = "0", shards: int = 1, position: int = 0, end: int = 0
) -> WatermarkReport:
    positions = (Position(topic="events", partition=0, position=position, end=end, settled=position),)
    return WatermarkReport(
        at_ms=watermark_ms + 1, shard=shard, shards=shards, watermark_ms=watermark_ms, positions=positions
    )


@dataclass
class Log:
    """One partition of topic outcomes. A fact is appended at its own time, or later if the log is already there."""

    partition: int = 0
    entries: list[tuple[LogPosition, Fact, Decision]] = field(default_factory=list)

    def append(self, *facts: Fact, decision: Decision = ONE, appended_ms: int = 0) -> None:
        for fact in facts:
            latest = self.entries[-1][0].appended_ms if self.entries else 0
            position = LogPosition(self.partition, len(self.entries), max(latest, fact.at_ms, appended_ms))
            self.entries.append((position, fact, decision))

    def record(self, store: Store, *, without: Fact | None = None) -> None:
        """Write facts and minutes; open append minutes are sent as they grow."""
        rows: dict[str, list[dict[str, Any]]] = {
            table: [] for table in ("facts", "samples", "watermarks", "minutes", "minute_totals")
        }
        window: LogMinute | None = None
        for position, fact, decision in self.entries:
            if fact is without:
                continue
            for row in rows_of(fact, position, decision):
                rows[row.table].append(row.values)
            append_minute_ms = position.appended_ms // MINUTE_MS * MINUTE_MS
            if window is None or window.minute_ms != append_minute_ms:
                window = LogMinute(append_minute_ms)
            window.add(fact, decision)
            at = {"append_minute_ms": append_minute_ms, "partition": self.partition, "version": position.offset}
            rows["minutes"] += [minute_row(series, counts, **at).values for series, counts in window.changed()]
            rows["minute_totals"] += [
                minute_row(total, counts, **at).values for total, counts in window.changed_totals()
            ]
        for table, batch in rows.items():
            refused = store.insert(table, batch)
            assert refused == [], refused[0].reason
