"""A queue: one destination's deliveries in this process, waiting and on their way, kept apart from all others."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from flows.delivery.circuit import CircuitBreaker
from model.delivery.delivery import Delivery, Wait
from model.destinations.destination import BatchLimits

SLOWEST_RATE_PER_SECOND = 1.0  # however slow a destination, what is put back comes due in a bounded time
FARTHEST_SLOT_MS = 600_000  # a recovered destination is tried again after ten minutes at the latest
SHORT_PAUSE_MS = 1_000  # a pause of this length is sat out
BEHIND_AFTER_MS = 2_000  # before this, much that waits is a burst, and the destination's pace hardly known
MAX_REQUEUED = 128  # at a time: 5 ms of work, in which nothing else is done for anybody
IN_TIME_MS = 5_000  # a delivery that has its turn within this time need not make way
MOST_PASSED = 1_000  # deliveries passed over in search of others for a batch, or of one that is likely to be taken


@dataclass(slots=True, eq=False)
class QueuedDelivery:
    """A delivery in a queue, and the record it was read from (for `settled` positions)."""

    delivery: Delivery
    topic: str
    partition: int
    offset: int
    arrived_ms: int
    started: bool = False  # a call was begun: after a crash it may be a possible duplicate
    shard: int | None = None  # where it was sent; None: to that of its destination's name
    blocked_ms: int = 0  # the circuit's reading on arrival; from the start on, the time it was kept out
    queue: "DestinationQueue | None" = None  # where it waits, or waited until its call began

    def __reduce__(self) -> tuple[type["QueuedDelivery"], tuple[Delivery, str, int, int, int, bool, int | None]]:
        # It has just arrived.
        return QueuedDelivery, (
            self.delivery,
            self.topic,
            self.partition,
            self.offset,
            self.arrived_ms,
            self.started,
            self.shard,
        )


@dataclass(frozen=True, slots=True)
class Requeue:
    """A delivery that must not wait here any longer."""

    queued: QueuedDelivery
    code: str
    due_at_ms: int
    wait: Wait


class DestinationQueue:
    """Decides which deliveries are called now and with which others, and when those put back come due."""

    def __init__(
        self, destination: str, circuit: CircuitBreaker, *, concurrency: int, batching: BatchLimits, max_wait_ms: int
    ) -> None:
        self.destination = destination
        self.circuit = circuit
        self._batching = batching
        self._max_age_ms = round(batching.max_age_seconds * 1_000)
        self._max_wait_ms = max_wait_ms
        self._queued: deque[QueuedDelivery] = deque()
        self._queued_bytes = 0
        self._in_flight = 0
        self._behind = False  # it did not keep up, and has not caught up since
        self._made_way_ms = 0  # when something was last put back because of that
        self._slot_ms = 0.0
        self._rate_per_second = float(concurrency)  # until measured: one call a second on each connection
        self._settled_since_ms = 0
        self._quiet_since_ms = 0
        self._settled = 0

    @property
    def idle(self) -> bool:
        """Nothing waits for a call."""
        return not self._queued

    @property
    def in_flight(self) -> int:
        """Shipments under way."""
        return self._in_flight

    def __len__(self) -> int:
        return len(self._queued)

    def add(self, queued: QueuedDelivery, now_ms: int, *, first: bool = False) -> None:
        """Queue a delivery; ``first``: before all others, because it had its turn and its call told nothing of it."""
        queued.started = False
        queued.queue = self
        queued.blocked_ms = self.circuit.blocked_ms(now_ms)
        if first:
            self._queued.appendleft(queued)
        else:
            self._queued.append(queued)
        self._queued_bytes += queued.delivery.size_bytes

    def start(self, now_ms: int) -> list[list[QueuedDelivery]]:
        """Take out the deliveries to call now, oldest first, each list for one call.

        Where the destination takes batches, one that is not full waits until its first delivery is of age: the queue
        itself is the batch in the making. Deliveries that may only be in small batches, since larger ones failed, are
        kept apart from those that may be in any, and one call alone tries what has failed least.
        """
        if not self._queued:
            return []
        free = self.circuit.allowed(now_ms, self._in_flight)
        if free and self._in_flight == 0:
            # Time in which nothing was under way (idle, paused) says nothing about the destination's pace.
            self._settled_since_ms += now_ms - self._quiet_since_ms
        started: list[list[QueuedDelivery]] = []
        while len(started) < free and self._queued and self._batch_is_due(now_ms):
            started.append(self._take_batch(now_ms))
        self._in_flight += len(started)
        if started:
            self.circuit.calls_started(now_ms, len(started))
        return started

    def finished(self, settled: list[QueuedDelivery], *, calls: int, now_ms: int, paced: bool) -> None:
        """Note the end of a batch_result: the deliveries it settled, with how many calls.

        ``paced``: it tells how fast the destination is.
        """
        self._in_flight -= 1
        self._quiet_since_ms = now_ms
        if not self._queued and now_ms >= max(self.circuit.paused_until_ms, self._made_way_ms + BEHIND_AFTER_MS):
            self._behind = False  # and not because all that waited was put back
        if calls > 1:
            self.circuit.calls_started(
                now_ms, calls - 1
            )  # more than was asked for: they count against the rate limit too
        if paced:
            self._measure(now_ms, len(settled))

    def requeue(self, now_ms: int, *, over_share: int, make_room: bool) -> list[Requeue]:
        """Take out what must not wait here any longer, a part at a time.

        Newest first: what the destination holds beyond its share and, where others want the memory (``make_room``),
        what cannot have its turn soon: all of it during a pause, of a slow destination what is too far back at the
        pace it shows, and while single calls try whether it takes events again, all but what one call takes. Oldest
        first: what has waited longer than a queue may keep a delivery.

        A destination that keeps up puts nothing back, however much of it comes at once.
        """
        pause_ms = self.circuit.paused_until_ms - now_ms
        in_time = int(self._rate_per_second * IN_TIME_MS / 1_000)
        requeued: list[tuple[QueuedDelivery, str, Wait]] = []
        if over_share and self._oldest_waited_ms(now_ms) >= BEHIND_AFTER_MS:
            count = min(over_share, max(0, len(self._queued) - in_time), MAX_REQUEUED)
            requeued = [self._pop_newest("OVER_SHARE", Wait.QUEUE) for _ in range(count)]
        if pause_ms > (SHORT_PAUSE_MS if make_room else self._max_wait_ms):
            while self._queued and len(requeued) < MAX_REQUEUED:
                requeued.append((self._popped(self._queued.popleft()), self.circuit.requeue_code, Wait.LIMIT))
        elif make_room and self.circuit.probing:
            # Or a second's worth would be put back in one go when the call fails, and nothing be read meanwhile.
            while len(self._queued) > self._batching.max_events and len(requeued) < MAX_REQUEUED:
                requeued.append(self._pop_newest(self.circuit.requeue_code, Wait.LIMIT))
        elif make_room and self._is_behind(now_ms):
            while len(self._queued) > max(self._batching.max_events, in_time) and len(requeued) < MAX_REQUEUED:
                requeued.append(self._pop_newest("WAITED_TOO_LONG", Wait.QUEUE))
                self._made_way_ms = now_ms
        late = "RATE_LIMITED" if self.circuit.rate_limited else "WAITED_TOO_LONG"
        while self._queued and self._late_ms(now_ms) >= self._max_wait_ms and len(requeued) < MAX_REQUEUED:
            requeued.append((self._popped(self._queued.popleft()), late, Wait.QUEUE))
        blocked_ms = self.circuit.blocked_ms(now_ms)
        for queued, _, _ in requeued:
            queued.blocked_ms = blocked_ms - queued.blocked_ms
        return [Requeue(queued, code, self._next_slot_ms(now_ms), wait) for queued, code, wait in requeued]

    def take_if(self, gone: Callable[[QueuedDelivery], bool], now_ms: int) -> list[QueuedDelivery]:
        """Take out what waits here in vain."""
        here, self._queued = self._queued, deque()
        taken = []
        blocked_ms = self.circuit.blocked_ms(now_ms)
        for queued in here:
            if gone(queued):
                queued.blocked_ms = blocked_ms - queued.blocked_ms
                taken.append(self._popped(queued))
            else:
                self._queued.append(queued)
        return taken

    def reopen(self, circuit: CircuitBreaker, batching: BatchLimits) -> None:
        """Go on with new settings: what was found out about the destination may no longer be so."""
        circuit.state = self.circuit.state
        self.circuit = circuit
        self._batching = batching
        self._max_age_ms = round(batching.max_age_seconds * 1_000)
        for queued in self._queued:
            queued.blocked_ms = 0

    def queued(self) -> list[QueuedDelivery]:
        """What waits (what is on its way is known to the shard)."""
        return list(self._queued)

    def _oldest_waited_ms(self, now_ms: int) -> int:
        return now_ms - self._queued[0].arrived_ms if self._queued else 0

    def _late_ms(self, now_ms: int) -> int:
        # While its batch may still fill, a delivery does not wait for its turn yet.
        filling_ms = self._max_age_ms if self._batching.max_events > 1 else 0
        return self._oldest_waited_ms(now_ms) - filling_ms

    def _is_behind(self, now_ms: int) -> bool:
        # Remembered: to find it out again after each time of putting back, memory would fill with what has no chance.
        self._behind = self._behind or self._late_ms(now_ms) >= BEHIND_AFTER_MS
        return self._behind

    def _batch_is_due(self, now_ms: int) -> bool:
        limits = self._batching
        return (
            self._max_age_ms == 0
            or self._queued[0].delivery.batch_limit == 1
            or len(self._queued) >= limits.max_events
            or self._queued_bytes >= limits.max_bytes
            or now_ms - self._queued[0].arrived_ms >= self._max_age_ms
        )

    def _take_batch(self, now_ms: int) -> list[QueuedDelivery]:
        if self.circuit.one_at_a_time:
            self._bring_forward()
        first = self._queued[0].delivery
        most = min(first.batch_limit or self._batching.max_events, self._batching.max_events)
        if self.circuit.one_at_a_time:
            most = 1
        blocked_ms = self.circuit.blocked_ms(now_ms)
        batch: list[QueuedDelivery] = []
        passed: list[QueuedDelivery] = []
        size_bytes = 0
        while self._queued and len(batch) < most and len(passed) < MOST_PASSED:
            if self._queued[0].delivery.batch_limit != first.batch_limit:
                passed.append(self._queued.popleft())
                continue
            size_bytes += self._queued[0].delivery.size_bytes
            if batch and size_bytes > self._batching.max_bytes:
                break
            queued = self._popped(self._queued.popleft())
            queued.started = True
            queued.blocked_ms = blocked_ms - queued.blocked_ms
            batch.append(queued)
        self._queued.extendleft(reversed(passed))
        return batch

    def _bring_forward(self) -> None:
        """Put the delivery with the fewest calls first: one that fails by itself must not be all that is tried."""
        near = list(islice(self._queued, MOST_PASSED))
        place = min(range(len(near)), key=lambda at: near[at].delivery.calls)
        if place:
            del self._queued[place]
            self._queued.appendleft(near[place])

    def _pop_newest(self, code: str, wait: Wait) -> tuple[QueuedDelivery, str, Wait]:
        return self._popped(self._queued.pop()), code, wait

    def _popped(self, queued: QueuedDelivery) -> QueuedDelivery:
        self._queued_bytes -= queued.delivery.size_bytes
        return queued

    def _next_slot_ms(self, now_ms: int) -> int:
        # Put-back deliveries come due one after another at the pace the destination has shown, so that a backlog
        # returns as a stream and is not read and put back again as a whole each second.
        earliest = max(now_ms + 1_000, self.circuit.paused_until_ms)
        if now_ms < self.circuit.paused_until_ms:
            # As long again as the pause: when its end finds the destination no better, they are not read and put back
            # at every probe, and the longer it lasts, the rarer.
            earliest = max(earliest, now_ms + self.circuit.pause_ms)
        self._slot_ms = max(self._slot_ms, earliest) + 1_000 / self._rate_per_second
        self._slot_ms = min(self._slot_ms, max(earliest, now_ms + FARTHEST_SLOT_MS))
        return int(self._slot_ms)

    def _measure(self, now_ms: int, deliveries: int) -> None:
        self._settled += deliveries
        elapsed_ms = now_ms - self._settled_since_ms
        if elapsed_ms >= 1_000:
            rate = self._settled * 1_000 / elapsed_ms
            self._rate_per_second = max(SLOWEST_RATE_PER_SECOND, rate)
            self._settled = 0
            self._settled_since_ms = now_ms
