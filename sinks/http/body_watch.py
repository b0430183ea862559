"""Limits the wait for response bodies that are not needed.

An asyncio timeout around every body would cost more than reading it, so one timer watches all of them; a wait may last
up to half as long again.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeAlias

Task: TypeAlias = asyncio.Task[Any]


class BodyWatch:
    """``seconds``: how long to wait. Belongs to one event loop."""

    def __init__(self, seconds: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._waiting: dict[Task, float] = {}  # since when
        self._given_up: set[Task] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> Task:
        """Watch the current task, which will wait for a body: cancel it after the limit."""
        task = asyncio.current_task()
        assert task is not None
        self._waiting[task] = self._monotonic()
        if self._timer is None:
            self._look_again()
        return task

    def gave_up(self, task: Task) -> bool:
        """Whether only the watch cancelled a task; undoes that cancellation."""
        return task in self._given_up and task.uncancel() == 0

    def end(self, task: Task) -> None:
        """Stop watching the task."""
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
