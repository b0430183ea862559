"""A shard: a state key of the delivery flow, which owns the queues of the destinations hashed to it.

There are few shards, and each is polled often, because polling costs CPU per key: calls run on the process' HTTP loop,
and `on_notify` collects the completed batches. Deliveries in flight are part of the snapshot: after kill -9 they are
sent again rather than lost.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from bytewax.operators import StatefulBatchLogic
from msgspec.structs import replace

from flows.delivery.circuit import CircuitChange, CircuitState
from flows.delivery.context import ShardContext
from flows.delivery.queue import Batch, DestinationQueue, QueuedDelivery, Requeue
from flows.delivery.results import apply_result, discard, requeue, state_change
from flows.delivery.routing.router import ShardItem
from flows.delivery.sending import CompletedBatch
from flows.delivery.watermarks import WatermarkReporter, watermark_records
from flows.engine.clock import next_poll
from flows.engine.error_capture import capture_errors
from flows.engine.sharding import ShardBatch
from flows.topics.sink import OutgoingRecord
from flows.topics.source import SourceProgress
from flows.workspace.compiled import CompiledWorkspace
from model.delivery.delivery import Delivery, Wait
from model.delivery.error_groups import ErrorGroups
from model.events.ids import shard_of

SNAPSHOT_VERSION = 1
BUSY_POLL_MS = 5  # while calls are in flight
WAIT_POLL_MS = 20  # while deliveries wait for the end of a pause, a full batch or a free call
STOP_WAIT_MS = 10_000  # how long a clean stop waits for calls in flight

log = logging.getLogger("waybill.delivery")


class Shard(StatefulBatchLogic[ShardBatch[ShardItem], list[OutgoingRecord], dict[str, Any]]):
    """Queues deliveries, starts their calls, and emits facts, retry records and dead letters."""

    def __init__(self, context: ShardContext, resume_state: dict[str, Any] | None) -> None:
        self._context = context
        self._configuration = context.configuration()
        self._queues: dict[str, DestinationQueue] = {}
        self._groups = ErrorGroups()
        self._in_flight: set[Batch] = set()
        self._completed: deque[CompletedBatch] = deque()  # appended to by the HTTP loop
        self._restored: list[OutgoingRecord] = []
        self._number: int | None = None  # Bytewax does not pass the key; known from the first batch or the snapshot
        self._reporter: WatermarkReporter | None = None
        if resume_state is not None:
            self._restore(resume_state)

    @capture_errors
    def on_batch(self, values: list[ShardBatch[ShardItem]]) -> tuple[Iterable[list[OutgoingRecord]], bool]:
        """Queue deliveries and start calls; pass facts through."""
        outputs = self._pop_restored()
        # Items were routed by the active version of the workspace or an earlier one: this shard must not use an older.
        outputs.extend(self._use_current_workspace())
        now_ms = self._context.clock()
        for batch in values:
            self._set_number(batch.shard)
            for item in batch:
                if isinstance(item, QueuedDelivery):
                    outputs.extend(self._enqueue(item, now_ms))
                elif isinstance(item, SourceProgress):
                    outputs.extend(self._report_progress(item))
                else:
                    outputs.append(item)
        outputs.extend(self._work())
        return _as_items(outputs), StatefulBatchLogic.RETAIN

    @capture_errors
    def on_notify(self) -> tuple[Iterable[list[OutgoingRecord]], bool]:
        """Collect completed batches and start the next ones."""
        outputs = self._pop_restored()
        outputs.extend(self._work())
        return _as_items(outputs), StatefulBatchLogic.RETAIN

    @capture_errors
    def on_eof(self) -> tuple[Iterable[list[OutgoingRecord]], bool]:
        """Stop cleanly: wait for the calls in flight; queued deliveries stay in the snapshot."""
        context = self._context
        outputs = self._pop_restored()
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
                (queued.delivery.to_record(), queued.topic, queued.partition, queued.offset, started)
                for started, deliveries in ((True, self._sent()), (False, self._waiting()))
                for queued in deliveries
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
        """Set the shard's number, if it is not set; returns True if it was not and the last run stopped cleanly."""
        if self._number is not None:
            return False
        self._number = number
        context = self._context
        self._reporter = WatermarkReporter(
            context.parts,
            lambda: [*self._sent(), *self._waiting()],
            shard=number,
            shards=context.shards,
            run=context.run,
            clock=context.clock,
        )
        return context.open_shard(number)

    def _report_progress(self, progress: SourceProgress) -> list[OutgoingRecord]:
        assert self._reporter is not None
        report = self._reporter.note(progress)
        return [] if report is None else watermark_records(report, self._context.outcomes_partitions)

    def _sent(self) -> list[QueuedDelivery]:
        return [queued for batch in self._in_flight for queued in batch.deliveries]

    def _waiting(self) -> list[QueuedDelivery]:
        return [queued for queue in self._queues.values() for queued in queue.queued()]

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
                self._restored.extend(self._enqueue(queued, now_ms))

    def _pop_restored(self) -> list[OutgoingRecord]:
        outputs, self._restored = self._restored, []
        return outputs

    def _queue(self, destination: str) -> DestinationQueue:
        queue = self._queues.get(destination)
        if queue is None:
            queue = self._queues[destination] = DestinationQueue(
                destination,
                self._configuration.destinations[destination],
                setup_probe_ms=self._context.setup_probe_ms,
                max_wait_ms=self._context.max_wait_in_queue_ms,
            )
        return queue

    def _enqueue(self, queued: QueuedDelivery, now_ms: int, *, first: bool = False) -> Sequence[OutgoingRecord]:
        """Queue a delivery, unless it is not to be sent any more, or not by this shard."""
        context, delivery = self._context, queued.delivery
        disabled_reason = self._configuration.disabled_reason(delivery)
        if disabled_reason is not None:
            again_ms = context.removals.recheck_at_ms(delivery, now_ms)
            if again_ms is None:
                return discard(context, delivery, disabled_reason)
            return requeue(context, Requeue(queued, disabled_reason, again_ms, Wait.LIMIT), now_ms, "")
        name = self._configuration.current_id(delivery.destination)
        if self._number not in (None, shard_of(name, context.shards)):  # routed by another version of the workspace
            return requeue(context, Requeue(queued, "SHARDS_CHANGED", now_ms, Wait.QUEUE), now_ms, "")
        context.budget.take(name, delivery.size_bytes)
        self._queue(name).add(queued, now_ms, first=first)
        return ()

    def _work(self) -> list[OutgoingRecord]:
        outputs = self._apply_completed()
        outputs.extend(self._use_current_workspace())
        now_ms = self._context.clock()
        started: list[Batch] = []
        for queue in self._queues.values():
            if not queue.idle:
                outputs.extend(self._requeue(queue, now_ms))
                started.extend(queue.start(now_ms))
            outputs.extend(self._report_changes(queue, now_ms))
        if started:
            self._in_flight.update(started)
            self._context.calls.submit(started, self._completed)
        return outputs

    def _apply_completed(self) -> list[OutgoingRecord]:
        outputs: list[OutgoingRecord] = []
        while self._completed:
            outputs.extend(self._apply(self._completed.popleft()))
        return outputs

    def _apply(self, completed: CompletedBatch) -> list[OutgoingRecord]:
        context, queue = self._context, completed.batch.queue
        outputs: list[OutgoingRecord] = []
        undecided: list[QueuedDelivery] = []
        self._in_flight.discard(completed.batch)
        for queued, result in zip(completed.batch.deliveries, completed.result.deliveries, strict=True):
            context.budget.release(queue.destination, queued.delivery.size_bytes)
            if result.undecided:
                undecided.append(replace(queued, delivery=result.delivery))
            else:
                outputs.extend(apply_result(context, self._groups, result))
        now_ms = completed.result.deliveries[-1].finished_ms
        decided = len(completed.batch.deliveries) - len(undecided)
        queue.finished(completed.result.calls, results=decided, now_ms=now_ms)
        for queued in reversed(undecided):  # at the head of the queue, in their original order
            outputs.extend(self._enqueue(queued, context.clock(), first=True))
        return outputs

    def _requeue(self, queue: DestinationQueue, now_ms: int) -> list[OutgoingRecord]:
        budget = self._context.budget
        outputs: list[OutgoingRecord] = []
        memory_needed = budget.free == 0 or budget.others_active(queue.destination)
        for back in queue.requeue(now_ms, over_share=budget.over_share(queue.destination), memory_needed=memory_needed):
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
        self._context.removals.workspace_changed(configuration)
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
                queue.reconfigure(setup, now_ms)
            for queued in queue.remove_if(partial(self._is_misplaced, queue), now_ms):
                self._context.budget.release(name, queued.delivery.size_bytes)
                outputs.extend(self._enqueue(queued, now_ms))
        return outputs

    def _is_misplaced(self, queue: DestinationQueue, queued: QueuedDelivery) -> bool:
        """Whether a queued delivery belongs in another queue or is not to be sent any more."""
        name = self._configuration.current_id(queued.delivery.destination)
        return self._queues.get(name) is not queue or self._configuration.disabled_reason(queued.delivery) is not None

    def _report_off(self, destination: str, now_ms: int) -> OutgoingRecord:
        """Report that nothing is sent to a destination any more, which ends its earlier state."""
        return state_change(self._context, destination, CircuitChange(CircuitState.OFF, "", "", 0), now_ms)


def _as_items(outputs: list[OutgoingRecord]) -> list[list[OutgoingRecord]]:
    """All outputs as one stream item, or none: Bytewax has a fixed cost for each item."""
    return [outputs] if outputs else []
