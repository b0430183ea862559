"""The in-flight budget of a process: how many deliveries and bytes it may hold, and each destination's share.

The sources stop reading while the budget is used up, so overload delays events instead of exhausting memory. Only then
does a destination over its fair share requeue what it has queued: one slow destination cannot stop the others from
being read, and a burst that every destination keeps up with requeues nothing.
"""

from collections.abc import Callable
from math import ceil

from model.durations import MINUTE_MS

ACTIVE_FOR_MS = MINUTE_MS  # a destination has a share for this long after its last delivery


class InFlightBudget:
    """Counts deliveries and bytes from when a shard takes them until their result or requeue. One per process."""

    def __init__(self, *, max_deliveries: int, max_bytes: int, clock: Callable[[], int]) -> None:
        self._max_deliveries = max_deliveries
        self._max_bytes = max_bytes
        # Reading resumes when an eighth is free: each batch has a fixed cost, so reading a few records at a time would
        # be most expensive under the highest load.
        self._least_read = max(1, max_deliveries // 8)
        self._clock = clock
        self._deliveries = 0
        self._bytes = 0
        self._by_destination: dict[str, int] = {}
        self._bytes_by_destination: dict[str, int] = {}
        self._last_taken_ms: dict[str, int] = {}

    def take(self, destination: str, size_bytes: int) -> None:
        """Add a delivery."""
        self._deliveries += 1
        self._bytes += size_bytes
        self._by_destination[destination] = self._by_destination.get(destination, 0) + 1
        self._bytes_by_destination[destination] = self._bytes_by_destination.get(destination, 0) + size_bytes
        self._last_taken_ms[destination] = self._clock()

    def release(self, destination: str, size_bytes: int) -> None:
        """Subtract a delivery."""
        self._deliveries -= 1
        self._bytes -= size_bytes
        self._by_destination[destination] -= 1
        self._bytes_by_destination[destination] -= size_bytes

    @property
    def free(self) -> int:
        """How many more deliveries may be read now; 0: stop reading."""
        free = self._max_deliveries - self._deliveries
        if self._bytes >= self._max_bytes or free < self._least_read:
            return 0
        return free

    @property
    def deliveries(self) -> int:
        """How many are held now."""
        return self._deliveries

    def others_than(self, destination: str) -> bool:
        """Whether other destinations are active. If not, a destination that stops reading delays nobody else."""
        oldest = self._clock() - ACTIVE_FOR_MS
        return any(name != destination and taken_ms >= oldest for name, taken_ms in self._last_taken_ms.items())

    def over_share(self, destination: str) -> int:
        """How many deliveries the destination holds beyond its share while the budget is used up; else 0."""
        if self.free > 0 or not self.others_than(destination):
            return 0
        oldest = self._clock() - ACTIVE_FOR_MS
        active = max(1, sum(1 for taken_ms in self._last_taken_ms.values() if taken_ms >= oldest))
        count = self._by_destination.get(destination, 0)
        size_bytes = self._bytes_by_destination.get(destination, 0)
        over_bytes = max(0, size_bytes - self._max_bytes // active)
        # Convert excess bytes to a count by mean size: with large events the byte budget binds first.
        over_by_size = ceil(over_bytes * count / size_bytes) if over_bytes else 0
        return max(0, count - self._max_deliveries // active, over_by_size)
