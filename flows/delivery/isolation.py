"""The calls of one batch. When a batch is refused, the bad events are isolated, so that the good ones are delivered.

- Refused for good (class discard): the batch is halved until the bad event is alone.
- Refused as if no event would be accepted (class setup): a few single events are tried first, so that wrong
  credentials cost a handful of calls.
- Failed with a temporary error: nothing is sent again at once; the events are retried in smaller batches, later alone.
- The response names the events it refuses: the others are sent again without them.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from flows.delivery.circuit import CallResult
from flows.delivery.responses import ClassifiedResponse, DeliveryResult, classify_response
from flows.workspace.compiled import CompiledDestination
from model.delivery.attempt import AttemptResult
from model.delivery.delivery import Delivery
from model.destinations.destination import Item
from model.http.failure import FailureClass
from model.redaction.redactor import Redactor
from sinks.http.engine import HttpEngine

BATCH_TIME_MS = 5_000  # afterwards the rest returns to the queue; a clean stop waits for calls only twice as long
SHRINK_FACTOR = 8  # batches that fail as a whole shrink: 1,000 → 64 → 8 → 1
TOO_LARGE = 413

_ACCEPTING = {FailureClass.DELIVERED, FailureClass.DISCARD}  # the destination works and has judged the events
_STOPS = {FailureClass.RETRY, FailureClass.THROTTLE}


class Member(msgspec.Struct, frozen=True):
    """One delivery of a request, and its place in the batch."""

    place: int
    delivery: Delivery
    item: Item


Results: TypeAlias = dict[int, DeliveryResult]  # by place in the batch


class BatchCalls:
    """Makes the calls of one batch, one after another.

    ``max_calls``: more would exceed the destination's rate limit. Deliveries return to their queue when these calls are
    used up, when the batch takes too long, or when the destination fails meanwhile; the circuit then decides.
    """

    def __init__(
        self,
        setup: CompiledDestination,
        redactor: Redactor,
        engine: HttpEngine,
        clock: Callable[[], int],
        max_calls: int,
    ) -> None:
        self.results: Results = {}
        self.calls: list[CallResult] = []
        self._setup = setup
        self._redactor = redactor
        self._engine = engine
        self._clock = clock
        self._max_calls = max_calls
        self._started_ms = clock()
        self._since_ms: dict[int, int] = {}  # when the first call with each delivery started
        self._stopped = False
        self._one_accepted = False  # at least one call shows that the destination accepts good events

    async def deliver(self, part: Sequence[Member], limit: int = 0) -> None:
        """Send deliveries until each has a result of its own.

        ``limit``: the batch size these deliveries may have from now on, after a larger batch was refused.
        """
        while part:
            if not self._may_continue():
                self._return_unsent(part, limit)
                break
            response, results = await self._call(part)
            if response.per_item:
                self._record([one for place, one in enumerate(part) if place not in response.resend], results)
                part = [part[place] for place in sorted(response.resend)]
            elif len(part) > 1:
                await self._isolate(part, results)
                break
            else:
                self._record(part, results, limit or None)  # alone from now on, if it is retried
                break

    async def _isolate(self, part: Sequence[Member], refused: Results) -> None:
        answer = refused[part[0].place].answer
        if answer.failure is FailureClass.DELIVERED:
            self._record(part, refused)
        elif answer.failure is FailureClass.DISCARD or answer.http_status == TOO_LARGE:
            await self._halves(part)
        elif answer.failure is FailureClass.SETUP and answer.http_status:
            await self._probe_refused(part, refused)
        else:
            smaller = 0 if answer.failure is FailureClass.THROTTLE else _power_of_two(len(part) // SHRINK_FACTOR)
            self._record(part, refused, smaller)

    async def _halves(self, part: Sequence[Member]) -> None:
        half = len(part) // 2
        for some in (part[:half], part[half:]):
            await self.deliver(some, _power_of_two(len(some)))

    async def _probe_refused(self, part: Sequence[Member], refused: Results) -> None:
        """Try single events until one is accepted or discarded. If none is, all share the response to the batch."""
        places = sorted({0, len(part) // 2, len(part) - 1})
        while places and not self._one_accepted and self._may_continue():
            await self.deliver([part[places.pop(0)]], 1)
        rest = [one for one in part if one.place not in self.results]
        if self._one_accepted:
            await self._halves(rest)
        else:
            self._record(rest, refused, _power_of_two(len(part) // SHRINK_FACTOR))
            self._stopped = True

    def _may_continue(self) -> bool:
        return not self.calls or (
            not self._stopped and len(self.calls) < self._max_calls and self._clock() - self._started_ms < BATCH_TIME_MS
        )

    async def _call(self, part: Sequence[Member]) -> tuple[ClassifiedResponse, Results]:
        items = [one.item for one in part]
        started_ms = self._clock()
        for one in part:
            self._since_ms.setdefault(one.place, started_ms)
        request = self._setup.destination.request(items, started_ms)
        response = await self._engine.send(request)
        now_ms = self._clock()
        http_ms = max(0, now_ms - started_ms)
        classified = classify_response(response, items, self._setup, self._redactor, now_ms=now_ms, http_ms=http_ms)
        self.calls.append(classified.call_of([one.delivery for one in part]))
        self._stopped = self._stopped or classified.call.failure in _STOPS
        self._one_accepted = self._one_accepted or classified.call.failure in _ACCEPTING
        return classified, {
            one.place: DeliveryResult(
                delivery=self._counted(one, now_ms, calls=1),
                answer=answer,
                request=request,
                response=response,
                finished_ms=now_ms,
            )
            for one, answer in zip(part, classified.answers, strict=True)
        }

    def _record(self, members: Sequence[Member], results: Results, limit: int | None = None) -> None:
        for one in members:
            result = results[one.place]
            if limit is not None:
                result = replace(result, answer=replace(result.answer, batch_limit=limit))
            self.results[one.place] = result

    def _return_unsent(self, members: Sequence[Member], limit: int) -> None:
        now_ms = self._clock()
        for one in members:
            delivery = self._counted(one, now_ms, calls=0)
            self.results[one.place] = DeliveryResult(
                delivery=replace(delivery, batch_limit=limit or delivery.batch_limit),
                answer=AttemptResult(failure=FailureClass.RETRY, code="", called=False),
                finished_ms=now_ms,
                undecided=True,
            )

    def _counted(self, one: Member, now_ms: int, *, calls: int) -> Delivery:
        """The delivery with its calls in this batch, which count as one, and the time since the first of them."""
        spent_ms = max(0, now_ms - self._since_ms.get(one.place, now_ms))
        return replace(one.delivery, calls=one.delivery.calls + calls, calls_ms=one.delivery.calls_ms + spent_ms)


def _power_of_two(count: int) -> int:
    """The largest power of two up to ``count``, at least 1: with few limits, deliveries of one limit fill batches."""
    return 1 << max(0, count.bit_length() - 1)
