"""Runs insert functions in child processes, isolated from the worker and from each other.

Each connection has a process and a queue, started at first use: a function that hangs, crashes or uses up its memory
only delays its own connection.
"""

import asyncio
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.functions.messages import Request, encode
from flows.functions.process import Child, Guardian
from flows.functions.queue import FunctionQueue, Run, Slots
from flows.functions.results import STOPPING, FunctionResult, NoEvent, Returned

PROCESSES_LIMIT = 32  # most processes; beyond that, idle ones are stopped
CLOSE_LIMIT_SECONDS = 5.0  # a function that does not end by then is left to the guardian
CLOSE_POLL_SECONDS = 0.01

__all__ = ["FunctionHost", "FunctionResult", "NoEvent", "Returned"]


class FunctionHost:
    """One per worker process. ``show`` receives the handlers' output, at most 4 KB a second, not redacted."""

    def __init__(
        self,
        directory: Path | None = None,
        *,
        limit_seconds: float = 5.0,
        show: Callable[[str], None] = lambda line: None,
        processes_limit: int = PROCESSES_LIMIT,
    ) -> None:
        """``directory``: searched for modules besides installed packages; by default the current one."""
        self._directory = directory
        self._limit_seconds = limit_seconds
        self._show = show
        self._lock = threading.Lock()
        self._queues: dict[tuple[str, str], FunctionQueue] = {}  # by connection and handler
        self._slots = Slots(processes_limit, self._make_room)
        self._mark = secrets.token_hex(8)
        self._started = 0
        self._guardian: Guardian | None = None
        self._guarding = threading.Lock()  # a queue reports an ended process while it holds its own lock
        self._closed = False

    async def run(
        self, handler: str, event: dict[str, Any], settings: dict[str, str], connection: str = ""
    ) -> FunctionResult:
        """Run one function on one event, in the process of its connection. Never raises for what the function does."""
        try:
            line = encode(Request(handler, event, settings)) + b"\n"
        except (UnicodeEncodeError, RecursionError, OverflowError, TypeError) as error:
            return NoEvent("FUNCTION_FAILED", f"the event or its settings are not JSON: {type(error).__name__}")
        loop = asyncio.get_running_loop()
        run = Run(line, loop, loop.create_future())
        queue = self._queue((connection, handler))
        if queue is None:
            return STOPPING
        queue.add(run)
        return await run.future

    def reload(self) -> None:
        """Import all modules again, from the next batch on."""
        with self._lock:
            for queue in self._queues.values():
                queue.reload()

    async def close(self) -> None:
        """Stop the processes. Unfinished and later runs are FUNCTION_UNAVAILABLE, retried after the restart."""
        with self._lock:
            self._closed = True
            threads = [thread for queue in self._queues.values() if (thread := queue.close()) is not None]
        # Polled: this also runs while the interpreter shuts down, when no executor takes a join any more.
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CLOSE_LIMIT_SECONDS
        while any(thread.is_alive() for thread in threads) and loop.time() < deadline:
            await asyncio.sleep(CLOSE_POLL_SECONDS)
        with self._guarding:
            if self._guardian is not None:
                self._guardian.close()
                self._guardian = None

    def _queue(self, key: tuple[str, str]) -> FunctionQueue | None:
        """The queue of a connection's function; None when closed."""
        queue = self._queues.get(key)
        if queue is None:
            with self._lock:
                if self._closed:
                    return None
                queue = self._queues.setdefault(key, FunctionQueue(self._start, self._slots, self._limit_seconds))
        return queue

    def _start(self) -> Child:
        with self._guarding:
            self._started += 1
            mark = f"{self._mark}.{self._started}."
        child = Child(self._directory, self._show, mark, self._ended)
        try:
            with self._guarding:
                if self._guardian is None and not self._closed:
                    self._guardian = Guardian(f"{self._mark}.")
                if self._guardian is not None:
                    self._guardian.report(f"+{child.pid}")
        except OSError:
            child.kill()
            raise
        return child

    def _ended(self, pid: int) -> None:
        with self._guarding:
            if self._guardian is not None:
                self._guardian.report(f"-{pid}")

    def _make_room(self) -> None:
        """Stop the process that has been idle longest."""
        with self._lock:
            queues = sorted(self._queues.values(), key=lambda queue: queue.used_seconds)
        next((queue for queue in queues if queue.leave()), None)
