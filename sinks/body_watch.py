"""Gives up waiting for bodies that nobody needs and that do not come.

A timeout of asyncio around every body would cost more than reading it, so one timer looks after all that are waited
for: it may let a wait last half as long again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Result = TypeVar("Result")


class BodyWatch:
    """``seconds``: how long to wait. Belongs to one event loop."""

    def __init__(self, seconds: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._waiting: dict[asyncio.Task[object], float] = {}  # since when
        self._given_up: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def wait_for(self, reading: Awaitable[Result]) -> Result:
        """Wait for a body. Raises TimeoutError when it does not come."""
        task = asyncio.current_task()
        assert task is not None
        self._waiting[task] = self._monotonic()
        if self._timer is None:
            self._look_again()
        try:
            return await reading
        except asyncio.CancelledError:
            if task in self._given_up and task.uncancel() == 0:  # else somebody cancelled the call as well
                raise TimeoutError from None
            raise
        finally:
            del self._waiting[task]
            self._given_up.discard(task)

    def _look_again(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds / 2, self._look)

    def _look(self) -> None:
        self._timer = None
        latest = self._monotonic() - self._seconds
        for task, since in self._waiting.items():
            if since <= latest and task not in self._given_up:
                self._given_up.add(task)
                task.cancel()
        if self._waiting:
            self._look_again()
