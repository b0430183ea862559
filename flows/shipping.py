"""One shipment: deliveries of one destination on their way out: insert function, mapping, request, call, answers.

The command line tester and `waybill check --explain` go through the same steps, so what they show is what happens.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from flows.answers import CallEnd, answers_of
from flows.configuration import Configuration, DestinationSetup
from flows.functions import host
from model import exact_json
from model.attempt import Answer
from model.delivery import Delivery
from model.destinations.destination import Item
from model.failure import FailureClass, cut
from model.http import HttpFailure, HttpRequest, HttpResponse
from model.preparing import prepare, refusal
from sinks.http import HttpEngine

SPLIT_STATUSES = (400, 413)  # one bad or too large event may have spoiled it for all


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one delivery. ``delivery`` is as the insert function left it; no ``request``: no call was made."""

    delivery: Delivery
    answer: Answer
    request: HttpRequest | None = None
    result: HttpResponse | HttpFailure | None = None
    calls_ms: int = 0
    finished_ms: int


class Shipment(msgspec.Struct, frozen=True):
    """``shipped`` in the order of the deliveries; ``calls``: what each call brought, for the destination's gate."""

    shipped: tuple[Shipped, ...]
    calls: tuple[CallEnd, ...]


class Shipper:
    """Sends. Used from one asyncio loop. ``configuration`` gives the version of the workspace in force."""

    def __init__(
        self,
        *,
        configuration: Callable[[], Configuration],
        engine: HttpEngine,
        functions: host.FunctionHost,
        clock: Callable[[], int],
    ) -> None:
        self._configuration = configuration
        self._engine = engine
        self._functions = functions
        self._clock = clock

    async def ship(self, deliveries: Sequence[Delivery]) -> Shipment:
        """Send deliveries of one destination."""
        configuration = self._configuration()
        setup = configuration.destinations[deliveries[0].destination]
        inserted = [await self.insert(deliveries[0])] if len(deliveries) == 1 else await self._insert_all(deliveries)
        results: list[Shipped | None] = []
        ready: list[tuple[int, Item]] = []
        for index, (delivery, refused) in enumerate(inserted):
            made = _prepared(delivery, refused, setup, configuration)
            if isinstance(made, Answer):
                results.append(Shipped(delivery=delivery, answer=made, finished_ms=self._clock()))
            else:
                results.append(None)
                ready.append((index, made))
        calls: list[CallEnd] = []
        for part in _parts(ready, setup):
            await self._send(part, setup, configuration, [inserted[i][0] for i, _ in part], results, calls)
        assert None not in results
        return Shipment(tuple(result for result in results if result is not None), tuple(calls))

    async def rehearse(self, delivery: Delivery) -> tuple[Delivery, HttpRequest | Answer]:
        """Everything but the call: the request that would be made, secrets and all, or why none would."""
        configuration = self._configuration()
        setup = configuration.destinations[delivery.destination]
        delivery, refused = await self.insert(delivery)
        made = _prepared(delivery, refused, setup, configuration)
        if isinstance(made, Answer):
            return delivery, made
        return delivery, setup.destination.request([made], self._clock())

    async def ask(
        self, delivery: Delivery, question: Callable[[Item], HttpRequest | None]
    ) -> HttpResponse | HttpFailure | None:
        """Make a call of another kind about a delivery, such as to a validation service."""
        configuration = self._configuration()
        delivery, refused = await self.insert(delivery)
        made = _prepared(delivery, refused, configuration.destinations[delivery.destination], configuration)
        request = None if isinstance(made, Answer) else question(made)
        return None if request is None else await self._engine.send(request)

    async def insert(self, delivery: Delivery) -> tuple[Delivery, Answer | None]:
        """Run the connection's insert function, once in a delivery's life; an answer says that it ends the attempt."""
        function = self._configuration().functions.get((delivery.source, delivery.destination))
        if function is None or delivery.inserted:
            return delivery, None
        event = msgspec.json.decode(delivery.event)  # with integers of any size
        match await self._functions.run(function.handler, event, dict(function.settings)):
            case host.Returned(event=changed):
                return replace(delivery, event=exact_json.dumps(changed), inserted=True), None
            case host.Dropped(why=why):
                return delivery, refusal("FILTERED_BY_FUNCTION", why, FailureClass.FILTER)
            case host.RetryAsked(why=why):
                return delivery, refusal("FUNCTION_RETRY", why, FailureClass.RETRY)
            case host.Rejected(why=why):
                return delivery, refusal("FUNCTION_REJECTED", why)
            case host.Failed(code=code, why=why):
                again = code in {"FUNCTION_TIMEOUT", "FUNCTION_UNAVAILABLE"}
                return delivery, refusal(code, why, FailureClass.RETRY if again else FailureClass.DISCARD)

    async def close(self) -> None:
        """Close connections and end the functions' process."""
        await self._functions.close()
        await self._engine.close()

    async def _insert_all(self, deliveries: Sequence[Delivery]) -> list[tuple[Delivery, Answer | None]]:
        return list(await asyncio.gather(*(self.insert(delivery) for delivery in deliveries)))

    async def _send(
        self,
        part: Sequence[tuple[int, Item]],
        setup: DestinationSetup,
        configuration: Configuration,
        deliveries: Sequence[Delivery],
        results: list[Shipped | None],
        calls: list[CallEnd],
        since_ms: int | None = None,
    ) -> None:
        """Make one call; a batch refused as a whole is halved until the bad event stands alone.

        ``since_ms``: when the first call with these deliveries began, if this is not the first.
        """
        items = [item for _, item in part]
        began_ms = self._clock()
        since_ms = began_ms if since_ms is None else since_ms
        request = setup.destination.request(items, began_ms)
        result = await self._engine.send(request)
        now_ms = self._clock()
        end, answers = answers_of(
            result, items, setup, configuration.redactor, now_ms=now_ms, http_ms=max(0, now_ms - began_ms)
        )
        calls.append(end)
        whole = len(items) > 1 and answers[0].batch_items > 0
        if whole and end.failure is FailureClass.DISCARD and answers[0].http_status in SPLIT_STATUSES:
            half = len(part) // 2
            await self._send(part[:half], setup, configuration, deliveries[:half], results, calls, since_ms)
            await self._send(part[half:], setup, configuration, deliveries[half:], results, calls, since_ms)
            return
        for (index, _), delivery, answer in zip(part, deliveries, answers, strict=True):
            results[index] = Shipped(
                delivery=delivery,
                answer=answer,
                request=request,
                result=result,
                calls_ms=max(0, now_ms - since_ms),
                finished_ms=now_ms,
            )


