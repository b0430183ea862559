"""What one process holds unsettled, and each destination's share of it: the budget that turns overload into waiting.

The sources of a process stop reading while the budget is used up. Only then does a destination over its fair share
put back ("requeue") what it has waiting, so one slow destination cannot keep the others from being read, while a
burst that every destination keeps up with causes no requeue at all.
"""

from collections.abc import Callable
from math import ceil

from model.durations import MINUTE_MS

ACTIVE_FOR_MS = MINUTE_MS  # a destination counts towards the shares for a minute after its last delivery


class InFlightBudget:
    """Counts deliveries and bytes from when a shard takes them until they are settled. One per process."""

    def __init__(self, *, max_deliveries: int, max_bytes: int, clock: Callable[[], int]) -> None:
        self._max_deliveries = max_deliveries
        self._max_bytes = max_bytes
        # Reading goes on when an eighth is free: every batch has its price, so a few at a time would cost the most
        # just when there is the most to do.
        self._least_read = max(1, max_deliveries // 8)
        self._clock = clock
        self._deliveries = 0
        self._bytes = 0
        self._by_destination: dict[str, int] = {}
        self._bytes_by_destination: dict[str, int] = {}
        self._last_taken_ms: dict[str, int] = {}

    def take(self, destination: str, size_bytes: int) -> None:
        """Count one delivery in."""
        self._deliveries += 1
        self._bytes += size_bytes
        self._by_destination[destination] = self._by_destination.get(destination, 0) + 1
        self._bytes_by_destination[destination] = self._bytes_by_destination.get(destination, 0) + size_bytes
        self._last_taken_ms[destination] = self._clock()

    def release(self, destination: str, size_bytes: int) -> None:
        """Count one delivery out."""
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
        """Whether other destinations take deliveries too. Alone, one that makes reading wait costs nobody anything."""
        oldest = self._clock() - ACTIVE_FOR_MS
        return any(name != destination and taken_ms >= oldest for name, taken_ms in self._last_taken_ms.items())

    def over_share(self, destination: str) -> int:
        """How many deliveries the destination holds beyond its share while the budget is used up; else 0."""
        if self.free > 0 or not self.others_than(destination):
            return 0
        oldest = self._clock() - ACTIVE_FOR_MS
        active = max(1, sum(1 for taken_ms in self._last_taken_ms.values() if taken_ms >= oldest))
        held = self._by_destination.get(destination, 0)
        held_bytes = self._bytes_by_destination.get(destination, 0)
        over_bytes = max(0, held_bytes - self._max_bytes // active)
        # Bytes over its share as deliveries of its mean size; with large events they are used up long before the count.
        return max(0, held - self._max_deliveries // active, ceil(over_bytes * held / held_bytes) if over_bytes else 0)
