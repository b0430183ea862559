"""The in-flight budget of a process: how many deliveries and bytes it may hold, and each destination's share.

The sources stop reading while the budget is used up, so overload delays events instead of exhausting memory. Only then
does a destination over its fair share requeue what it has queued: one slow destination cannot stop the others from
being read, and a burst that every destination keeps up with requeues nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from model.durations import MINUTE_MS

ACTIVE_FOR_MS = MINUTE_MS  # a destination has a share for this long after its last delivery


@dataclass(slots=True)
class _Held:
    deliveries: int = 0
    size_bytes: int = 0
    last_taken_ms: int = 0


class InFlightBudget:
    """Counts deliveries and bytes from when a shard takes them until their result or requeue. One per process."""

    def __init__(self, *, max_deliveries: int, max_bytes: int, clock: Callable[[], int]) -> None:
        self._max_deliveries = max_deliveries
        self._max_bytes = max_bytes
        # Reading resumes when an eighth is free: each batch has a fixed cost, so reading a few records at a time would
        # be most expensive under the highest load.
        self._least_read = max(1, max_deliveries // 8)
        self._clock = clock
        self._all = _Held()
        self._by_destination: dict[str, _Held] = {}

    def take(self, destination: str, size_bytes: int) -> None:
        """Add a delivery."""
        held = self._by_destination.get(destination)
        if held is None:
            held = self._by_destination[destination] = _Held()
        held.deliveries += 1
        held.size_bytes += size_bytes
        held.last_taken_ms = self._clock()
        self._all.deliveries += 1
        self._all.size_bytes += size_bytes

    def release(self, destination: str, size_bytes: int) -> None:
        """Subtract a delivery."""
        for held in (self._all, self._by_destination[destination]):
            held.deliveries -= 1
            held.size_bytes -= size_bytes

    @property
    def free(self) -> int:
        """How many more deliveries may be read now; 0: stop reading."""
        free = self._max_deliveries - self._all.deliveries
        if self._all.size_bytes >= self._max_bytes or free < self._least_read:
            return 0
        return free

    @property
    def deliveries(self) -> int:
        """How many are held now."""
        return self._all.deliveries

    def others_active(self, destination: str) -> bool:
        """Whether other destinations are active. If not, a destination that stops reading delays nobody else."""
        return bool(self._active() - {destination})

    def over_share(self, destination: str) -> int:
        """How many deliveries the destination holds beyond its share while the budget is used up; else 0."""
        held = self._by_destination.get(destination)
        if self.free > 0 or held is None or not self.others_active(destination):
            return 0
        active = len(self._active())
        over_bytes = max(0, held.size_bytes - self._max_bytes // active)
        # Convert excess bytes to a count by mean size: with large events the byte budget binds first.
        over_by_size = ceil(over_bytes * held.deliveries / held.size_bytes) if over_bytes else 0
        return max(0, held.deliveries - self._max_deliveries // active, over_by_size)

    def _active(self) -> set[str]:
        oldest_ms = self._clock() - ACTIVE_FOR_MS
        return {name for name, held in self._by_destination.items() if held.last_taken_ms >= oldest_ms}