def _prepared(
    delivery: Delivery, refused: Answer | None, setup: DestinationSetup, configuration: Configuration
) -> Item | Answer:
    plan = configuration.plans.get((delivery.source, delivery.destination))
    if refused is not None:
        made: Item | Answer = refused
    elif plan is None:
        made = refusal("CONNECTION_REMOVED", "the connection was removed")
    else:
        made = prepare(delivery, plan, setup.destination)
    if isinstance(made, Answer):
        return replace(made, message=cut(configuration.redactor.text(made.message)))
    return made


def _parts(ready: list[tuple[int, Item]], setup: DestinationSetup) -> Iterator[list[tuple[int, Item]]]:
    """Divide by what may share a request and by its size: mapped payloads can be larger than their events."""
    if len(ready) <= 1:
        if ready:
            yield ready
        return
    limits = setup.batching
    open_parts: dict[str, tuple[list[tuple[int, Item]], int]] = {}
    for index, item in ready:
        key = setup.destination.batch_key(item.payload)
        part, size_bytes = open_parts.get(key, ([], 0))
        item_bytes = len(item.json) + 1
        if part and (len(part) >= limits.max_events or size_bytes + item_bytes > limits.max_bytes):
            yield part
            part, size_bytes = [], 0
        part.append((index, item))
        open_parts[key] = part, size_bytes + item_bytes
    for part, _ in open_parts.values():
        yield part
