"""The delivery flow's word on how far it has come: each lane's low watermark and positions.

Progress arrives in-stream behind the records it speaks of, and every lane gets a copy. When every source partition has
told a lane how far it is, whatever is due earlier is either in the lane (and known here), is another lane's business,
or has an outcome or a retry record. How far the flow has come is the least that any of its lanes says, in whichever
processes they are.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec.structs import replace

from flows.delivery.queue import Waiting
from flows.topics.interface import EVENTS, OUTCOMES
from flows.topics.sink import Output
from flows.topics.source import Progress
from model.recording.facts import Position, Tick, encode

SourcePart = tuple[str, int]


class LaneProgress(NamedTuple):
    """A lane's copy of a progress item."""

    lane: int
    progress: Progress


class LaneTicks:
    """Collects a lane's progress and makes its Tick when every source partition has reported anew."""

    def __init__(
        self,
        expected: Iterable[SourcePart],
        held: Callable[[], Iterable[Waiting]],
        *,
        lane: int,
        lanes: int,
        run: str,
        clock: Callable[[], int],
    ) -> None:
        """``expected``: all source partitions; ``held`` gives everything the lane holds."""
        self._expected = frozenset(expected)
        self._held = held
        self._lane = lane
        self._lanes = lanes
        self._run = run
        self._clock = clock
        self._progress: dict[SourcePart, Progress] = {}
        self._fresh: set[SourcePart] = set()

    def note(self, progress: Progress) -> Tick | None:
        """Take a progress item; return a tick if it completes a round."""
        part = (progress.topic, progress.partition)
        self._progress[part] = progress
        self._fresh.add(part)
        if self._fresh != self._expected:
            return None
        self._fresh.clear()
        return self._tick()

    def _tick(self) -> Tick:
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
        return Tick(
            at_ms=self._clock(),
            run=self._run,
            worker=str(self._lane),
            workers=self._lanes,
            watermark_ms=min(watermarks),
            positions=positions,
        )


def tick_outputs(tick: Tick, partitions: int) -> list[Output]:
    """The tick for every partition of topic outcomes.

    Partition 0 gets all positions, for `waybill recover`; the others only those of events, which count what is unread.
    """
    events = tuple(position for position in tick.positions if position.topic == EVENTS)
    brief = encode(replace(tick, positions=events))
    return [Output(OUTCOMES, b"tick", brief if part else encode(tick), part) for part in range(partitions)]
