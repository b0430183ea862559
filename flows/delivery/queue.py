"""The queue of one destination in this process: what is sent next, in which batches, and what is requeued."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from flows.delivery.circuit import CircuitBreaker
from model.delivery.delivery import Delivery, Wait
from model.destinations.destination import BatchLimits

SLOWEST_RATE_PER_SECOND = 1.0  # lower bound of the measured rate, so that requeued deliveries come due in bounded time
FARTHEST_SLOT_MS = 600_000  # a requeued delivery of a recovered destination is retried within ten minutes
SHORT_PAUSE_MS = 1_000  # deliveries stay queued during a pause up to this long
BEHIND_AFTER_MS = 2_000  # a queue younger than this is a burst, and the destination's rate is not measured yet
MAX_REQUEUED = 128  # per call: 5 ms of work, during which the worker does nothing else
IN_TIME_MS = 5_000  # a delivery that will be sent within this time is not requeued to free memory
MOST_PASSED = 1_000  # deliveries skipped when looking for ones that fit the batch, or for the most promising probe


@dataclass(slots=True, eq=False)
class QueuedDelivery:
    """A delivery in a queue, and the record it was read from: positions advance once it is finished."""

    delivery: Delivery
    topic: str
    partition: int
    offset: int
    arrived_ms: int
    started: bool = False  # a call has started: after a crash, sending it again may duplicate it
    shard: int | None = None  # the shard it was routed to; None: the one its destination's name hashes to
    blocked_ms: int = 0  # while queued: the circuit's blocked time at arrival; once started: how long it was blocked
    queue: "DestinationQueue | None" = None  # the queue it is in, or was in until its call started

    def __reduce__(self) -> tuple[type["QueuedDelivery"], tuple[Delivery, str, int, int, int, bool, int | None]]:
        # Only new deliveries cross processes: `blocked_ms` and `queue` are not set yet.
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
    """A delivery to be moved to a retry topic, with the reason and when it is due."""

    queued: QueuedDelivery
    code: str
    due_at_ms: int
    wait: Wait


class DestinationQueue:
    """Picks the deliveries to send now, groups them into batches, and gives requeued ones a due time."""

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
        self._behind = False  # the destination did not keep up and has not caught up since
        self._made_way_ms = 0  # when a delivery was last requeued because of that
        self._slot_ms = 0.0
        self._rate_per_second = float(concurrency)  # until measured: one call a second on each connection
        self._settled_since_ms = 0
        self._quiet_since_ms = 0
        self._settled = 0

    @property
    def idle(self) -> bool:
        """Nothing is queued."""
        return not self._queued

    @property
    def in_flight(self) -> int:
        """Batches being sent."""
        return self._in_flight

    def __len__(self) -> int:
        return len(self._queued)

    def add(self, queued: QueuedDelivery, now_ms: int, *, first: bool = False) -> None:
        """Queue a delivery; ``first``: at the head, because its batch was sent and the response did not cover it."""
        queued.started = False
        queued.queue = self
        queued.blocked_ms = self.circuit.blocked_ms(now_ms)
        if first:
            self._queued.appendleft(queued)
        else:
            self._queued.append(queued)
        self._queued_bytes += queued.delivery.size_bytes

    def start(self, now_ms: int) -> list[list[QueuedDelivery]]:
        """Remove and return the batches to send now, oldest deliveries first.

        A batch that is not full waits until its first delivery reaches the maximum age; until then it stays in the
        queue. Deliveries limited to small batches, because larger ones failed, are not mixed with unlimited ones. While
        the circuit probes, the batch is the single delivery with the fewest failed calls.
        """
        if not self._queued:
            return []
        free = self.circuit.allowed(now_ms, self._in_flight)
        if free and self._in_flight == 0:
            # Time without any call (idle or paused) does not count towards the measured rate.
            self._settled_since_ms += now_ms - self._quiet_since_ms
        started: list[list[QueuedDelivery]] = []
        while len(started) < free and self._queued and self._batch_is_due(now_ms):
            started.append(self._take_batch(now_ms))
        self._in_flight += len(started)
        if started:
            self.circuit.calls_started(now_ms, len(started))
        return started

    def finished(self, settled: list[QueuedDelivery], *, calls: int, now_ms: int, paced: bool) -> None:
        """Record a finished batch: the deliveries with a result, and how many calls it took.

        ``paced``: the calls reflect the destination's normal speed, so they count towards its measured rate.
        """
        self._in_flight -= 1
        self._quiet_since_ms = now_ms
        if not self._queued and now_ms >= max(self.circuit.paused_until_ms, self._made_way_ms + BEHIND_AFTER_MS):
            self._behind = False  # the queue drained by sending, not by requeueing
        if calls > 1:
            # The circuit allowed one call; the others count against the rate limit too.
            self.circuit.calls_started(now_ms, calls - 1)
        if paced:
            self._measure(now_ms, len(settled))

    def requeue(self, now_ms: int, *, over_share: int, make_room: bool) -> list[Requeue]:
        """Remove the deliveries to move to a retry topic, up to `MAX_REQUEUED` per call.

        - over its share of the budget: the newest ones beyond what can be sent in time;
        - ``make_room`` (other destinations need the memory): everything during a pause; while probing, all but one
          batch; of a slow destination, the newest ones beyond what can be sent in time;
        - in any case: everything during a long pause, and whatever was queued longer than the maximum wait.

        A destination that keeps up requeues nothing, however large the burst.
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
            # Otherwise a failed probe would requeue a second's worth at once, and no events would be read meanwhile.
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
        """Remove and return the deliveries for which ``gone`` is true."""
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
        """Apply changed settings: a new circuit in the same state, because earlier evidence may no longer hold."""
        circuit.state = self.circuit.state
        self.circuit = circuit
        self._batching = batching
        self._max_age_ms = round(batching.max_age_seconds * 1_000)
        for queued in self._queued:
            queued.blocked_ms = 0

    def queued(self) -> list[QueuedDelivery]:
        """The queued deliveries; the shard tracks those in flight."""
        return list(self._queued)

    def _oldest_waited_ms(self, now_ms: int) -> int:
        return now_ms - self._queued[0].arrived_ms if self._queued else 0

    def _late_ms(self, now_ms: int) -> int:
        # While its batch may still fill, a delivery is not late.
        filling_ms = self._max_age_ms if self._batching.max_events > 1 else 0
        return self._oldest_waited_ms(now_ms) - filling_ms

    def _is_behind(self, now_ms: int) -> bool:
        # Sticky: otherwise memory would fill again after each requeue until the queue is late once more.
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
        """Move the delivery with the fewest calls to the head, so that a bad event is not the only probe."""
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
        # Requeued deliveries come due one after another at the measured rate. Otherwise the whole backlog would be read
        # and requeued again every second.
        earliest = max(now_ms + 1_000, self.circuit.paused_until_ms)
        if now_ms < self.circuit.paused_until_ms:
            # At least one more pause length from now, so that deliveries are not read and requeued at every probe of a
            # destination that stays down; the longer the pause, the rarer.
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
