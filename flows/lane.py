"""A lane: the state key of the delivery flow. It owns the rooms of the destinations hashed to it.

Few keys, polled often (design 5.4): calls run on the process' call loop, and `on_notify` takes what has finished.
What is in flight is part of the snapshot, so after kill -9 it is sent again rather than lost.
"""

import time
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from bytewax.operators import StatefulBatchLogic
from msgspec.structs import replace

from flows.calls import Call, FinishedCall
from flows.desk import Desk
from flows.outputs import fact, retry, undelivered
from flows.room import Room, Waiting
from flows.router import LaneItem
from flows.samples import sample
from flows.ticks import tick_outputs
from flows.topic_sink import Output
from flows.topic_source import Progress
from model.attempt import called, conclude
from model.delivery import Delivery
from model.facts import Spilled, State
from model.failure import FailureClass

SNAPSHOT_VERSION = 1
BUSY_POLL = timedelta(milliseconds=5)  # calls are under way
WAIT_POLL = timedelta(milliseconds=20)  # deliveries wait for a pause to end or a share to free up
STOP_WAIT_MS = 10_000  # how long a clean stop waits for calls in flight


class Lane(StatefulBatchLogic[LaneItem, Output, dict[str, Any]]):
    """Takes deliveries in, makes their calls, and gives out facts, retry records and dead letters."""

    def __init__(self, desk: Desk, resume_state: dict[str, Any] | None) -> None:
        self._desk = desk
        self._rooms: dict[str, Room] = {}
        self._in_flight: set[Waiting] = set()  # a crash can leave two records of one delivery, so not by its id
        self._finished: deque[FinishedCall] = deque()
        self._restored: list[Output] = []
        self._ticks = desk.ticks.register(self._held)
        if resume_state is not None:
            self._restore(resume_state)

    def on_batch(self, values: list[LaneItem]) -> tuple[Iterable[Output], bool]:
        """Queue deliveries and begin calls; pass facts through."""
        outputs = self._take_restored()
        for item in values:
            if isinstance(item, Waiting):
                outputs.extend(self._take(item))
            elif isinstance(item, Progress):
                tick = self._desk.ticks.note(self._ticks, item)
                if tick is not None:
                    outputs.extend(tick_outputs(tick, self._desk.outcomes_partitions))
            else:
                outputs.append(item)
        outputs.extend(self._work())
        return outputs, StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[Iterable[Output], bool]:
        """Take finished calls and begin the next ones."""
        outputs = self._take_restored()
        outputs.extend(self._work())
        return outputs, StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[Iterable[Output], bool]:
        """A clean stop: wait for the calls in flight; what has not begun stays in the snapshot."""
        desk = self._desk
        outputs = self._take_restored()
        if desk.stop_by_ms is None:
            desk.stop_by_ms = desk.clock() + STOP_WAIT_MS
        while self._in_flight and desk.clock() < desk.stop_by_ms:
            outputs.extend(self._settle_finished())
            time.sleep(0.001)
        outputs.extend(self._settle_finished())
        return outputs, StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """Soon while something is held; with nothing held the lane sleeps until the next batch."""
        if self._in_flight or self._restored:
            return datetime.now(UTC) + BUSY_POLL
        if any(not room.idle for room in self._rooms.values()):
            return datetime.now(UTC) + WAIT_POLL
        return None

    def snapshot(self) -> dict[str, Any]:
        """Everything held, as plain values."""
        return {
            "v": SNAPSHOT_VERSION,
            "held": [
                (waiting.delivery.to_record(), waiting.topic, waiting.partition, waiting.offset, waiting.started)
                for waiting in self._held()
            ],
        }

    def _held(self) -> list[Waiting]:
        held = list(self._in_flight)
        for room in self._rooms.values():
            held.extend(room.held())
        return held

    def _restore(self, state: dict[str, Any]) -> None:
        if state["v"] != SNAPSHOT_VERSION:
            raise ValueError(f"a lane's snapshot has version {state['v']}; this Waybill reads {SNAPSHOT_VERSION}")
        now_ms = self._desk.clock()
        crashed = self._desk.restored_after_crash
        for record, topic, partition, offset, started in state["held"]:
            delivery = Delivery.from_record(record)
            # After a crash anything may have been begun after the snapshot; after a clean stop only what says so.
            delivery = replace(
                delivery,
                replayed=delivery.replayed or crashed,
                resent=delivery.resent or started or crashed,
            )
            self._restored.extend(self._take(Waiting(delivery, topic, partition, offset, arrived_ms=now_ms)))

    def _take_restored(self) -> list[Output]:
        outputs, self._restored = self._restored, []
        return outputs

    def _take(self, waiting: Waiting) -> list[Output]:
        delivery = waiting.delivery
        off = self._desk.off(delivery)
        if off is not None:
            outcome = delivery.end(State.DISCARDED, at_ms=self._desk.clock(), run=self._desk.run, code=off)
            return [undelivered(delivery, outcome), fact(delivery.delivery_id.encode(), outcome)]
        self._desk.held.take(delivery.destination, delivery.size_bytes)
        room = self._rooms.get(delivery.destination)
        if room is None:
            room = self._rooms[delivery.destination] = self._desk.room(delivery.destination)
        room.add(waiting)
        return []

    def _work(self) -> list[Output]:
        outputs = self._settle_finished()
        now_ms = self._desk.clock()
        for room in self._rooms.values():
            if not room.idle:
                outputs.extend(self._put_back(room, now_ms))
                self._begin(room.start(now_ms))
        return outputs

    def _begin(self, started: list[Waiting]) -> None:
        calls = []
        for waiting in started:
            waiting.delivery = called(waiting.delivery)
            self._in_flight.add(waiting)
            build = self._desk.destinations[waiting.delivery.destination].build_request
            calls.append(Call(build(waiting.delivery), waiting))
        if calls:
            self._desk.calls.begin(calls, self._finished)

    def _settle_finished(self) -> list[Output]:
        outputs: list[Output] = []
        while self._finished:
            outputs.extend(self._settle(self._finished.popleft()))
        return outputs

    def _settle(self, finished: FinishedCall) -> list[Output]:
        desk = self._desk
        waiting = finished.call.token
        assert isinstance(waiting, Waiting)
        delivery = waiting.delivery
        answer = desk.answer(finished.result, started_ms=finished.started_ms, finished_ms=finished.finished_ms)
        now_ms = finished.finished_ms
        end = conclude(delivery, answer, desk.policy, now_ms=now_ms, run=desk.run, random=desk.random)
        room = self._rooms[delivery.destination]
        pause_ms = desk.setup_probe_ms if answer.failure is FailureClass.SETUP else (answer.retry_after_ms or 1_000)
        room.finished(answer.failure, now_ms=now_ms, pause_ms=pause_ms)
        self._in_flight.discard(waiting)
        desk.held.settle(delivery.destination, delivery.size_bytes)

        key = delivery.delivery_id.encode()
        outputs = sample(desk, delivery, answer, end, finished)
        if end.outcome is not None:
            if end.outcome.state is not State.DELIVERED:
                outputs.append(undelivered(delivery, end.outcome))
            outputs.append(fact(key, end.outcome))
        elif end.retry is not None and end.attempt_failed is not None:
            outputs.append(fact(key, end.attempt_failed))
            outputs.append(retry(end.retry, desk.clock()))
        return outputs

    def _put_back(self, room: Room, now_ms: int) -> list[Output]:
        outputs: list[Output] = []
        desk = self._desk
        for waiting, code, slot_ms in room.put_back(now_ms, desk.held.over_share(room.destination)):
            delivery = waiting.delivery
            desk.held.settle(delivery.destination, delivery.size_bytes)
            key = delivery.delivery_id.encode()
            window_end_ms = desk.policy.window_end_ms(delivery.taken_at_ms)
            if now_ms >= window_end_ms:  # its last chance came while the destination could not take it
                last = delivery.code or "NEVER_ATTEMPTED"
                outcome = delivery.end(State.EXPIRED, at_ms=now_ms, run=desk.run, code=last, message=delivery.message)
                outputs += [undelivered(delivery, outcome), fact(key, outcome)]
                continue
            delivery = delivery.waiting(from_ms=now_ms, until_ms=min(slot_ms, window_end_ms))
            spilled = Spilled(
                **delivery.about(),
                at_ms=now_ms,
                run=desk.run,
                attempt=delivery.calls,
                code=code,
                due_at_ms=delivery.due_at_ms,
            )
            outputs += [fact(key, spilled), retry(delivery, now_ms)]
        return outputs
