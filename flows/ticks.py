"""The delivery flow's word on how far it has come: the low watermark and the positions of one process.

Progress arrives in-stream behind the records it speaks of, so when every source partition has said how far it is,
whatever is due earlier is either in a lane of this process (and known here) or has an outcome or a retry record.
"""

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from flows.room import Waiting
from flows.topic_sink import Output
from flows.topic_source import Progress
from flows.topics import EVENTS, OUTCOMES
from model.facts import Position, Tick, encode

SourcePart = tuple[str, int]


class TickBook:
    """Collects progress and makes a Tick when every source partition has reported anew. One per process."""

    def __init__(self, expected: Iterable[SourcePart], *, lanes: int, run: str, clock: Callable[[], int]) -> None:
        """``expected``: all source partitions; ``lanes``: how many get a copy of each progress item."""
        self._expected = frozenset(expected)
        self._lane_count = lanes
        self._run = run
        self._clock = clock
        self._progress: dict[SourcePart, Progress] = {}
        self._fresh: set[SourcePart] = set()
        self._arriving: dict[SourcePart, tuple[Progress, set[int]]] = {}
        self._lanes: list[Callable[[], Iterable[Waiting]]] = []

    def register(self, held: Callable[[], Iterable[Waiting]]) -> int:
        """Add a lane and return its number here; ``held`` gives everything it holds."""
        self._lanes.append(held)
        return len(self._lanes) - 1

    def note(self, lane: int, progress: Progress) -> Tick | None:
        """Take a lane's copy of a progress item; return a tick if this completes a round.

        Every lane gets a copy of each item. It counts once all lanes have theirs: then they have the records before
        it too.
        """
        part = (progress.topic, progress.partition)
        if part not in self._arriving or self._arriving[part][0] is not progress:
            self._arriving[part] = (progress, set())
        lanes = self._arriving[part][1]
        lanes.add(lane)
        # Not the lanes registered so far: the first lane to be made must not speak for those still to come, and one
        # restored from before the number of lanes was lowered gets no copies.
        if len(lanes) < self._lane_count:
            return None
        self._progress[part] = progress
        self._fresh.add(part)
        if self._fresh != self._expected:
            return None
        self._fresh.clear()
        return self._tick()

    def _tick(self) -> Tick:
        held = [waiting for lane in self._lanes for waiting in lane()]
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
            at_ms=self._clock(), run=self._run, worker="0", workers=1, watermark_ms=min(watermarks), positions=positions
        )


def tick_outputs(tick: Tick, partitions: int) -> list[Output]:
    """The tick for every partition of topic outcomes.

    Partition 0 gets all positions, for `waybill recover`; the others only those of events, which count what is unread.
    """
    events = tuple(position for position in tick.positions if position.topic == EVENTS)
    brief = encode(replace(tick, positions=events))
    return [Output(OUTCOMES, b"tick", brief if part else encode(tick), part) for part in range(partitions)]
