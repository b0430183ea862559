"""A shard: the state key of the delivery flow. It owns the queues of the destinations hashed to it.

Few keys, polled often (design 5.4): calls run on the process' call loop, and `on_notify` takes what has finished.
What is in flight is part of the snapshot, so after kill -9 it is sent again rather than lost.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from typing import Any

from bytewax.operators import StatefulBatchLogic
from msgspec.structs import replace

from flows.delivery.circuit import Change, CircuitState
from flows.delivery.context import ShardContext
from flows.delivery.http_loop import Finished
from flows.delivery.queue import DestinationQueue, QueuedDelivery, Requeue
from flows.delivery.results import no_longer_sent, requeue, returned, settle, state_change
from flows.delivery.router import ShardItem
from flows.delivery.watermarks import ShardProgress, WatermarkReporter, watermark_records
from flows.engine.clock import next_poll
from flows.engine.error_capture import capture_errors
from flows.topics.sink import OutgoingRecord
from flows.workspace.compiled import CompiledWorkspace
from model.delivery.delivery import Delivery, Wait
from model.delivery.error_groups import ErrorGroups
from model.events.ids import shard_of
from model.http.failure import FailureClass

SNAPSHOT_VERSION = 1
BUSY_POLL_MS = 5  # calls are under way
WAIT_POLL_MS = 20  # deliveries wait for a pause to end, a batch to fill or a share to free up
STOP_WAIT_MS = 10_000  # how long a clean stop waits for calls in flight

log = logging.getLogger("waybill")


class Shard(StatefulBatchLogic[list[ShardItem], list[OutgoingRecord], dict[str, Any]]):
    """Takes deliveries in, makes their calls, and gives out facts, retry records and dead letters."""

    def __init__(self, context: ShardContext, resume_state: dict[str, Any] | None) -> None:
        self._context = context
        self._configuration = context.configuration()
        self._queues: dict[str, DestinationQueue] = {}
        self._groups = ErrorGroups()
        self._in_flight: set[QueuedDelivery] = set()  # a crash can leave two records of one delivery, so not by its id
        self._finished: deque[Finished] = deque()
        self._restored: list[OutgoingRecord] = []
        self._number: int | None = None  # Bytewax does not say
        self._reporter: WatermarkReporter | None = None
        if resume_state is not None:
            self._restore(resume_state)

    @capture_errors
    def on_batch(self, values: list[list[ShardItem]]) -> tuple[Iterable[list[OutgoingRecord]], bool]:
        """Queue deliveries and begin calls; pass facts through."""
        outputs = self._take_restored()
        # What comes was routed by the version in force or by an earlier one, and must not be judged by an older one.
        outputs.extend(self._keep_up())
        for item in chain.from_iterable(values):
            if isinstance(item, QueuedDelivery):
                shard = shard_of(item.delivery.destination, self._context.shards) if item.shard is None else item.shard
                self._begin_as(shard)
                outputs.extend(self._take(item))
            elif isinstance(item, ShardProgress):
                outputs.extend(self._report_progress(item))
            else:
                outputs.append(item)
        outputs.extend(self._work())
        return _together(outputs), StatefulBatchLogic.RETAIN

    @capture_errors
    def on_notify(self) -> tuple[Iterable[list[OutgoingRecord]], bool]:
        """Take finished calls and begin the next ones."""
        outputs = self._take_restored()
        outputs.extend(self._work())
        return _together(outputs), StatefulBatchLogic.RETAIN

    @capture_errors
    def on_eof(self) -> tuple[Iterable[list[OutgoingRecord]], bool]:
        """A clean stop: wait for the calls in flight; what has not begun stays in the snapshot."""
        context = self._context
        outputs = self._take_restored()
        if context.stop_deadline_ms is None:
            context.stop_deadline_ms = context.clock() + STOP_WAIT_MS
        while self._in_flight and context.clock() < context.stop_deadline_ms:
            outputs.extend(self._settle_finished())
            time.sleep(0.001)
        outputs.extend(self._settle_finished())
        return _together(outputs), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """Soon while something is held; with nothing held the shard sleeps until the next batch."""
        if self._in_flight or self._restored:
            return next_poll(BUSY_POLL_MS)
        if any(not queue.idle for queue in self._queues.values()):
            return next_poll(WAIT_POLL_MS)
        return None

    @capture_errors
    def snapshot(self) -> dict[str, Any]:
        """Everything held, as plain values."""
        return {
            "v": SNAPSHOT_VERSION,
            "shard": self._number,
            "shards": self._context.shards,
            "held": [
                (waiting.delivery.to_record(), waiting.topic, waiting.partition, waiting.offset, waiting.started)
                for waiting in self._held()
            ],
            "conditions": {
                name: str(queue.circuit.condition) for name, queue in self._queues.items() if queue.circuit.probing
            },
            "evidence": {name: queue.circuit.evidence() for name, queue in self._queues.items()},
            "groups": self._groups.to_state(),
        }

    def _begin_as(self, number: int) -> bool:
        """Know which shard it is, before it does anything; whether the run before ended cleanly, if this is news."""
        if self._number is not None:
            return False
        self._number = number
        return self._context.open_shard(number)

    def _report_progress(self, item: ShardProgress) -> list[OutgoingRecord]:
        self._begin_as(item.shard)
        if self._reporter is None:
            self._reporter = self._context.watermark_reporter(item.shard, self._held)
        report = self._reporter.note(item.progress)
        return [] if report is None else watermark_records(report, self._context.outcomes_partitions)

    def _held(self) -> list[QueuedDelivery]:
        held = list(self._in_flight)
        for queue in self._queues.values():
            held.extend(queue.held())
        return held

    def _restore(self, state: dict[str, Any]) -> None:
        if state["v"] != SNAPSHOT_VERSION:
            raise ValueError(f"a shard's snapshot has version {state['v']}; this Waybill reads {SNAPSHOT_VERSION}")
        now_ms = self._context.clock()
        # One that was not told which shard it is holds nothing; one of before there were several processes may.
        crashed = state.get("shard") is None or not self._begin_as(state["shard"])
        # With another number of shards its destinations may be another's, and this shard may be one that is no more; so
        # may one of before there were several processes, when shards had other keys.
        moved = state.get("shards") != self._context.shards
        self._groups = ErrorGroups.from_state(state.get("groups"))
        conditions, evidence = state.get("conditions", {}), state.get("evidence", {})
        for name in conditions.keys() | evidence.keys():
            if name in self._configuration.used:
                self._queue(name).circuit.restore(conditions.get(name, CircuitState.OK), evidence.get(name))
            elif name in conditions:
                self._restored.append(self._off(name, now_ms))
        for record, topic, partition, offset, started in state["held"]:
            delivery = Delivery.from_record(record)
            # After a crash anything may have been begun after the snapshot; after a clean stop only what says so.
            delivery = replace(
                delivery,
                replayed=delivery.replayed or crashed,
                resent=delivery.resent or started or crashed,
            )
            waiting = QueuedDelivery(delivery, topic, partition, offset, arrived_ms=now_ms)
            if moved:
                back = Requeue(waiting, "SHARDS_CHANGED", now_ms, Wait.QUEUE)
                self._restored.extend(requeue(self._context, back, now_ms, ""))
            else:
                self._restored.extend(self._take(waiting))

    def _take_restored(self) -> list[OutgoingRecord]:
        outputs, self._restored = self._restored, []
        return outputs

    def _queue(self, destination: str) -> DestinationQueue:
        queue = self._queues.get(destination)
        if queue is None:
            queue = self._queues[destination] = self._context.queue(destination, self._configuration)
        return queue

    def _take(self, waiting: QueuedDelivery, *, first: bool = False) -> list[OutgoingRecord]:
        context, delivery, now_ms = self._context, waiting.delivery, self._context.clock()
        off = self._configuration.off(delivery)
        if off is not None:
            again_ms = context.removals.look_again_ms(delivery, now_ms)
            if again_ms is None:
                return no_longer_sent(context, delivery, off)
            return requeue(context, Requeue(waiting, off, again_ms, Wait.LIMIT), now_ms, "")
        name = self._configuration.today(delivery.destination)
        if self._number not in {None, shard_of(name, context.shards)}:  # who routed it knows another version
            return requeue(context, Requeue(waiting, "SHARDS_CHANGED", now_ms, Wait.QUEUE), now_ms, "")
        context.budget.take(name, delivery.size_bytes)
        self._queue(name).add(waiting, now_ms, first=first)
        return []

    def _work(self) -> list[OutgoingRecord]:
        outputs = self._settle_finished()
        outputs.extend(self._keep_up())
        now_ms = self._context.clock()
        for queue in self._queues.values():
            if not queue.idle:
                outputs.extend(self._requeue(queue, now_ms))
                self._begin(queue.start(now_ms))
            outputs.extend(self._changes(queue, now_ms))
        return outputs

    def _begin(self, groups: list[list[QueuedDelivery]]) -> None:
        if groups:
            for group in groups:
                self._in_flight.update(group)
            self._context.calls.begin(groups, self._finished)

    def _settle_finished(self) -> list[OutgoingRecord]:
        outputs: list[OutgoingRecord] = []
        while self._finished:
            outputs.extend(self._settle(self._finished.popleft()))
        return outputs

    def _settle(self, finished: Finished) -> list[OutgoingRecord]:
        context = self._context
        outputs: list[OutgoingRecord] = []
        queue = finished.group[0].queue
        assert queue is not None
        now_ms = finished.batch_result.deliveries[-1].finished_ms
        paced = bool(finished.batch_result.calls) and not queue.circuit.probing
        for call in finished.batch_result.calls:
            paced = paced and call.failure not in {FailureClass.THROTTLE, FailureClass.SETUP}
            queue.circuit.ended(
                call.failure,
                now_ms=now_ms,
                took_ms=call.took_ms,
                code=call.code,
                message=call.message,
                retry_after_ms=call.retry_after_ms,
                answered=call.answered,
                delivery=call.delivery,
                failed_since_ms=call.failed_since_ms,
                others=queue.in_flight - 1,
            )
        settled: list[QueuedDelivery] = []
        again: list[QueuedDelivery] = []
        for waiting, result in zip(finished.group, finished.batch_result.deliveries, strict=True):
            self._in_flight.discard(waiting)
            context.budget.settle(queue.destination, waiting.delivery.size_bytes)
            if result.again:
                waiting.delivery, waiting.blocked_ms = returned(waiting, result), 0
                again.append(waiting)
            else:
                settled.append(waiting)
                outputs.extend(settle(context, self._groups, waiting, result))
        queue.finished(settled, calls=len(finished.batch_result.calls), now_ms=now_ms, paced=paced)
        for waiting in reversed(again):  # it is their turn still, in their order
            outputs.extend(self._take(waiting, first=True))
        return outputs

    def _requeue(self, queue: DestinationQueue, now_ms: int) -> list[OutgoingRecord]:
        budget = self._context.budget
        outputs: list[OutgoingRecord] = []
        make_room = budget.free == 0 or budget.others_than(queue.destination)
        for back in queue.requeue(now_ms, over_share=budget.over_share(queue.destination), make_room=make_room):
            budget.settle(queue.destination, back.waiting.delivery.size_bytes)
            outputs.extend(requeue(self._context, back, now_ms, queue.circuit.reason))
        return outputs

    def _changes(self, queue: DestinationQueue, now_ms: int) -> list[OutgoingRecord]:
        changes = queue.circuit.changes()
        for change in changes:
            if change.condition is CircuitState.SETUP:
                log.warning("destination %s needs a person: %s %s", queue.destination, change.code, change.message)
        return [state_change(self._context, queue.destination, change, now_ms) for change in changes]

    def _keep_up(self) -> list[OutgoingRecord]:
        """Go on with the version of the workspace in force."""
        configuration = self._context.configuration()
        return [] if configuration is self._configuration else self._reconfigure(configuration)

    def _reconfigure(self, configuration: CompiledWorkspace) -> list[OutgoingRecord]:
        """A changed workspace: what waits goes where it says; changed destinations start afresh."""
        previous, self._configuration = self._configuration, configuration
        self._context.removals.changed(configuration)
        now_ms = self._context.clock()
        outputs: list[OutgoingRecord] = []
        for queue in list(self._queues.values()):
            name = queue.destination
            setup, before = configuration.destinations.get(name), previous.destinations.get(name)
            if name not in configuration.used:
                del self._queues[name]
                if queue.circuit.probing:
                    outputs.append(self._off(name, now_ms))
            elif setup is not None and before is not None and setup.destination != before.destination:
                queue.reopen(self._context.circuit(name, configuration), setup.batching)
            for waiting in queue.take_if(lambda waiting, queue=queue: not self._belongs(waiting, queue), now_ms):  # type: ignore[misc]
                self._context.budget.settle(name, waiting.delivery.size_bytes)
                outputs.extend(self._take(waiting))
        return outputs

    def _belongs(self, waiting: QueuedDelivery, queue: DestinationQueue) -> bool:
        """Whether a delivery waits in the queue of its destination, and may."""
        name = self._configuration.today(waiting.delivery.destination)
        return self._queues.get(name) is queue and self._configuration.off(waiting.delivery) is None

    def _off(self, destination: str, now_ms: int) -> OutgoingRecord:
        """What was said of a destination is over: nothing is sent to it any more."""
        return state_change(self._context, destination, Change(CircuitState.OFF, "", "", 0), now_ms)


def _together(outputs: list[OutgoingRecord]) -> list[list[OutgoingRecord]]:
    """As one item of the stream, if there is any: Bytewax has its price for each."""
    return [outputs] if outputs else []
