"""Keeps the epochs of a flow's processes together, and a process that waits for the others from spinning.

Bytewax ends an epoch of a process when it is a second old, whatever the others do, and then lets the process read
nothing until all have ended theirs and all of it is written. Left alone, a process that was once busy when its epoch
should have ended stays behind for good: in each epoch the others read nothing for as long as it is behind, and spend
that time asking at full speed whether they may.

A source can only say when it wants to be asked again. That is enough for both: asked when the others are about to end
their epochs, a process ends its own with them; and it is not asked while it would wait in vain.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from bytewax.inputs import StatefulSourcePartition

Item = TypeVar("Item")
Position = TypeVar("Position")

EPOCH = timedelta(seconds=1)  # one flush and one snapshot a second; what is sent again after a crash is of this length
EPOCH_MS = round(EPOCH.total_seconds() * 1_000)
USUAL_WAIT_MS = 50  # a process whose peers end their epochs with it waits for this long or less, as a rule
WAITS = 4  # as many long ones in a row are what it takes here
SLACK_MS = 5  # how exactly it is known when Bytewax does something
SHORTEST_NAP_MS = 5
LONGEST_DELAY_MS = 500
SKIP_EVERY_MS = 10_000


class EpochAligner:
    """The epochs of this process, as its partitions see them go by. All times are Unix ms of ``clock``.

    All processes are let go on at the same moment. A second after it, less the usual wait, is when each tries to end
    its next epoch; one that was ahead ends it later than it might, by as much as it was ahead.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._polled: set[object] = set()  # in this look of Bytewax at the step
        self._poll_ms = 0
        self._wanted_ms = 0
        self._started_ms = 0  # not before
        self._started_by_ms = 0  # not after; 0: the first epoch, of which nothing is known
        self._ended: set[object] = set()  # their epoch has ended
        self._ended_ms = 0
        self._resumed_ms = 0
        self._nap_ms = 0
        self._skip_epoch = False
        self._skipped_ms = 0
        self._waits_ms = [0] * WAITS  # the last ones

    def on_poll(self, partition: object) -> bool:
        """Bytewax asks for records; whether to give it none, because the epoch ends now.

        Some are given in each epoch, even in one that ends when it has hardly begun.
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
        """Bytewax takes the snapshot with which a partition's epoch ends."""
        now_ms = self._clock()
        if not self._ended:
            self._ended_ms = now_ms
        self._ended.add(partition)
        self._started_ms, self._started_by_ms = self._poll_ms, now_ms + 1

    def next_awake(self, wanted: datetime | None) -> datetime | None:
        """When to be asked again, if the source wants to be at ``wanted`` (None: at once)."""
        if not self._started_by_ms:
            return wanted
        now_ms = self._clock()
        if self._skip_epoch:
            self._nap_ms = 2 * EPOCH_MS - USUAL_WAIT_MS
            return _time(self._poll_ms + self._nap_ms)
        if self._ends_now():
            self._nap_ms = max(SHORTEST_NAP_MS, min(self._waits_ms[-2:]) * 9 // 10)
            return _time(self._poll_ms + self._nap_ms)
        wanted_ms = now_ms if wanted is None else round(wanted.timestamp() * 1_000)
        # Bytewax may look later than asked to, and then it ends whatever is over.
        late_ms = min(max(0, self._poll_ms - self._wanted_ms), LONGEST_DELAY_MS)
        self._wanted_ms = wanted_ms
        if wanted_ms + late_ms < self._started_ms + EPOCH_MS - SLACK_MS:
            return wanted
        # Three quarters: if it is always ahead, it is a little less so each time.
        usual_ms = max(USUAL_WAIT_MS, min(self._waits_ms) * 3 // 4)
        return _time(max(self._started_by_ms, self._resumed_ms - usual_ms) + EPOCH_MS)

    def _ends_now(self) -> bool:
        return bool(self._ended) or 0 < self._started_by_ms <= self._poll_ms - EPOCH_MS

    def _resume(self, now_ms: int) -> None:
        if self._skip_epoch:
            self._skip_epoch = False
            self._skipped_ms = now_ms
            self._waits_ms = [0] * WAITS
        else:
            waited_ms = now_ms - self._ended_ms
            # While it waited, the next epoch came to its end as well. One ahead of the others it would be for good, and
            # read next to nothing: so it lets them have theirs. But where all are that slow, nobody is ahead.
            lately = now_ms - self._skipped_ms < SKIP_EVERY_MS
            self._skip_epoch = waited_ms >= EPOCH_MS - SLACK_MS and not lately
            slept_through = waited_ms <= self._nap_ms + 1
            known_ms = self._nap_ms * 3 // 4 if slept_through else min(waited_ms, EPOCH_MS)
            self._waits_ms = [*self._waits_ms[1:], known_ms]
        self._resumed_ms = now_ms
        self._ended.clear()
        self._polled.clear()


class AlignedPartition(StatefulSourcePartition[Item, Position]):
    """A partition of a source whose process keeps step with its peers."""

    def __init__(self, partition: StatefulSourcePartition[Item, Position], epochs: EpochAligner) -> None:
        self._partition = partition
        self._epochs = epochs
        self._at_end = False

    def next_batch(self) -> Iterable[Item]:
        """Give out what the partition does, but nothing more when the epoch ends."""
        if self._epochs.on_poll(self):
            return []
        try:
            return self._partition.next_batch()
        except StopIteration:
            self._at_end = True
            raise

    def next_awake(self) -> datetime | None:
        """As the partition wants, as far as the epochs allow it."""
        return self._epochs.next_awake(self._partition.next_awake())

    def snapshot(self) -> Position:
        """The partition's."""
        if not self._at_end:
            self._epochs.on_snapshot(self)
        return self._partition.snapshot()

    def close(self) -> None:
        """Release the partition."""
        self._partition.close()


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC)
