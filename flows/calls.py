"""The one asyncio loop of a process that makes the HTTP calls, on a thread of its own.

The dataflow hands requests in and takes finished calls out; neither side ever waits for the other.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import uvloop

from sinks.http import HttpEngine, HttpFailure, HttpRequest, HttpResponse


@dataclass(frozen=True, slots=True)
class Call:
    """A request under way, with whatever the caller needs to recognise it."""

    request: HttpRequest
    token: object


@dataclass(frozen=True, slots=True)
class FinishedCall:
    """The end of a call; times are Unix ms by the loop's clock."""

    call: Call
    result: HttpResponse | HttpFailure
    started_ms: int
    finished_ms: int


class CallLoop:
    """Runs calls. `begin` puts results into the deque given, in the order in which they finish."""

    def __init__(self, make_engine: Callable[[], HttpEngine], clock: Callable[[], int]) -> None:
        self._clock = clock
        self._loop = uvloop.new_event_loop()
        self._engine = make_engine()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="http-calls", daemon=True)
        self._thread.start()

    def begin(self, calls: list[Call], finished: deque[FinishedCall]) -> None:
        """Start calls; returns at once."""
        self._loop.call_soon_threadsafe(self._start, calls, finished)

    def close(self) -> None:
        """Abort what is under way and end the thread."""
        asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def _start(self, calls: list[Call], finished: deque[FinishedCall]) -> None:
        for call in calls:
            task = self._loop.create_task(self._run(call, finished))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, call: Call, finished: deque[FinishedCall]) -> None:
        started_ms = self._clock()
        try:
            result = await self._engine.send(call.request)
        except Exception as error:  # the engine promises not to; a delivery must not hang in its room if it does
            result = HttpFailure(code="INTERNAL", message=f"{type(error).__name__}: {error}")
        finished.append(FinishedCall(call, result, started_ms, self._clock()))

    async def _shut_down(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._engine.close()
