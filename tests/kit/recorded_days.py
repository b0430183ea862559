"""Days of facts through the real recorder, into the tables of a store and as bundles into the evaluation at once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from flows.recording.recorder import RebuildHours, Recorder
from flows.recording.replays import ReplayDeduplicator
from flows.topics.interface import MINUTES, Record
from flows.topics.sink import OutgoingRecord
from model.alerts.alert_event import AlertEvent
from model.durations import HOUR_MS, MINUTE_MS
from model.recording.facts import Fact, State, encode
from model.recording.replays import EarlierOutcome
from model.recording.rows import Row
from sinks.clickhouse.store import Store
from tests.kit.alerting import Evaluating
from tests.kit.recording import BASE_MS, Event, watermark_report

PARTITIONS = 2
STATES = (State.DELIVERED, State.DISCARDED, State.EXPIRED, State.FILTERED)


class NothingBefore:
    """A store in which nothing stands yet."""

    def outcomes(self, keys: object, log_partition: int, before_offset: int) -> dict[str, EarlierOutcome]:
        """None."""
        return {}

    def events(self, keys: object, log_partition: int, before_offset: int) -> set[tuple[int, int]]:
        """None."""
        return set()


def facts_of_days(seed: int) -> list[tuple[int, int, Fact]]:
    """(append time, partition, fact) of two and a half days, in log order.

    The second day has fewer events than the first. In its last hours the destination fails for a while. Some events are
    duplicates, some outcomes are said twice, the second time with another end, and what is appended is up to 90 s old.
    """
    random = Random(seed)
    found: list[tuple[int, int, Fact]] = []
    outage = range(BASE_MS + 40 * HOUR_MS, BASE_MS + 40 * HOUR_MS + 25 * MINUTE_MS)
    for offset, at_ms in enumerate(_moments(random, outage)):
        event = Event(offset, at_ms, source=random.choice(["web", "web", "web", "ios"]))
        read: Fact = event.received() if random.random() < 0.95 else event.duplicate()
        for fact in (read, *_ends(random, event, failing=at_ms in outage)):
            found.append((fact.at_ms + random.randint(0, 90_000), offset % PARTITIONS, fact))
    for minute in range(0, 60 * 60, 5):
        watermark_ms = BASE_MS + minute * MINUTE_MS
        found += [(watermark_ms, partition, watermark_report(watermark_ms)) for partition in range(PARTITIONS)]
    return sorted(found, key=lambda one: one[:2])


def _moments(random: Random, outage: range) -> Iterator[int]:
    for ten_minutes in range(60 * 6):
        start_ms = BASE_MS + ten_minutes * 10 * MINUTE_MS
        for _ in range(10 if ten_minutes < 24 * 6 else 6):
            yield start_ms + random.randrange(10 * MINUTE_MS)
    for start_ms in range(outage.start, outage.stop, 5_000):
        yield start_ms + random.randrange(5_000)


def _ends(random: Random, event: Event, *, failing: bool) -> list[Fact]:
    mapping = random.choice(["default", "orders"])
    if not failing:
        [state] = random.choices(STATES, [90, 3, 1, 6])
        ended = event.outcome(state, random.randint(50, 2_000), mapping=mapping)
        again = event.outcome(State.DELIVERED, 5_000, mapping=mapping, replayed=True)
        return [ended, again] if random.random() < 0.03 else [ended]
    failed = event.failed(100, event.received_at_ms + 60_000)
    state = random.choice([State.DELIVERED, State.DISCARDED, State.EXPIRED])
    return [failed, event.outcome(state, random.randint(60_000, HOUR_MS), attempt=2)]


@dataclass
class RecordedDays:
    """Bundles are evaluated as they come; rows wait until `write_until`."""

    store: Store
    evaluating: Evaluating
    offsets: list[int] = field(default_factory=lambda: [0] * PARTITIONS)
    pending: list[tuple[int, Row | RebuildHours]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recorders = [Recorder(ReplayDeduplicator(NothingBefore())) for _ in range(PARTITIONS)]

    def append(self, appended_ms: int, partition: int, fact: Fact) -> list[AlertEvent]:
        """Record one fact: what alerting finds now."""
        found: list[AlertEvent] = []
        record = Record(partition, self.offsets[partition], appended_ms, b"", encode(fact))
        self.offsets[partition] += 1
        for item in self.recorders[partition].on_batch([record])[0]:
            if isinstance(item, OutgoingRecord):
                assert item.topic == MINUTES
                self.evaluating.now_ms = appended_ms
                found += self.evaluating.take(Record(partition, 0, appended_ms, item.key, item.value))
            elif isinstance(item, RebuildHours):
                self.pending.append((item.through_ms, item))
            elif item.table in {"minutes", "minute_totals"}:
                self.pending.append((item.values["append_minute"] * 1_000, item))
        return found

    def write_until(self, minute_ms: int) -> None:
        """Have in the store what was appended in this minute and before, and the hours that were over by then."""
        due = [item for at_ms, item in self.pending if at_ms <= minute_ms]
        self.pending = [(at_ms, item) for at_ms, item in self.pending if at_ms > minute_ms]
        rows: dict[str, list[dict[str, Any]]] = {}
        hours: dict[int, tuple[set[int], int]] = {}
        for item in due:
            if isinstance(item, Row):
                rows.setdefault(item.table, []).append(item.values)
            else:
                known, _ = hours.get(item.log_partition, (set(), 0))
                hours[item.log_partition] = (known | set(item.hours_ms), item.through_ms)
        for table, batch in rows.items():
            assert self.store.insert(table, batch) == []
        for partition, (hours_ms, through_ms) in hours.items():
            self.store.rebuild_hours(partition, sorted(hours_ms), through_ms)
