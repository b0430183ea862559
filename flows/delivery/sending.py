"""The asyncio loop that makes the HTTP calls of a process, on a background thread, and the steps of one batch on it.

`HttpLoop` is what the dataflow sees: it submits batches and collects completed ones. `BatchSender` takes the steps:
insert function, mapping, request, call, result of each delivery. The event tester and `waybill check --explain` take
the same steps, so they show what delivery does.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import msgspec
import uvloop
from msgspec.structs import replace

from flows.delivery.circuit import BURST_MS
from flows.delivery.isolation import BatchCalls, Member
from flows.delivery.queue import Batch
from flows.delivery.responses import BatchResult, DeliveryResult, classify_response
from flows.engine.threads import in_background
from flows.functions import host
from flows.workspace.compiled import CompiledDestination, CompiledWorkspace, InsertFunction
from model.delivery.attempt import AttemptResult
from model.delivery.delivery import Delivery
from model.destinations.destination import Item
from model.events import exact_json
from model.http.failure import FailureClass, cut
from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from model.routing.payload import build_payload, local_failure
from sinks.http.engine import HttpEngine

_CLASS_OF_CODE = {  # of insert functions; the others discard the event
    "FILTERED_BY_FUNCTION": FailureClass.FILTER,
    "FUNCTION_RETRY": FailureClass.RETRY,
    "FUNCTION_TIMEOUT": FailureClass.RETRY,
    "FUNCTION_UNAVAILABLE": FailureClass.RETRY,
    "FUNCTION_PAUSED": FailureClass.THROTTLE,  # the event was not tried
}
_REMOVED = {"DESTINATION_REMOVED", "CONNECTION_REMOVED", "MAPPING_REMOVED"}

Abort = Callable[[], object]


class BatchSender:
    """Sends batches of one destination, from one asyncio loop. ``configuration`` returns the active workspace.

    ``removed``: the class of a delivery whose connection or mapping is not in it.
    """

    def __init__(
        self,
        *,
        configuration: Callable[[], CompiledWorkspace],
        engine: HttpEngine,
        functions: host.FunctionHost,
        clock: Callable[[], int],
        removed: FailureClass = FailureClass.DISCARD,
    ) -> None:
        self._removed = removed
        self._configuration = configuration
        self._engine = engine
        self._functions = functions
        self._clock = clock
        self._tasks: set[asyncio.Task[BatchResult]] = set()

    def start(self, deliveries: Sequence[Delivery], done: Callable[[BatchResult], None]) -> Abort:
        """Start sending a batch on the running loop; returns a function that aborts it.

        Calls ``done`` once, later, whatever an event, function or response contains; not after an abort. A single
        delivery without insert function, the usual batch, needs no task.
        """
        configuration = self._configuration()
        if len(deliveries) == 1 and _function(deliveries[0], configuration) is None:
            return self._start_single(deliveries[0], configuration, done)
        task = asyncio.get_running_loop().create_task(self._send_batch(deliveries, configuration))
        self._tasks.add(task)

        def finished(task: asyncio.Task[BatchResult]) -> None:
            self._tasks.discard(task)
            if task.cancelled():
                return
            error = task.exception()
            if error is None:
                done(task.result())
            else:
                done(BatchResult(tuple(self._internal(delivery, error) for delivery in deliveries)))

        task.add_done_callback(finished)
        return task.cancel

    async def send(self, deliveries: Sequence[Delivery]) -> BatchResult:
        """Send a batch and wait for its result; see `start`."""
        future: asyncio.Future[BatchResult] = asyncio.get_running_loop().create_future()
        abort = self.start(deliveries, lambda result: None if future.done() else future.set_result(result))
        try:
            return await future
        except asyncio.CancelledError:
            abort()
            raise

    async def rehearse(self, delivery: Delivery) -> tuple[Delivery, HttpRequest | AttemptResult]:
        """Every step but the call: return the request, secrets included, or the reason why none would be made."""
        configuration = self._configuration()
        delivery, prepared = await self._insert_and_prepare(delivery, configuration)
        if isinstance(prepared, AttemptResult):
            return delivery, prepared
        setup = configuration.destinations[delivery.destination]
        return delivery, setup.destination.request([prepared], self._clock())

    async def ask(
        self, delivery: Delivery, question: Callable[[Item], HttpRequest | None]
    ) -> HttpResponse | HttpFailure | None:
        """Make another call about a delivery, such as to the destination's validation endpoint."""
        _, prepared = await self._insert_and_prepare(delivery, self._configuration())
        request = None if isinstance(prepared, AttemptResult) else question(prepared)
        return None if request is None else await self._engine.send(request)

    async def close(self) -> None:
        """Wait for batches that were aborted, close connections, and end the functions' processes."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._functions.close()
        await self._engine.close()

    def _start_single(
        self, delivery: Delivery, configuration: CompiledWorkspace, done: Callable[[BatchResult], None]
    ) -> Abort:
        try:
            prepared = self._prepare(delivery, configuration)
            if not isinstance(prepared, AttemptResult):
                return self._start_call(delivery, prepared, configuration, done)
            result = self._without_call(delivery, prepared)
        except Exception as error:
            result = self._internal(delivery, error)
        return asyncio.get_running_loop().call_soon(done, BatchResult((result,))).cancel

    def _start_call(
        self, delivery: Delivery, item: Item, configuration: CompiledWorkspace, done: Callable[[BatchResult], None]
    ) -> Abort:
        setup = configuration.destinations[delivery.destination]
        started_ms = self._clock()
        request = setup.destination.request([item], started_ms)

        def finished(response: HttpResponse | HttpFailure) -> None:
            try:
                now_ms = self._clock()
                http_ms = max(0, now_ms - started_ms)
                classified = classify_response(
                    response, [item], setup, configuration.redactor, now_ms=now_ms, http_ms=http_ms
                )
                result = DeliveryResult(
                    delivery=replace(delivery, calls=delivery.calls + 1, calls_ms=delivery.calls_ms + http_ms),
                    answer=classified.answers[0],
                    request=request,
                    response=response,
                    finished_ms=now_ms,
                )
                batch_result = BatchResult((result,), (classified.call_of((delivery,)),))
            except Exception as error:
                batch_result = BatchResult((self._internal(delivery, error),))
            done(batch_result)

        return self._engine.start(request, finished)

    async def _send_batch(self, deliveries: Sequence[Delivery], configuration: CompiledWorkspace) -> BatchResult:
        setup = configuration.destinations.get(deliveries[0].destination)
        if any(_function(delivery, configuration) for delivery in deliveries):
            steps = (self._insert_and_prepare(delivery, configuration) for delivery in deliveries)
            all_prepared = await asyncio.gather(*steps)
        else:
            all_prepared = [(delivery, self._prepare(delivery, configuration)) for delivery in deliveries]
        results: dict[int, DeliveryResult] = {}
        ready: list[Member] = []
        for place, (delivery, prepared) in enumerate(all_prepared):
            if isinstance(prepared, AttemptResult):
                results[place] = self._without_call(delivery, prepared)
            else:
                ready.append(Member(place, delivery, prepared))
        if setup is None:
            return BatchResult(tuple(results.values()))
        calls = BatchCalls(setup, configuration.redactor, self._engine, self._clock, _max_calls(setup))
        for part in _divide(ready, setup):
            await calls.deliver(part)
        results |= calls.results
        return BatchResult(tuple(results[place] for place in range(len(deliveries))), tuple(calls.calls))

    async def _insert_and_prepare(
        self, delivery: Delivery, configuration: CompiledWorkspace
    ) -> tuple[Delivery, Item | AttemptResult]:
        delivery, refused = await self._insert(delivery, configuration)
        return delivery, self._prepare(delivery, configuration, refused)

    async def _insert(
        self, delivery: Delivery, configuration: CompiledWorkspace
    ) -> tuple[Delivery, AttemptResult | None]:
        """Run the connection's insert function; a result means that no call is made."""
        function = _function(delivery, configuration)
        if function is None:
            return delivery, None
        event = msgspec.json.decode(delivery.event)  # with integers of any size
        connection = f"{delivery.source} -> {delivery.destination}"
        result = await self._functions.run(function.handler, event, dict(function.settings), connection)
        if isinstance(result, host.NoEvent):
            failure = _CLASS_OF_CODE.get(result.code, FailureClass.DISCARD)
            return delivery, local_failure(result.code, result.why, failure)
        return replace(delivery, event=exact_json.dumps(result.event), inserted=True), None

    def _prepare(
        self, delivery: Delivery, configuration: CompiledWorkspace, refused: AttemptResult | None = None
    ) -> Item | AttemptResult:
        """Build the item for the request, or return why no call is made; ``refused``: the insert function's result."""
        setup = configuration.destinations.get(delivery.destination)
        plan = configuration.plans.get((delivery.source, delivery.destination))
        if setup is None:
            prepared: Item | AttemptResult = local_failure("DESTINATION_REMOVED", "")
        elif refused is not None:
            prepared = refused
        elif plan is None:
            prepared = local_failure("CONNECTION_REMOVED", "the connection was removed")
        else:
            prepared = build_payload(delivery, plan, setup.destination)
        if isinstance(prepared, AttemptResult):
            failure = self._removed if prepared.code in _REMOVED else prepared.failure
            return replace(prepared, failure=failure, message=cut(configuration.redactor.text(prepared.message)))
        return prepared

    def _without_call(self, delivery: Delivery, answer: AttemptResult) -> DeliveryResult:
        return DeliveryResult(delivery=delivery, answer=answer, finished_ms=self._clock())

    def _internal(self, delivery: Delivery, error: BaseException) -> DeliveryResult:
        """The result of a delivery after a bug in this step: without one it would be in flight forever."""
        message = f"{type(error).__name__} in the delivery step"
        return self._without_call(delivery, local_failure("INTERNAL", message, FailureClass.RETRY))


