"""Ends calls whose time is up: one timer for all of them, since a timer for each call would cost more than its other
bookkeeping."""

import asyncio
import math
import time
from typing import Protocol

from model.http.messages import HttpFailure

TICK_SECONDS = 0.05  # calls end at most so much late, and never early


class Expiring(Protocol):
    """A call with a deadline. ``tick``: where `Deadlines` keeps it, or 0."""

    tick: int

    def expire(self) -> None:
        """End the call because its time is up."""

    def end_early(self, failure: HttpFailure) -> None:
        """End the call whatever it waits for."""


class Deadlines:
    """The calls in flight by deadline. Belongs to one event loop."""

    def __init__(self) -> None:
        self._due: dict[int, set[Expiring]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_tick = 0

    def put(self, call: Expiring, at: float) -> None:
        """Set or move the deadline of a call; ``at`` by `time.monotonic`."""
        if call.tick:
            self._due[call.tick].discard(call)
        tick = call.tick = int(at / TICK_SECONDS) + 1
        calls = self._due.get(tick)
        if calls is None:
            calls = self._due[tick] = set()
            if self._timer is None or tick < self._timer_tick:
                self._set_timer(tick)
        calls.add(call)

    def remove(self, call: Expiring) -> None:
        """Forget a call that has ended."""
        if call.tick:
            self._due[call.tick].discard(call)
            call.tick = 0

    def calls(self) -> list[Expiring]:
        """All calls in flight."""
        return [call for calls in self._due.values() for call in calls]

    def _set_timer(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_tick = tick
        delay_seconds = max(0.0, tick * TICK_SECONDS - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(math.ceil(delay_seconds * 1000) / 1000, self._expire)

    def _expire(self) -> None:
        self._timer = None
        passed = int(time.monotonic() / TICK_SECONDS)
        try:
            for tick in sorted(tick for tick in self._due if tick <= passed):
                calls = self._due[tick]
                while calls:  # ending one call may start or abort others
                    call = calls.pop()
                    call.tick = 0
                    call.expire()
        finally:  # whatever goes wrong with one call, the others keep their deadlines
            self._due = {tick: calls for tick, calls in self._due.items() if calls}
            if self._due:
                self._set_timer(min(self._due))
