"""What windows count, and the ring buffers that hold it: slots of equal length, with sums updated as windows advance.

A ring buffer holds the slots of all its windows and those of one hour after their end, because clocks differ and a
window of 24 hours ends at the last full five minutes.
"""

from array import array
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from model.durations import DAY_MS, HOUR_MS, MINUTE_MS

FIVE_MINUTES_MS = 5 * MINUTE_MS
AHEAD_MS = HOUR_MS  # rows further ahead come from a wrong clock
DAY_SLOTS = DAY_MS // FIVE_MINUTES_MS


class Sum(IntEnum):
    """The sums of windows; the value is the index in a list of them."""

    RECEIVED_NOW = 0
    RECEIVED_BEFORE = 1  # the 24 hours before
    DELIVERED = 2
    NOT_DELIVERED = 3
    FILTERED = 4
    FIRST_OK_5_MINUTES = 5
    FIRST_OK_HOUR = 6
    FIRST_FAILED_5_MINUTES = 7
    FIRST_FAILED_HOUR = 8
    NOT_DELIVERED_HOUR = 9


class WindowSpan(NamedTuple):
    """A window: the slots from ``oldest`` back (included) to ``newest`` back (excluded) before the end."""

    sum: int
    newest: int
    oldest: int


class Measure:
    """One count: the length of its slots, and the windows it is summed over."""

    def __init__(self, number: int, step_ms: int, *spans: WindowSpan) -> None:
        self.number = number  # index in a list of ring buffers
        self.step_ms = step_ms
        self.spans = spans
        self.kept = max(span.oldest for span in spans)
        self.length = self.kept + AHEAD_MS // step_ms + 1  # plus the current slot

    def ring(self) -> "array[int]":
        """An empty ring buffer, of 4 bytes a slot."""
        return array("i", bytes(4 * self.length))

    def turn(self, ring: "array[int]", end: int, to_end: int) -> Iterator[tuple[int, int]]:
        """Move the end of the windows to slot ``to_end``. Yields (sum, difference) for each sum that changed."""
        length, kept = self.length, self.kept
        differences = [0] * len(self.spans)
        for slot in range(end, min(to_end, end + length)):  # after a full turn everything is zero
            for index, (_, newest, oldest) in enumerate(self.spans):
                differences[index] += ring[(slot - newest) % length] - ring[(slot - oldest) % length]
            ring[(slot - kept) % length] = 0
        for span, difference in zip(self.spans, differences, strict=True):
            if difference:
                yield span.sum, difference

    def sums(self, ring: "array[int]", end: int) -> Iterator[tuple[int, int]]:
        """Yield (sum, value) of each window, computed from its slots."""
        for span in self.spans:
            yield span.sum, sum(self.slots(ring, end, span))

    def slots(self, ring: "array[int]", end: int, span: WindowSpan) -> list[int]:
        """The counts of a window, oldest first."""
        return [ring[slot % self.length] for slot in range(end - span.oldest, end - span.newest)]


NOW = WindowSpan(Sum.RECEIVED_NOW, 0, DAY_SLOTS)
BEFORE = WindowSpan(Sum.RECEIVED_BEFORE, DAY_SLOTS, 2 * DAY_SLOTS)
RECEIVED = Measure(0, FIVE_MINUTES_MS, NOW, BEFORE)
DELIVERED = Measure(1, FIVE_MINUTES_MS, WindowSpan(Sum.DELIVERED, 0, DAY_SLOTS))
NOT_DELIVERED = Measure(2, FIVE_MINUTES_MS, WindowSpan(Sum.NOT_DELIVERED, 0, DAY_SLOTS))
FILTERED = Measure(3, FIVE_MINUTES_MS, WindowSpan(Sum.FILTERED, 0, DAY_SLOTS))
FIRST_OK = Measure(4, MINUTE_MS, WindowSpan(Sum.FIRST_OK_5_MINUTES, 0, 5), WindowSpan(Sum.FIRST_OK_HOUR, 0, 60))
FIRST_FAILED = Measure(
    5, MINUTE_MS, WindowSpan(Sum.FIRST_FAILED_5_MINUTES, 0, 5), WindowSpan(Sum.FIRST_FAILED_HOUR, 0, 60)
)
NOT_DELIVERED_BY_MINUTE = Measure(6, MINUTE_MS, WindowSpan(Sum.NOT_DELIVERED_HOUR, 0, 60))
MEASURES = (RECEIVED, DELIVERED, NOT_DELIVERED, FILTERED, FIRST_OK, FIRST_FAILED, NOT_DELIVERED_BY_MINUTE)
