"""A lane: the state key of the delivery flow. It owns the rooms of the destinations hashed to it.

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

from flows.delivery.circuit import Change, Condition
from flows.delivery.context import Desk
from flows.delivery.http_loop import Finished
from flows.delivery.queue import PutBack, Room, Waiting
from flows.delivery.results import no_longer_sent, put_back, returned, settle, state_change
from flows.delivery.router import LaneItem
from flows.delivery.watermarks import LaneProgress, LaneTicks, tick_outputs
from flows.engine.clock import next_poll
from flows.engine.error_capture import remembered
from flows.topics.sink import Output
from flows.workspace.compiled import Configuration
from model.delivery.delivery import Delivery, Wait
from model.delivery.error_groups import ErrorGroups
from model.events.ids import lane_of
from model.http.failure import FailureClass

SNAPSHOT_VERSION = 1
BUSY_POLL_MS = 5  # calls are under way
WAIT_POLL_MS = 20  # deliveries wait for a pause to end, a batch to fill or a share to free up
STOP_WAIT_MS = 10_000  # how long a clean stop waits for calls in flight

log = logging.getLogger("waybill")


class Lane(StatefulBatchLogic[list[LaneItem], list[Output], dict[str, Any]]):
    """Takes deliveries in, makes their calls, and gives out facts, retry records and dead letters."""

    def __init__(self, desk: Desk, resume_state: dict[str, Any] | None) -> None:
        self._desk = desk
        self._configuration = desk.configuration()
        self._rooms: dict[str, Room] = {}
        self._groups = ErrorGroups()
        self._in_flight: set[Waiting] = set()  # a crash can leave two records of one delivery, so not by its id
        self._finished: deque[Finished] = deque()
        self._restored: list[Output] = []
        self._number: int | None = None  # Bytewax does not say
        self._ticks: LaneTicks | None = None
        if resume_state is not None:
            self._restore(resume_state)

    @remembered
    def on_batch(self, values: list[list[LaneItem]]) -> tuple[Iterable[list[Output]], bool]:
        """Queue deliveries and begin calls; pass facts through."""
        outputs = self._take_restored()
        # What comes was routed by the version in force or by an earlier one, and must not be judged by an older one.
        outputs.extend(self._keep_up())
        for item in chain.from_iterable(values):
            if isinstance(item, Waiting):
                lane = lane_of(item.delivery.destination, self._desk.lanes) if item.lane is None else item.lane
                self._begin_as(lane)
                outputs.extend(self._take(item))
            elif isinstance(item, LaneProgress):
                outputs.extend(self._tick(item))
            else:
                outputs.append(item)
        outputs.extend(self._work())
        return _together(outputs), StatefulBatchLogic.RETAIN

    @remembered
    def on_notify(self) -> tuple[Iterable[list[Output]], bool]:
        """Take finished calls and begin the next ones."""
        outputs = self._take_restored()
        outputs.extend(self._work())
        return _together(outputs), StatefulBatchLogic.RETAIN

    @remembered
    def on_eof(self) -> tuple[Iterable[list[Output]], bool]:
        """A clean stop: wait for the calls in flight; what has not begun stays in the snapshot."""
        desk = self._desk
        outputs = self._take_restored()
        if desk.stop_by_ms is None:
            desk.stop_by_ms = desk.clock() + STOP_WAIT_MS
        while self._in_flight and desk.clock() < desk.stop_by_ms:
            outputs.extend(self._settle_finished())
            time.sleep(0.001)
        outputs.extend(self._settle_finished())
        return _together(outputs), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """Soon while something is held; with nothing held the lane sleeps until the next batch."""
        if self._in_flight or self._restored:
            return next_poll(BUSY_POLL_MS)
        if any(not room.idle for room in self._rooms.values()):
            return next_poll(WAIT_POLL_MS)
        return None

    @remembered
    def snapshot(self) -> dict[str, Any]:
        """Everything held, as plain values."""
        return {
            "v": SNAPSHOT_VERSION,
            "lane": self._number,
            "lanes": self._desk.lanes,
            "held": [
                (waiting.delivery.to_record(), waiting.topic, waiting.partition, waiting.offset, waiting.started)
                for waiting in self._held()
            ],
            "conditions": {name: str(room.gate.condition) for name, room in self._rooms.items() if room.gate.probing},
            "evidence": {name: room.gate.evidence() for name, room in self._rooms.items()},
            "groups": self._groups.to_state(),
        }

    def _begin_as(self, number: int) -> bool:
        """Know which lane it is, before it does anything; whether the run before ended cleanly, if this is news."""
        if self._number is not None:
            return False
        self._number = number
        return self._desk.open_lane(number)

    def _tick(self, item: LaneProgress) -> list[Output]:
        self._begin_as(item.lane)
        if self._ticks is None:
            self._ticks = self._desk.ticks(item.lane, self._held)
        tick = self._ticks.note(item.progress)
        return [] if tick is None else tick_outputs(tick, self._desk.outcomes_partitions)

    def _held(self) -> list[Waiting]:
        held = list(self._in_flight)
        for room in self._rooms.values():
            held.extend(room.held())
        return held

    def _restore(self, state: dict[str, Any]) -> None:
        if state["v"] != SNAPSHOT_VERSION:
            raise ValueError(f"a lane's snapshot has version {state['v']}; this Waybill reads {SNAPSHOT_VERSION}")
        now_ms = self._desk.clock()
        # One that was not told which lane it is holds nothing; one of before there were several processes may.
        crashed = state.get("lane") is None or not self._begin_as(state["lane"])
        # With another number of lanes its destinations may be another's, and this lane may be one that is no more; so
        # may one of before there were several processes, when lanes had other keys.
        moved = state.get("lanes") != self._desk.lanes
        self._groups = ErrorGroups.from_state(state.get("groups"))
        conditions, evidence = state.get("conditions", {}), state.get("evidence", {})
        for name in conditions.keys() | evidence.keys():
            if name in self._configuration.used:
                self._room(name).gate.restore(conditions.get(name, Condition.OK), evidence.get(name))
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
            waiting = Waiting(delivery, topic, partition, offset, arrived_ms=now_ms)
            if moved:
                back = PutBack(waiting, "LANES_CHANGED", now_ms, Wait.QUEUE)
                self._restored.extend(put_back(self._desk, back, now_ms, ""))
            else:
                self._restored.extend(self._take(waiting))

    def _take_restored(self) -> list[Output]:
        outputs, self._restored = self._restored, []
        return outputs

    def _room(self, destination: str) -> Room:
        room = self._rooms.get(destination)
        if room is None:
            room = self._rooms[destination] = self._desk.room(destination, self._configuration)
        return room

    def _take(self, waiting: Waiting, *, first: bool = False) -> list[Output]:
        desk, delivery, now_ms = self._desk, waiting.delivery, self._desk.clock()
        off = self._configuration.off(delivery)
        if off is not None:
            again_ms = desk.removals.look_again_ms(delivery, now_ms)
            if again_ms is None:
                return no_longer_sent(desk, delivery, off)
            return put_back(desk, PutBack(waiting, off, again_ms, Wait.LIMIT), now_ms, "")
        name = self._configuration.today(delivery.destination)
        if self._number not in {None, lane_of(name, desk.lanes)}:  # who routed it knows another version
            return put_back(desk, PutBack(waiting, "LANES_CHANGED", now_ms, Wait.QUEUE), now_ms, "")
        desk.held.take(name, delivery.size_bytes)
        self._room(name).add(waiting, now_ms, first=first)
        return []

    def _work(self) -> list[Output]:
        outputs = self._settle_finished()
        outputs.extend(self._keep_up())
        now_ms = self._desk.clock()
        for room in self._rooms.values():
            if not room.idle:
                outputs.extend(self._put_back(room, now_ms))
                self._begin(room.start(now_ms))
            outputs.extend(self._changes(room, now_ms))
        return outputs

    def _begin(self, groups: list[list[Waiting]]) -> None:
        if groups:
            for group in groups:
                self._in_flight.update(group)
            self._desk.calls.begin(groups, self._finished)

    def _settle_finished(self) -> list[Output]:
        outputs: list[Output] = []
        while self._finished:
            outputs.extend(self._settle(self._finished.popleft()))
        return outputs

    def _settle(self, finished: Finished) -> list[Output]:
        desk = self._desk
        outputs: list[Output] = []
        room = finished.group[0].room
        assert room is not None
        now_ms = finished.shipment.shipped[-1].finished_ms
        paced = bool(finished.shipment.calls) and not room.gate.probing
        for call in finished.shipment.calls:
            paced = paced and call.failure not in {FailureClass.THROTTLE, FailureClass.SETUP}
            room.gate.ended(
                call.failure,
                now_ms=now_ms,
                took_ms=call.took_ms,
                code=call.code,
                message=call.message,
                retry_after_ms=call.retry_after_ms,
                answered=call.answered,
                delivery=call.delivery,
                failed_since_ms=call.failed_since_ms,
                others=room.in_flight - 1,
            )
        settled: list[Waiting] = []
        again: list[Waiting] = []
        for waiting, shipped in zip(finished.group, finished.shipment.shipped, strict=True):
            self._in_flight.discard(waiting)
            desk.held.settle(room.destination, waiting.delivery.size_bytes)
            if shipped.again:
                waiting.delivery, waiting.blocked_ms = returned(waiting, shipped), 0
                again.append(waiting)
            else:
                settled.append(waiting)
                outputs.extend(settle(desk, self._groups, waiting, shipped))
        room.finished(settled, calls=len(finished.shipment.calls), now_ms=now_ms, paced=paced)
        for waiting in reversed(again):  # it is their turn still, in their order
            outputs.extend(self._take(waiting, first=True))
        return outputs

    def _put_back(self, room: Room, now_ms: int) -> list[Output]:
        held = self._desk.held
        outputs: list[Output] = []
        make_room = held.room == 0 or held.others_than(room.destination)
        for back in room.put_back(now_ms, over_share=held.over_share(room.destination), make_room=make_room):
            held.settle(room.destination, back.waiting.delivery.size_bytes)
            outputs.extend(put_back(self._desk, back, now_ms, room.gate.reason))
        return outputs

    def _changes(self, room: Room, now_ms: int) -> list[Output]:
        changes = room.gate.changes()
        for change in changes:
            if change.condition is Condition.SETUP:
                log.warning("destination %s needs a person: %s %s", room.destination, change.code, change.message)
        return [state_change(self._desk, room.destination, change, now_ms) for change in changes]

    def _keep_up(self) -> list[Output]:
        """Go on with the version of the workspace in force."""
        configuration = self._desk.configuration()
        return [] if configuration is self._configuration else self._reconfigure(configuration)

    def _reconfigure(self, configuration: Configuration) -> list[Output]:
        """A changed workspace: what waits goes where it says; changed destinations start afresh."""
        previous, self._configuration = self._configuration, configuration
        self._desk.removals.changed(configuration)
        now_ms = self._desk.clock()
        outputs: list[Output] = []
        for room in list(self._rooms.values()):
            name = room.destination
            setup, before = configuration.destinations.get(name), previous.destinations.get(name)
            if name not in configuration.used:
                del self._rooms[name]
                if room.gate.probing:
                    outputs.append(self._off(name, now_ms))
            elif setup is not None and before is not None and setup.destination != before.destination:
                room.reopen(self._desk.gate(name, configuration), setup.batching)
            for waiting in room.take_if(lambda waiting, room=room: not self._belongs(waiting, room), now_ms):  # type: ignore[misc]
                self._desk.held.settle(name, waiting.delivery.size_bytes)
                outputs.extend(self._take(waiting))
        return outputs

    def _belongs(self, waiting: Waiting, room: Room) -> bool:
        """Whether a delivery waits in the room of its destination, and may."""
        name = self._configuration.today(waiting.delivery.destination)
        return self._rooms.get(name) is room and self._configuration.off(waiting.delivery) is None

    def _off(self, destination: str, now_ms: int) -> Output:
        """What was said of a destination is over: nothing is sent to it any more."""
        return state_change(self._desk, destination, Change(Condition.OFF, "", "", 0), now_ms)


def _together(outputs: list[Output]) -> list[list[Output]]:
    """As one item of the stream, if there is any: Bytewax has its price for each."""
    return [outputs] if outputs else []
