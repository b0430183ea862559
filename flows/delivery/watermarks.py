"""The delivery flow's word on how far it has come: each shard's low watermark and positions.

Progress arrives in-stream behind the records it speaks of, and every shard gets a copy. When every source partition has
told a shard how far it is, whatever is due earlier is either in the shard (and known here), is another shard's
business, or has an outcome or a retry record. How far the flow has come is the least that any of its shards says, in
whichever processes they are.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec.structs import replace

from flows.delivery.queue import QueuedDelivery
from flows.topics.interface import EVENTS, OUTCOMES
from flows.topics.sink import OutgoingRecord
from flows.topics.source import Progress
from model.recording.facts import Position, WatermarkReport, encode

SourcePart = tuple[str, int]


class ShardProgress(NamedTuple):
    """A shard's copy of a progress item."""

    shard: int
    progress: Progress


class WatermarkReporter:
    """Collects a shard's progress and makes its WatermarkReport when every source partition has reported anew."""

    def __init__(
        self,
        expected: Iterable[SourcePart],
        held: Callable[[], Iterable[QueuedDelivery]],
        *,
        shard: int,
        shards: int,
        run: str,
        clock: Callable[[], int],
    ) -> None:
        """``expected``: all source partitions; ``held`` gives everything the shard holds."""
        self._expected = frozenset(expected)
        self._held = held
        self._shard = shard
        self._shards = shards
        self._run = run
        self._clock = clock
        self._progress: dict[SourcePart, Progress] = {}
        self._fresh: set[SourcePart] = set()

    def note(self, progress: Progress) -> WatermarkReport | None:
        """Take a progress item; return a report if it completes a round."""
        part = (progress.topic, progress.partition)
        self._progress[part] = progress
        self._fresh.add(part)
        if self._fresh != self._expected:
            return None
        self._fresh.clear()
        return self._report()

    def _report(self) -> WatermarkReport:
        held = list(self._held())
        watermarks = [progress.watermark_ms for progress in self._progress.values()]
        watermarks.extend(waiting.delivery.due_at_ms for waiting in held)
        settled = {part: progress.position for part, progress in self._progress.items()}
        for waiting in held:
            part = (waiting.topic, waiting.partition)
            settled[part] = min(settled.get(part, waiting.offset), waiting.offset)
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
    """The report for every partition of topic outcomes.

    Partition 0 gets all positions, for `waybill recover`; the others only those of events, which count what is unread.
    """
    events = tuple(position for position in report.positions if position.topic == EVENTS)
    brief = encode(replace(report, positions=events))
    return [
        OutgoingRecord(OUTCOMES, b"watermark", brief if part else encode(report), part) for part in range(partitions)
    ]