class CompletedBatch(msgspec.Struct, frozen=True):
    """A batch and its result; ``result.deliveries`` has the order of ``batch.deliveries``."""

    batch: Batch
    result: BatchResult


class HttpLoop:
    """Sends batches. `submit` appends each `CompletedBatch` to the deque given, in the order of completion."""

    def __init__(self, sender: BatchSender) -> None:
        self._loop = uvloop.new_event_loop()
        self._sender = sender
        self._aborts: dict[Batch, Abort] = {}
        self._thread = in_background(self._loop.run_forever, "http-calls")

    def submit(self, batches: Sequence[Batch], completed: deque[CompletedBatch]) -> None:
        """Start sending batches; returns at once."""
        self._loop.call_soon_threadsafe(self._start, batches, completed)

    def close(self) -> None:
        """Abort the calls in flight and end the thread."""
        asyncio.run_coroutine_threadsafe(self._abort_all(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def _start(self, batches: Sequence[Batch], completed: deque[CompletedBatch]) -> None:
        for batch in batches:

            def done(result: BatchResult, batch: Batch = batch) -> None:
                del self._aborts[batch]
                completed.append(CompletedBatch(batch, result))

            self._aborts[batch] = self._sender.start([queued.delivery for queued in batch.deliveries], done)

    async def _abort_all(self) -> None:
        for abort in self._aborts.values():
            abort()
        await self._sender.close()


def _function(delivery: Delivery, configuration: CompiledWorkspace) -> InsertFunction | None:
    """The insert function to run on a delivery: once per delivery, not per attempt."""
    return None if delivery.inserted else configuration.functions.get((delivery.source, delivery.destination))


def _max_calls(setup: CompiledDestination) -> int:
    """How many calls one batch may make without asking the circuit again."""
    rate = setup.destination.calls_per_second
    return sys.maxsize if rate is None else max(1, int(rate * BURST_MS / 1_000))


def _divide(ready: list[Member], setup: CompiledDestination) -> Iterator[list[Member]]:
    """Divide a batch by what may share a request and by size: mapped payloads can be larger than their events."""
    if len(ready) <= 1:
        if ready:
            yield ready
        return
    limits = setup.batching
    open_parts: dict[str, tuple[list[Member], int]] = {}
    for member in ready:
        key = setup.destination.batch_key(member.item.payload)
        part, size_bytes = open_parts.get(key, ([], 0))
        item_bytes = len(member.item.json) + 1
        if part and (len(part) >= limits.max_events or size_bytes + item_bytes > limits.max_bytes):
            yield part
            part, size_bytes = [], 0
        part.append(member)
        open_parts[key] = part, size_bytes + item_bytes
    for part, _ in open_parts.values():
        yield part
