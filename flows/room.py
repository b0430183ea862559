"""A room: one destination's deliveries in this process, waiting and on their way, kept apart from all others."""

from collections import deque
from dataclasses import dataclass

from model.delivery import Delivery
from model.failure import FailureClass

SLOWEST_RATE_PER_SECOND = 1.0  # however slow a destination, what is put back comes due in a bounded time
FARTHEST_SLOT_MS = 600_000  # a recovered destination is tried again after ten minutes at the latest


@dataclass(slots=True, eq=False)
class Waiting:
    """A delivery in a room, and the record it was read from (for `settled` positions)."""

    delivery: Delivery
    topic: str
    partition: int
    offset: int
    arrived_ms: int
    started: bool = False  # a call was begun: after a crash it may be a possible duplicate


class Room:
    """Decides which deliveries may be called now, and when those put back come due. Time is passed in."""

    def __init__(self, destination: str, *, concurrency: int, max_wait_ms: int) -> None:
        self.destination = destination
        self._concurrency = concurrency
        self._max_wait_ms = max_wait_ms
        self._waiting: deque[Waiting] = deque()
        self._in_flight = 0
        self._paused_until_ms = 0
        self._probing = False  # after a setup failure: one call at a time until one gets through
        self._slot_ms = 0.0
        self._rate_per_second = float(concurrency)  # until measured: one call a second on each connection
        self._settled_since_ms = 0
        self._quiet_since_ms = 0
        self._settled = 0

    def __len__(self) -> int:
        return len(self._waiting) + self._in_flight

    @property
    def idle(self) -> bool:
        """Nothing waits for a call."""
        return not self._waiting

    def add(self, waiting: Waiting) -> None:
        """Queue a delivery."""
        self._waiting.append(waiting)

    def start(self, now_ms: int) -> list[Waiting]:
        """Take out the deliveries to call now, oldest first."""
        if now_ms < self._paused_until_ms:
            return []
        if self._waiting and self._in_flight == 0:
            # Time in which nothing was under way (idle, paused) says nothing about the destination's pace.
            self._settled_since_ms += now_ms - self._quiet_since_ms
        limit = 1 if self._probing else self._concurrency
        started = []
        while self._waiting and self._in_flight < limit:
            waiting = self._waiting.popleft()
            waiting.started = True
            self._in_flight += 1
            started.append(waiting)
        return started

    def finished(self, failure: FailureClass, *, now_ms: int, pause_ms: int) -> None:
        """Note the end of one call. Throttling pauses the room; after a setup failure one call at a time may try."""
        self._in_flight -= 1
        self._quiet_since_ms = now_ms
        if failure not in {FailureClass.THROTTLE, FailureClass.SETUP} and not self._probing:
            self._measure(now_ms)  # refusals and lone probes say nothing about the pace to come
        if failure is FailureClass.THROTTLE:
            self._paused_until_ms = max(self._paused_until_ms, now_ms + pause_ms)
        elif failure is FailureClass.SETUP:
            self._paused_until_ms = now_ms + pause_ms
            self._probing = True
        else:
            self._probing = False

    def put_back(self, now_ms: int, over_share: int) -> list[tuple[Waiting, str, int]]:
        """Take out what must not wait here any longer, as (delivery, reason code, due_at_ms).

        That is: newest first what the destination holds beyond its share, and oldest first what has waited, or will
        have to wait, longer than a room may keep a delivery.
        """
        spilled = []
        for _ in range(min(over_share, len(self._waiting))):
            spilled.append((self._waiting.pop(), "OVER_SHARE"))
        pause_ends_late = self._paused_until_ms - now_ms > self._max_wait_ms
        while self._waiting and (pause_ends_late or now_ms - self._waiting[0].arrived_ms >= self._max_wait_ms):
            spilled.append((self._waiting.popleft(), "PAUSED" if pause_ends_late else "WAITED_TOO_LONG"))
        return [(waiting, code, self._next_slot_ms(now_ms)) for waiting, code in spilled]

    def held(self) -> list[Waiting]:
        """What waits (what is on its way is known to the lane)."""
        return list(self._waiting)

    @property
    def paused_until_ms(self) -> int:
        """No call starts before this moment."""
        return self._paused_until_ms

    def _next_slot_ms(self, now_ms: int) -> int:
        # Put-back deliveries come due one after another at the pace the destination has shown, so that a backlog
        # returns as a stream and is not read and put back again as a whole each second.
        earliest = max(now_ms + 1_000, self._paused_until_ms)
        self._slot_ms = max(self._slot_ms, earliest) + 1_000 / self._rate_per_second
        self._slot_ms = min(self._slot_ms, max(earliest, now_ms + FARTHEST_SLOT_MS))
        return int(self._slot_ms)

    def _measure(self, now_ms: int) -> None:
        self._settled += 1
        elapsed_ms = now_ms - self._settled_since_ms
        if elapsed_ms >= 1_000:
            rate = self._settled * 1_000 / elapsed_ms
            self._rate_per_second = max(SLOWEST_RATE_PER_SECOND, rate)
            self._settled = 0
            self._settled_since_ms = now_ms
