"""Watermark reports: how far the delivery flow has come, as each shard's low watermark and positions.

Progress items arrive in the stream behind the records they cover, and every shard gets a copy. Once every source
partition has reported to a shard, each delivery due before the watermark is held by this shard (and known here), is
held by another shard, or has an outcome or a retry record. The flow's watermark is the minimum over its shards, in
whichever processes they are.
"""

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from flows.delivery.queue import QueuedDelivery
from flows.topics.interface import EVENTS, OUTCOMES
from flows.topics.sink import OutgoingRecord
from flows.topics.source import SourceProgress
from model.recording.facts import Position, WatermarkReport, encode

SourcePart = tuple[str, int]


class WatermarkReporter:
    """Collects a shard's progress and returns a `WatermarkReport` each time every source partition has reported."""

    def __init__(
        self,
        expected: Iterable[SourcePart],
        unfinished: Callable[[], Iterable[QueuedDelivery]],
        *,
        shard: int,
        shards: int,
        run: str,
        clock: Callable[[], int],
    ) -> None:
        """``expected``: all source partitions; ``unfinished`` returns the deliveries the shard holds."""
        self._expected = frozenset(expected)
        self._unfinished = unfinished
        self._shard = shard
        self._shards = shards
        self._run = run
        self._clock = clock
        self._progress: dict[SourcePart, SourceProgress] = {}
        self._fresh: set[SourcePart] = set()

    def note(self, progress: SourceProgress) -> WatermarkReport | None:
        """Record a progress item; return a report if every partition has reported since the last one."""
        part = (progress.topic, progress.partition)
        self._progress[part] = progress
        self._fresh.add(part)
        if self._fresh != self._expected:
            return None
        self._fresh.clear()
        return self._report()

    def _report(self) -> WatermarkReport:
        unfinished = list(self._unfinished())
        watermarks = [progress.watermark_ms for progress in self._progress.values()]
        watermarks.extend(queued.delivery.due_at_ms for queued in unfinished)
        settled = {part: progress.position for part, progress in self._progress.items()}
        for queued in unfinished:
            part = (queued.topic, queued.partition)
            settled[part] = min(settled.get(part, queued.offset), queued.offset)
        positions = tuple(
            Position(
                topic=topic,
                partition=partition,
                position=progress.position,
                end=progress.end,
                settled=settled[topic, partition],
            )
            for (topic, partition), progress in sorted(self._progress.items())
        )
        return WatermarkReport(
            at_ms=self._clock(),
            run=self._run,
            shard=str(self._shard),
            shards=self._shards,
            watermark_ms=min(watermarks),
            positions=positions,
        )


def watermark_records(report: WatermarkReport, partitions: int) -> list[OutgoingRecord]:
    """The report, for every partition of topic outcomes.

    Partition 0 gets all positions, for `waybill recover`; the others only those of events, to count unread events.
    """
    events = tuple(position for position in report.positions if position.topic == EVENTS)
    brief = encode(replace(report, positions=events))
    return [
        OutgoingRecord(OUTCOMES, b"watermark", brief if part else encode(report), part) for part in range(partitions)
    ]
