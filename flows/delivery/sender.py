"""Sends batches of one destination: insert function, mapping, request, call, result of each delivery.

The event tester and `waybill check --explain` take the same steps, so they show what delivery does.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from flows.delivery.circuit import BURST_MS
from flows.delivery.isolation import DeliveryResult, Member, Sending
from flows.delivery.responses import CallResult
from flows.functions import host
from flows.workspace.compiled import CompiledDestination, CompiledWorkspace
from model.delivery.attempt import AttemptResult
from model.delivery.delivery import Delivery
from model.destinations.destination import Item
from model.events import exact_json
from model.http.failure import FailureClass, cut
from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from model.routing.payload import build_payload, local_failure
from sinks.http.engine import HttpEngine

_REMOVED = {"CONNECTION_REMOVED", "MAPPING_REMOVED"}


class BatchResult(msgspec.Struct, frozen=True):
    """A result for each delivery, in their order; ``calls``: the result of each call, for the destination's circuit."""

    deliveries: tuple[DeliveryResult, ...]
    calls: tuple[CallResult, ...]


class BatchSender:
    """Sends batches, from one asyncio loop. ``configuration`` returns the active version of the workspace.

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

    async def send(self, deliveries: Sequence[Delivery]) -> BatchResult:
        """Send deliveries of one destination; never raises for what an event, function or response contains."""
        configuration = self._configuration()
        setup = configuration.destinations.get(deliveries[0].destination)
        if setup is None:
            answer = local_failure("DESTINATION_REMOVED", "", self._removed)
            now_ms = self._clock()
            return BatchResult(
                tuple(DeliveryResult(delivery=d, answer=answer, finished_ms=now_ms) for d in deliveries), ()
            )
        inserted = [await self.insert(deliveries[0])] if len(deliveries) == 1 else await self._insert_all(deliveries)
        sending = Sending(setup, configuration.redactor, self._engine, self._clock, _max_calls(setup))
        ready: list[Member] = []
        for place, (delivery, refused) in enumerate(inserted):
            prepared = _prepared(delivery, refused, setup, configuration)
            if isinstance(prepared, AttemptResult):
                if prepared.code in _REMOVED:
                    prepared = replace(prepared, failure=self._removed)
                sending.deliveries[place] = DeliveryResult(
                    delivery=delivery, answer=prepared, finished_ms=self._clock()
                )
            else:
                ready.append(Member(place, delivery, prepared))
        for part in _divide(ready, setup):
            await sending.deliver(part)
        return BatchResult(tuple(sending.deliveries[place] for place in range(len(deliveries))), tuple(sending.calls))

    async def rehearse(self, delivery: Delivery) -> tuple[Delivery, HttpRequest | AttemptResult]:
        """Every step but the call: return the request, secrets included, or the reason why none would be made."""
        configuration = self._configuration()
        setup = configuration.destinations[delivery.destination]
        delivery, refused = await self.insert(delivery)
        prepared = _prepared(delivery, refused, setup, configuration)
        if isinstance(prepared, AttemptResult):
            return delivery, prepared
        return delivery, setup.destination.request([prepared], self._clock())

    async def ask(
        self, delivery: Delivery, question: Callable[[Item], HttpRequest | None]
    ) -> HttpResponse | HttpFailure | None:
        """Make another call about a delivery, such as to the destination's validation endpoint."""
        configuration = self._configuration()
        delivery, refused = await self.insert(delivery)
        prepared = _prepared(delivery, refused, configuration.destinations[delivery.destination], configuration)
        request = None if isinstance(prepared, AttemptResult) else question(prepared)
        return None if request is None else await self._engine.send(request)

    async def insert(self, delivery: Delivery) -> tuple[Delivery, AttemptResult | None]:
        """Run the connection's insert function, once per delivery; a result means that no call is made."""
        function = self._configuration().functions.get((delivery.source, delivery.destination))
        if function is None or delivery.inserted:
            return delivery, None
        event = msgspec.json.decode(delivery.event)  # with integers of any size
        connection = f"{delivery.source} -> {delivery.destination}"
        match await self._functions.run(function.handler, event, dict(function.settings), connection):
            case host.Returned(event=changed):
                return replace(delivery, event=exact_json.dumps(changed), inserted=True), None
            case host.Dropped(why=why):
                return delivery, local_failure("FILTERED_BY_FUNCTION", why, FailureClass.FILTER)
            case host.RetryAsked(why=why):
                return delivery, local_failure("FUNCTION_RETRY", why, FailureClass.RETRY)
            case host.EventRejected(why=why):
                return delivery, local_failure("FUNCTION_REJECTED", why)
            case host.Failed(code="FUNCTION_PAUSED", why=why):
                return delivery, local_failure(
                    "FUNCTION_PAUSED", why, FailureClass.THROTTLE
                )  # this event was not tried
            case host.Failed(code=code, why=why):
                again = code in {"FUNCTION_TIMEOUT", "FUNCTION_UNAVAILABLE"}
                return delivery, local_failure(code, why, FailureClass.RETRY if again else FailureClass.DISCARD)

    async def close(self) -> None:
        """Close connections and end the functions' processes."""
        await self._functions.close()
        await self._engine.close()

    async def _insert_all(self, deliveries: Sequence[Delivery]) -> list[tuple[Delivery, AttemptResult | None]]:
        return list(await asyncio.gather(*(self.insert(delivery) for delivery in deliveries)))


def _prepared(
    delivery: Delivery, refused: AttemptResult | None, setup: CompiledDestination, configuration: CompiledWorkspace
) -> Item | AttemptResult:
    plan = configuration.plans.get((delivery.source, delivery.destination))
    if refused is not None:
        prepared: Item | AttemptResult = refused
    elif plan is None:
        prepared = local_failure("CONNECTION_REMOVED", "the connection was removed")
    else:
        prepared = build_payload(delivery, plan, setup.destination)
    if isinstance(prepared, AttemptResult):
        return replace(prepared, message=cut(configuration.redactor.text(prepared.message)))
    return prepared


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
