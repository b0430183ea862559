"""Aligns the epochs of a flow's processes, and keeps a process that waits for its peers from spinning.

Bytewax ends a process' epoch when it is a second old, whatever the other processes do. The process then reads nothing
until all processes have ended theirs and everything is written. Unaligned, a process that was once too busy to end its
epoch in time stays behind: in each epoch its peers read nothing for as long as it is behind, and Bytewax polls them at
full speed meanwhile.

A source can only choose when it is polled next. That is enough for both: polled when the peers are about to end their
epochs, a process ends its own with them; and it is not polled while it would only wait.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from bytewax.inputs import StatefulSourcePartition

Item = TypeVar("Item")
State = TypeVar("State")

EPOCH = timedelta(seconds=1)  # one flush and one snapshot a second; a crash sends up to this much again
EPOCH_MS = round(EPOCH.total_seconds() * 1_000)
PEER_WAIT_MS = 50  # the usual wait of a process whose peers end their epochs at the same time
WAITS = 4  # a process adjusts when this many waits in a row were longer
TIMING_ERROR_MS = 5  # uncertainty about when Bytewax acts
SHORTEST_SLEEP_MS = 5
LONGEST_DELAY_MS = 500
SKIP_EVERY_MS = 10_000


class EpochAligner:
    """Decides when this process ends its epochs, from what its partitions observe. All times are Unix ms of ``clock``.

    All processes resume together. Each aims to end its epoch one second later minus the usual peer wait. A process that
    was ahead of its peers ends the next epoch later, by as much as it was ahead.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._polled: set[object] = set()  # partitions polled in the current round
        self._poll_ms = 0
        self._wanted_ms = 0
        self._started_ms = 0  # the epoch started at this time at the earliest
        self._started_by_ms = 0  # and at this time at the latest; 0: not known, in the first epoch
        self._ended: set[object] = set()  # partitions whose epoch has ended
        self._ended_ms = 0
        self._resumed_ms = 0
        self._sleep_ms = 0
        self._skip_epoch = False
        self._skipped_ms = 0
        self._waits_ms = [0] * WAITS  # the last ones

    def on_poll(self, partition: object) -> bool:
        """Bytewax polls a partition; return True if it must emit nothing, because the epoch ends now.

        The first poll of an epoch always emits, even if the epoch is already due to end.
        """
        now_ms = self._clock()
        resumes = partition in self._ended
        if resumes:
            self._resume(now_ms)
        if partition in self._polled:
            self._polled.clear()
        if not self._polled:
            self._poll_ms = now_ms
        self._polled.add(partition)
        return not resumes and self._ends_now()

    def on_snapshot(self, partition: object) -> None:
        """Bytewax takes the snapshot that ends a partition's epoch."""
        now_ms = self._clock()
        if not self._ended:
            self._ended_ms = now_ms
        self._ended.add(partition)
        self._started_ms, self._started_by_ms = self._poll_ms, now_ms + 1

    def next_awake(self, wanted: datetime | None) -> datetime | None:
        """When Bytewax is to poll next, if the source wants to be polled at ``wanted`` (None: at once)."""
        if not self._started_by_ms:
            return wanted
        now_ms = self._clock()
        if self._skip_epoch:
            self._sleep_ms = 2 * EPOCH_MS - PEER_WAIT_MS
            return _time(self._poll_ms + self._sleep_ms)
        if self._ends_now():
            self._sleep_ms = max(SHORTEST_SLEEP_MS, min(self._waits_ms[-2:]) * 9 // 10)
            return _time(self._poll_ms + self._sleep_ms)
        wanted_ms = now_ms if wanted is None else round(wanted.timestamp() * 1_000)
        # Bytewax may poll later than asked, and then ends an epoch that is due.
        late_ms = min(max(0, self._poll_ms - self._wanted_ms), LONGEST_DELAY_MS)
        self._wanted_ms = wanted_ms
        if wanted_ms + late_ms < self._started_ms + EPOCH_MS - TIMING_ERROR_MS:
            return wanted
        # Three quarters of the shortest recent wait: a process that is always ahead moves back gradually.
        peer_wait_ms = max(PEER_WAIT_MS, min(self._waits_ms) * 3 // 4)
        return _time(max(self._started_by_ms, self._resumed_ms - peer_wait_ms) + EPOCH_MS)

    def _ends_now(self) -> bool:
        return bool(self._ended) or 0 < self._started_by_ms <= self._poll_ms - EPOCH_MS

    def _resume(self, now_ms: int) -> None:
        if self._skip_epoch:
            self._skip_epoch = False
            self._skipped_ms = now_ms
            self._waits_ms = [0] * WAITS
        else:
            waited_ms = now_ms - self._ended_ms
            # It waited for a whole epoch, so it would stay one epoch ahead of its peers and read almost nothing: skip
            # one epoch, so that they catch up. Not again at once: where all processes are that slow, none is ahead.
            lately = now_ms - self._skipped_ms < SKIP_EVERY_MS
            self._skip_epoch = waited_ms >= EPOCH_MS - TIMING_ERROR_MS and not lately
            slept_through = waited_ms <= self._sleep_ms + 1
            observed_ms = self._sleep_ms * 3 // 4 if slept_through else min(waited_ms, EPOCH_MS)
            self._waits_ms = [*self._waits_ms[1:], observed_ms]
        self._resumed_ms = now_ms
        self._ended.clear()
        self._polled.clear()


class AlignedPartition(StatefulSourcePartition[Item, State]):
    """A source partition whose epochs end together with those of the peers."""

    def __init__(self, partition: StatefulSourcePartition[Item, State], epochs: EpochAligner) -> None:
        self._partition = partition
        self._epochs = epochs
        self._finished = False

    def next_batch(self) -> Iterable[Item]:
        """Emit what the partition emits; nothing when the epoch is about to end."""
        if self._epochs.on_poll(self):
            return []
        try:
            return self._partition.next_batch()
        except StopIteration:
            self._finished = True
            raise

    def next_awake(self) -> datetime | None:
        """When the partition wants to be polled, adjusted to the epochs."""
        return self._epochs.next_awake(self._partition.next_awake())

    def snapshot(self) -> State:
        """The partition's."""
        if not self._finished:
            self._epochs.on_snapshot(self)
        return self._partition.snapshot()

    def close(self) -> None:
        """Release the partition."""
        self._partition.close()


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC)
