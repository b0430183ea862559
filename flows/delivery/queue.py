"""The queue of one destination in this process: what is sent next, in which batches, and what is requeued."""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

import msgspec
from msgspec.structs import replace

from flows.delivery.circuit import CallResult, CircuitBreaker
from flows.workspace.compiled import CompiledDestination
from model.delivery.delivery import Delivery, Wait
from model.delivery.failure_window import FailureWindow
from model.http.failure import FailureClass

SLOWEST_RATE_PER_SECOND = 1.0  # lower bound of the measured rate, so that requeued deliveries come due in bounded time
FARTHEST_SLOT_MS = 600_000  # a requeued delivery of a recovered destination is retried within ten minutes
SHORT_PAUSE_MS = 1_000  # deliveries stay queued during a pause up to this long
BEHIND_AFTER_MS = 2_000  # a queue younger than this is a burst, and the destination's rate is not measured yet
MAX_REQUEUED = 128  # per call: 5 ms of work, during which the worker does nothing else
IN_TIME_MS = 5_000  # a delivery that will be sent within this time is not requeued to free memory
MOST_SKIPPED = 1_000  # deliveries skipped when looking for ones that fit the batch, or for the most promising probe

_NOT_PACED = {FailureClass.THROTTLE, FailureClass.SETUP}


class QueuedDelivery(msgspec.Struct, frozen=True, eq=False):
    """A delivery of a shard, and the record it was read from: positions advance once it is finished."""

    delivery: Delivery
    topic: str
    partition: int
    offset: int
    arrived_ms: int
    blocked_before_ms: int = 0  # its circuit's blocked time when it joined the queue


class Batch(msgspec.Struct, frozen=True, eq=False):
    """Deliveries that left a queue together, to be sent in one request.

    A call with them has started: after a crash, sending them again may duplicate them.
    """

    queue: "DestinationQueue"
    deliveries: tuple[QueuedDelivery, ...]


class Requeue(msgspec.Struct, frozen=True):
    """A delivery to be moved to a retry topic, with the reason and when it is due."""

    queued: QueuedDelivery
    code: str
    due_at_ms: int
    wait: Wait


