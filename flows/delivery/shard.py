"""A shard: a state key of the delivery flow, which owns the queues of the destinations hashed to it.

There are few shards, and each is polled often, because polling costs CPU per key: calls run on the process' HTTP loop,
and `on_notify` collects the completed batches. Deliveries in flight are part of the snapshot: after kill -9 they are
sent again rather than lost.
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

from flows.delivery.circuit import CircuitChange, CircuitState
from flows.delivery.context import ShardContext
from flows.delivery.http_loop import CompletedBatch
from flows.delivery.queue import DestinationQueue, QueuedDelivery, Requeue
from flows.delivery.results import apply_result, no_longer_sent, requeue, returned, state_change
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
BUSY_POLL_MS = 5  # while calls are in flight
WAIT_POLL_MS = 20  # while deliveries wait for the end of a pause, a full batch or a free call
STOP_WAIT_MS = 10_000  # how long a clean stop waits for calls in flight

log = logging.getLogger("waybill.delivery")


class Shard(StatefulBatchLogic[list[ShardItem], list[OutgoingRecord], dict[str, Any]]):
    """Queues deliveries, starts their calls, and emits facts, retry records and dead letters."""

    def __init__(self, context: ShardContext, resume_state: dict[str, Any] | None) -> None:
        self._context = context
        self._configuration = context.configuration()
        self._queues: dict[str, DestinationQueue] = {}
        self._groups = ErrorGroups()
        self._in_flight: set[QueuedDelivery] = set()  # not by id: a crash can leave two records of one delivery
        self._finished: deque[CompletedBatch] = deque()
        self._restored: list[OutgoingRecord] = []
        self._number: int | None = None  # Bytewax does not pass the key; known from the first item or the snapshot
        self._reporter: WatermarkReporter | None = None
        if resume_state is not None:
            self._restore(resume_state)

    @capture_errors
    def on_batch(self, values: list[list[ShardItem]]) -> tuple[Iterable[list[OutgoingRecord]], bool]:
        """Queue deliveries and start calls; pass facts through."""
        outputs = self._take_restored()
        # Items were routed by the active version of the workspace or an earlier one: this shard must not use an older.
        outputs.extend(self._use_current_workspace())
        for item in chain.from_iterable(values):
            if isinstance(item, QueuedDelivery):
                shard = shard_of(item.delivery.destination, self._context.shards) if item.shard is None else item.shard
                self._set_number(shard)
                outputs.extend(self._take(item))
            elif isinstance(item, ShardProgress):
                outputs.extend(self._report_progress(item))
            else:
                outputs.append(item)
        outputs.extend(self._work())
        return _as_items(outputs), StatefulBatchLogic.RETAIN

    @capture_errors
    def on_notify(self) -> tuple[Iterable[list[OutgoingRecord]], bool]:
        """Collect completed batches and start the next ones."""
        outputs = self._take_restored()
        outputs.extend(self._work())
        return _as_items(outputs), StatefulBatchLogic.RETAIN

    @capture_errors
    def on_eof(self) -> tuple[Iterable[list[OutgoingRecord]], bool]:
        """Stop cleanly: wait for the calls in flight; queued deliveries stay in the snapshot."""
        context = self._context
        outputs = self._take_restored()
        if context.stop_deadline_ms is None:
            context.stop_deadline_ms = context.clock() + STOP_WAIT_MS
        while self._in_flight and context.clock() < context.stop_deadline_ms:
            outputs.extend(self._apply_completed())
            time.sleep(0.001)
        outputs.extend(self._apply_completed())
        return _as_items(outputs), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """Soon while the shard holds deliveries; otherwise it sleeps until the next batch."""
        if self._in_flight or self._restored:
            return next_poll(BUSY_POLL_MS)
        if any(not queue.idle for queue in self._queues.values()):
            return next_poll(WAIT_POLL_MS)
        return None

    @capture_errors
    def snapshot(self) -> dict[str, Any]:
        """All unfinished deliveries and the evidence about destinations, as plain values."""
        return {
            "v": SNAPSHOT_VERSION,
            "shard": self._number,
            "shards": self._context.shards,
            "deliveries": [
                (queued.delivery.to_record(), queued.topic, queued.partition, queued.offset, queued.started)
                for queued in self._unfinished()
            ],
            "conditions": {
                name: str(queue.circuit.state) for name, queue in self._queues.items() if queue.circuit.probing
            },
            "evidence": {
                name: evidence
                for name, queue in self._queues.items()
                if (evidence := queue.circuit.evidence()) is not None
            },
            "groups": self._groups.to_state(),
        }

    def _set_number(self, number: int) -> bool:
        """Set the shard's number, if it is not set; return True if this was news and the last run stopped cleanly."""
        if self._number is not None:
            return False
        self._number = number
        return self._context.open_shard(number)

    def _report_progress(self, item: ShardProgress) -> list[OutgoingRecord]:
        self._set_number(item.shard)
        if self._reporter is None:
            self._reporter = self._context.reporter(item.shard, self._unfinished)
        report = self._reporter.note(item.progress)
        return [] if report is None else watermark_records(report, self._context.outcomes_partitions)

    def _unfinished(self) -> list[QueuedDelivery]:
        unfinished = list(self._in_flight)
        for queue in self._queues.values():
            unfinished.extend(queue.queued())
        return unfinished

    def _restore(self, state: dict[str, Any]) -> None:
        if state["v"] != SNAPSHOT_VERSION:
            raise ValueError(f"a shard's snapshot has version {state['v']}; this Waybill reads {SNAPSHOT_VERSION}")
        now_ms = self._context.clock()
        # A snapshot without a shard number is empty, unless it was written before multi-process support.
        crashed = state.get("shard") is None or not self._set_number(state["shard"])
        # If the shard count changed, destinations hash elsewhere: requeue everything restored.
        moved = state.get("shards") != self._context.shards
        self._groups = ErrorGroups.from_state(state.get("groups"))
        conditions, evidence = state.get("conditions", {}), state.get("evidence", {})
        for name in conditions.keys() | evidence.keys():
            if name in self._configuration.used:
                self._queue(name).circuit.restore(conditions.get(name, CircuitState.CLOSED), evidence.get(name))
            elif name in conditions:
                self._restored.append(self._report_off(name, now_ms))
        for record, topic, partition, offset, started in state["deliveries"]:
            delivery = Delivery.from_record(record)
            # After a crash any delivery may have been sent since the snapshot; after a clean stop only started ones.
            delivery = replace(
                delivery,
                replayed=delivery.replayed or crashed,
                resent=delivery.resent or started or crashed,
            )
            queued = QueuedDelivery(delivery, topic, partition, offset, arrived_ms=now_ms)
            if moved:
                back = Requeue(queued, "SHARDS_CHANGED", now_ms, Wait.QUEUE)
                self._restored.extend(requeue(self._context, back, now_ms, ""))
            else:
                self._restored.extend(self._take(queued))

    def _take_restored(self) -> list[OutgoingRecord]:
        outputs, self._restored = self._restored, []
        return outputs

    def _queue(self, destination: str) -> DestinationQueue:
        queue = self._queues.get(destination)
        if queue is None:
            queue = self._queues[destination] = self._context.queue(destination, self._configuration)
        return queue

    def _take(self, queued: QueuedDelivery, *, first: bool = False) -> list[OutgoingRecord]:
        context, delivery, now_ms = self._context, queued.delivery, self._context.clock()
        disabled_reason = self._configuration.disabled_reason(delivery)
        if disabled_reason is not None:
            again_ms = context.removals.recheck_at_ms(delivery, now_ms)
            if again_ms is None:
                return no_longer_sent(context, delivery, disabled_reason)
            return requeue(context, Requeue(queued, disabled_reason, again_ms, Wait.LIMIT), now_ms, "")
        name = self._configuration.current_id(delivery.destination)
        if self._number not in {None, shard_of(name, context.shards)}:  # routed by another version of the workspace
            return requeue(context, Requeue(queued, "SHARDS_CHANGED", now_ms, Wait.QUEUE), now_ms, "")
        context.budget.take(name, delivery.size_bytes)
        self._queue(name).add(queued, now_ms, first=first)
        return []

    def _work(self) -> list[OutgoingRecord]:
        outputs = self._apply_completed()
        outputs.extend(self._use_current_workspace())
        now_ms = self._context.clock()
        for queue in self._queues.values():
            if not queue.idle:
                outputs.extend(self._requeue(queue, now_ms))
                self._start_calls(queue.start(now_ms))
            outputs.extend(self._report_changes(queue, now_ms))
        return outputs

    def _start_calls(self, groups: list[list[QueuedDelivery]]) -> None:
        if groups:
            for group in groups:
                self._in_flight.update(group)
            self._context.calls.submit(groups, self._finished)

    def _apply_completed(self) -> list[OutgoingRecord]:
        outputs: list[OutgoingRecord] = []
        while self._finished:
            outputs.extend(self._apply(self._finished.popleft()))
        return outputs

    def _apply(self, finished: CompletedBatch) -> list[OutgoingRecord]:
        context = self._context
        outputs: list[OutgoingRecord] = []
        queue = finished.group[0].queue
        assert queue is not None
        now_ms = finished.batch_result.deliveries[-1].finished_ms
        paced = bool(finished.batch_result.calls) and not queue.circuit.probing
        for call in finished.batch_result.calls:
            paced = paced and call.failure not in {FailureClass.THROTTLE, FailureClass.SETUP}
            queue.circuit.call_finished(
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
        done: list[QueuedDelivery] = []
        again: list[QueuedDelivery] = []
        for queued, result in zip(finished.group, finished.batch_result.deliveries, strict=True):
            self._in_flight.discard(queued)
            context.budget.release(queue.destination, queued.delivery.size_bytes)
            if result.again:
                queued.delivery, queued.blocked_ms = returned(queued, result), 0
                again.append(queued)
            else:
                done.append(queued)
                outputs.extend(apply_result(context, self._groups, queued, result))
        queue.finished(done, calls=len(finished.batch_result.calls), now_ms=now_ms, paced=paced)
        for queued in reversed(again):  # at the head of the queue, in their original order
            outputs.extend(self._take(queued, first=True))
        return outputs

    def _requeue(self, queue: DestinationQueue, now_ms: int) -> list[OutgoingRecord]:
        budget = self._context.budget
        outputs: list[OutgoingRecord] = []
        make_room = budget.free == 0 or budget.others_than(queue.destination)
        for back in queue.requeue(now_ms, over_share=budget.over_share(queue.destination), make_room=make_room):
            budget.release(queue.destination, back.queued.delivery.size_bytes)
            outputs.extend(requeue(self._context, back, now_ms, queue.circuit.reason))
        return outputs

    def _report_changes(self, queue: DestinationQueue, now_ms: int) -> list[OutgoingRecord]:
        changes = queue.circuit.changes()
        for change in changes:
            if change.state is CircuitState.BLOCKED:
                log.warning(
                    "destination %(destination)s refuses every call: %(code)s %(error)s",
                    {"destination": queue.destination, "code": change.code, "error": change.message},
                )
        return [state_change(self._context, queue.destination, change, now_ms) for change in changes]

    def _use_current_workspace(self) -> list[OutgoingRecord]:
        """Switch to the active version of the workspace, if it changed."""
        configuration = self._context.configuration()
        return [] if configuration is self._configuration else self._reconfigure(configuration)

    def _reconfigure(self, configuration: CompiledWorkspace) -> list[OutgoingRecord]:
        """Apply a changed workspace: move or discard queued deliveries; changed destinations get a new circuit."""
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
                    outputs.append(self._report_off(name, now_ms))
            elif setup is not None and before is not None and setup.destination != before.destination:
                queue.reopen(self._context.circuit(name, configuration), setup.batching)
            for queued in queue.take_if(lambda queued, queue=queue: not self._is_well_placed(queued, queue), now_ms):  # type: ignore[misc]
                self._context.budget.release(name, queued.delivery.size_bytes)
                outputs.extend(self._take(queued))
        return outputs

    def _is_well_placed(self, queued: QueuedDelivery, queue: DestinationQueue) -> bool:
        """Whether a queued delivery is in its destination's queue and still to be sent."""
        name = self._configuration.current_id(queued.delivery.destination)
        return self._queues.get(name) is queue and self._configuration.disabled_reason(queued.delivery) is None

    def _report_off(self, destination: str, now_ms: int) -> OutgoingRecord:
        """Report that nothing is sent to a destination any more, which ends its earlier state."""
        return state_change(self._context, destination, CircuitChange(CircuitState.OFF, "", "", 0), now_ms)


def _as_items(outputs: list[OutgoingRecord]) -> list[list[OutgoingRecord]]:
    """All outputs as one stream item, or none: Bytewax has a fixed cost for each item."""
    return [outputs] if outputs else []
