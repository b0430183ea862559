"""The asyncio loop of a process that makes the HTTP calls, on a background thread.

The dataflow submits batches and collects completed ones; neither side ever waits for the other.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec
import uvloop

from flows.delivery.isolation import DeliveryResult
from flows.delivery.queue import QueuedDelivery
from flows.delivery.sender import BatchResult, BatchSender
from flows.engine.threads import in_background
from model.http.failure import FailureClass
from model.routing.payload import local_failure

Batch = list[QueuedDelivery]  # deliveries for one call


class CompletedBatch(msgspec.Struct, frozen=True):
    """A batch and its result; ``batch_result.deliveries`` has the order of ``group``."""

    group: Batch
    batch_result: BatchResult


class HttpLoop:
    """Sends batches. `submit` appends each `CompletedBatch` to the deque given, in the order of completion."""

    def __init__(self, make_sender: Callable[[], BatchSender], clock: Callable[[], int]) -> None:
        self._clock = clock
        self._loop = uvloop.new_event_loop()
        self._sender = make_sender()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = in_background(self._loop.run_forever, "http-calls")

    def submit(self, groups: list[Batch], finished: deque[CompletedBatch]) -> None:
        """Start sending batches; returns at once."""
        self._loop.call_soon_threadsafe(self._start, groups, finished)

    def close(self) -> None:
        """Abort the calls in flight and end the thread."""
        asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def _start(self, groups: list[Batch], finished: deque[CompletedBatch]) -> None:
        for group in groups:
            task = self._loop.create_task(self._run(group, finished))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, group: Batch, finished: deque[CompletedBatch]) -> None:
        try:
            batch_result = await self._sender.send([queued.delivery for queued in group])
        except Exception as error:  # a bug in the sender must not leave its deliveries in flight forever
            answer = local_failure("INTERNAL", f"{type(error).__name__} in the delivery step", FailureClass.RETRY)
            now_ms = self._clock()
            result = tuple(DeliveryResult(delivery=w.delivery, answer=answer, finished_ms=now_ms) for w in group)
            batch_result = BatchResult(result, ())
        finished.append(CompletedBatch(group, batch_result))

    async def _shut_down(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sender.close()