class DestinationQueue:
    """Picks the deliveries to send now, groups them into batches, and gives requeued ones a due time."""

    def __init__(self, destination: str, setup: CompiledDestination, *, setup_probe_ms: int, max_wait_ms: int) -> None:
        self.destination = destination
        self._setup_probe_ms = setup_probe_ms
        self._max_wait_ms = max_wait_ms
        self._configure(setup)
        self._queued: deque[QueuedDelivery] = deque()
        self._queued_bytes = 0
        self._in_flight = 0
        self._behind = False  # the destination did not keep up and has not caught up since
        self._requeued_behind_ms = 0  # when a delivery was last requeued because of that
        self._slot_ms = 0.0
        # Until it is measured: one call a second on each connection.
        self._rate_per_second = float(setup.destination.concurrency)
        self._measured_since_ms = 0
        self._quiet_since_ms = 0
        self._measured = 0  # deliveries with a result since then

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
        blocked_ms = self.circuit.blocked_ms(now_ms)
        if queued.blocked_before_ms != blocked_ms:
            queued = replace(queued, blocked_before_ms=blocked_ms)
        if first:
            self._queued.appendleft(queued)
        else:
            self._queued.append(queued)
        self._queued_bytes += queued.delivery.size_bytes

    def start(self, now_ms: int) -> list[Batch]:
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
            self._measured_since_ms += now_ms - self._quiet_since_ms
        started: list[Batch] = []
        while len(started) < free and self._queued and self._batch_is_due(now_ms):
            started.append(self._next_batch(self.circuit.blocked_ms(now_ms)))
        self._in_flight += len(started)
        if started:
            self.circuit.calls_started(now_ms, len(started))
        return started

    def finished(self, calls: Sequence[CallResult], *, results: int, now_ms: int) -> None:
        """Record the calls of a finished batch, and how many of its deliveries have a result."""
        # Only calls at the destination's normal speed count towards its measured rate.
        paced = bool(calls) and not self.circuit.probing
        for call in calls:
            paced = paced and call.failure not in _NOT_PACED
            self.circuit.call_finished(call, now_ms=now_ms, others=self._in_flight - 1)
        self._in_flight -= 1
        self._quiet_since_ms = now_ms
        if not self._queued and now_ms >= max(self.circuit.paused_until_ms, self._requeued_behind_ms + BEHIND_AFTER_MS):
            self._behind = False  # the queue drained by sending, not by requeueing
        if len(calls) > 1:
            # The circuit allowed one call; the others count against the rate limit too.
            self.circuit.calls_started(now_ms, len(calls) - 1)
        if paced:
            self._measure(now_ms, results)

    def requeue(self, now_ms: int, *, over_share: int, memory_needed: bool) -> list[Requeue]:
        """Remove the deliveries to move to a retry topic, up to `MAX_REQUEUED` per call.

        - over its share of the budget: the newest ones beyond what can be sent in time;
        - ``memory_needed`` (other destinations need the memory): everything during a pause; while probing, all but one
          batch; of a slow destination, the newest ones beyond what can be sent in time;
        - in any case: everything during a long pause, and whatever was queued longer than the maximum wait.

        A destination that keeps up requeues nothing, however large the burst.
        """
        pause_ms = self.circuit.paused_until_ms - now_ms
        in_time = int(self._rate_per_second * IN_TIME_MS / 1_000)
        blocked_ms = self.circuit.blocked_ms(now_ms)
        requeued: list[Requeue] = []

        def move(code: str, wait: Wait, *, newest: bool = False) -> None:
            queued = self._queued.pop() if newest else self._queued.popleft()
            requeued.append(Requeue(self._removed(queued, blocked_ms), code, self._next_slot_ms(now_ms), wait))

        if over_share and self._oldest_waited_ms(now_ms) >= BEHIND_AFTER_MS:
            for _ in range(min(over_share, max(0, len(self._queued) - in_time), MAX_REQUEUED)):
                move("OVER_SHARE", Wait.QUEUE, newest=True)
        if pause_ms > (SHORT_PAUSE_MS if memory_needed else self._max_wait_ms):
            while self._queued and len(requeued) < MAX_REQUEUED:
                move(self.circuit.requeue_code, Wait.LIMIT)
        elif memory_needed and self.circuit.probing:
            # Otherwise a failed probe would requeue a second's worth at once, and no events would be read meanwhile.
            while len(self._queued) > self._batching.max_events and len(requeued) < MAX_REQUEUED:
                move(self.circuit.requeue_code, Wait.LIMIT, newest=True)
        elif memory_needed and self._is_behind(now_ms):
            while len(self._queued) > max(self._batching.max_events, in_time) and len(requeued) < MAX_REQUEUED:
                move("WAITED_TOO_LONG", Wait.QUEUE, newest=True)
                self._requeued_behind_ms = now_ms
        late = "RATE_LIMITED" if self.circuit.rate_limited else "WAITED_TOO_LONG"
        while self._queued and self._late_ms(now_ms) >= self._max_wait_ms and len(requeued) < MAX_REQUEUED:
            move(late, Wait.QUEUE)
        return requeued

    def remove_if(self, unwanted: Callable[[QueuedDelivery], bool], now_ms: int) -> list[QueuedDelivery]:
        """Remove and return the deliveries for which ``unwanted`` is true."""
        before, self._queued = self._queued, deque()
        removed = []
        for queued in before:
            if unwanted(queued):
                removed.append(self._removed(queued, self.circuit.blocked_ms(now_ms)))
            else:
                self._queued.append(queued)
        return removed

    def reconfigure(self, setup: CompiledDestination, now_ms: int) -> None:
        """Apply changed settings: a new circuit in the same state, because earlier evidence may no longer hold."""
        former = self.circuit
        self._configure(setup)
        self.circuit.continue_from(former, now_ms)

    def queued(self) -> list[QueuedDelivery]:
        """The deliveries that wait; those in flight are in the shard's batches."""
        return list(self._queued)

    def _configure(self, setup: CompiledDestination) -> None:
        self.circuit = CircuitBreaker(
            concurrency=setup.destination.concurrency,
            setup_probe_ms=self._setup_probe_ms,
            calls_per_second=setup.destination.calls_per_second,
            breaker=FailureWindow(setup.breaker) if setup.breaker else None,
        )
        self._batching = setup.batching
        self._max_age_ms = round(setup.batching.max_age_seconds * 1_000)

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

    def _next_batch(self, blocked_ms: int) -> Batch:
        most = self._batching.max_events
        if self.circuit.one_at_a_time:
            self._bring_forward()
            most = 1
        first = self._queued[0].delivery
        most = min(first.batch_limit or most, most)
        batch: list[QueuedDelivery] = []
        skipped: list[QueuedDelivery] = []
        size_bytes = 0
        while self._queued and len(batch) < most and len(skipped) < MOST_SKIPPED:
            delivery = self._queued[0].delivery
            if delivery.batch_limit != first.batch_limit:
                skipped.append(self._queued.popleft())
                continue
            size_bytes += delivery.size_bytes
            if batch and size_bytes > self._batching.max_bytes:
                break
            batch.append(self._removed(self._queued.popleft(), blocked_ms))
        self._queued.extendleft(reversed(skipped))
        return Batch(self, tuple(batch))

    def _bring_forward(self) -> None:
        """Move the delivery with the fewest calls to the head, so that a bad event is not the only probe."""
        near = list(islice(self._queued, MOST_SKIPPED))
        place = min(range(len(near)), key=lambda at: near[at].delivery.calls)
        if place:
            del self._queued[place]
            self._queued.appendleft(near[place])

    def _removed(self, queued: QueuedDelivery, blocked_ms: int) -> QueuedDelivery:
        """Subtract a delivery that left the queue; returns it with the time for which the circuit held it back."""
        delivery = queued.delivery
        self._queued_bytes -= delivery.size_bytes
        held_back_ms = blocked_ms - queued.blocked_before_ms
        if not held_back_ms:
            return queued
        delivery = replace(delivery, limit_wait_ms=delivery.limit_wait_ms + held_back_ms)
        return replace(queued, delivery=delivery, blocked_before_ms=0)

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
        self._measured += deliveries
        elapsed_ms = now_ms - self._measured_since_ms
        if elapsed_ms >= 1_000:
            rate = self._measured * 1_000 / elapsed_ms
            self._rate_per_second = max(SLOWEST_RATE_PER_SECOND, rate)
            self._measured = 0
            self._measured_since_ms = now_ms
