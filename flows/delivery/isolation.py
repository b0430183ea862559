"""The calls of one batch_result. A verdict on a batch is no verdict on its events: who is to blame for it is found out.

A batch refused for good is halved until the bad event stands alone. One refused as if nothing would be taken (class
setup) is tried with a few single events first, so that wrong credentials cost a handful of calls. One that met a
passing fault is not sent again at once: its events return on their schedule in smaller batches, and soon alone. Where
the answer names the events it is about, the others are sent again without them.
"""

from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from flows.delivery.responses import Answered, CallResult, classify_response
from flows.workspace.compiled import CompiledDestination
from model.delivery.attempt import AttemptResult
from model.delivery.delivery import Delivery
from model.destinations.destination import Item
from model.http.failure import FailureClass
from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from model.redaction.redactor import Redactor
from sinks.http.engine import HttpEngine

LONGEST_MS = 5_000  # what is then left goes back to its queue, or a clean stop would wait for it in vain
SHRINK = 8  # by how much batches get smaller that fail as a whole: 1,000 → 64 → 8 → 1
TOO_LARGE = 413

_JUDGED = {FailureClass.DELIVERED, FailureClass.DISCARD}  # the destination is well and looked at what it got
_STOPS = {FailureClass.RETRY, FailureClass.THROTTLE}


class DeliveryResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one delivery. ``delivery`` is as the insert function left it; no ``request``: no call was made.

    ``again``: what was answered says nothing of it, because it was refused with others or not sent; it goes back to its
    queue and has used up nothing. Never for a batch_result of one delivery.
    """

    delivery: Delivery
    answer: AttemptResult
    request: HttpRequest | None = None
    result: HttpResponse | HttpFailure | None = None
    calls_ms: int = 0
    finished_ms: int
    again: bool = False


class Member(msgspec.Struct, frozen=True):
    """One delivery of a request, and its place in the batch_result."""

    place: int
    delivery: Delivery
    item: Item


class Sending:
    """Makes the calls of one batch_result, one after another.

    ``most_calls``: more would be faster than the destination's rate limit allows. What is not sent when they are used
    up, when it takes too long, or when the destination fails meanwhile, goes back to its queue, where the circuit
    decides.
    """

    def __init__(
        self,
        setup: CompiledDestination,
        redactor: Redactor,
        engine: HttpEngine,
        clock: Callable[[], int],
        most_calls: int,
    ) -> None:
        self.deliveries: dict[int, DeliveryResult] = {}
        self.calls: list[CallResult] = []
        self._setup = setup
        self._redactor = redactor
        self._engine = engine
        self._clock = clock
        self._most_calls = most_calls
        self._began_ms = clock()
        self._since_ms: dict[int, int] = {}  # when the first call with each delivery began
        self._stopped = False
        self._judged = False  # one call at least told that the destination takes what it likes

    async def deliver(self, part: Sequence[Member], limit: int = 0) -> None:
        """Send deliveries until each has an answer of its own.

        ``limit``: how many may go together from now on, if these are fewer than there were.
        """
        while part:
            if not self._may_go_on():
                self._hand_back(part, limit)
                break
            call = await self._call(part)
            if call.answered.apart:
                self._settle([one for place, one in enumerate(part) if place not in call.answered.resend], call)
                part = [part[place] for place in sorted(call.answered.resend)]
            elif len(part) > 1:
                await self._told_apart(part, call)
                break
            else:
                self._settle(part, call, limit or None)  # refused once more by itself, it stays so
                break

    async def _told_apart(self, part: Sequence[Member], call: "_Call") -> None:
        answer = call.answers[part[0].place]
        if answer.failure is FailureClass.DELIVERED:
            self._settle(part, call)
        elif answer.failure is FailureClass.DISCARD or answer.http_status == TOO_LARGE:
            await self._halves(part)
        elif answer.failure is FailureClass.SETUP and answer.http_status:
            await self._refused(part, call)
        else:
            smaller = 0 if answer.failure is FailureClass.THROTTLE else _power_of_two(len(part) // SHRINK)
            self._settle(part, call, smaller)

    async def _halves(self, part: Sequence[Member]) -> None:
        half = len(part) // 2
        for some in (part[:half], part[half:]):
            await self.deliver(some, _power_of_two(len(some)))

    async def _refused(self, part: Sequence[Member], call: "_Call") -> None:
        """Try single events until one is taken, or judged by itself. If none is, all share the answer to the batch."""
        places = sorted({0, len(part) // 2, len(part) - 1})
        while places and not self._judged and self._may_go_on():
            await self.deliver([part[places.pop(0)]], 1)
        rest = [one for one in part if one.place not in self.deliveries]
        if self._judged:
            await self._halves(rest)
        else:
            self._settle(rest, call, _power_of_two(len(part) // SHRINK))
            self._stopped = True

    def _may_go_on(self) -> bool:
        return not self.calls or (
            not self._stopped and len(self.calls) < self._most_calls and self._clock() - self._began_ms < LONGEST_MS
        )

    async def _call(self, part: Sequence[Member]) -> "_Call":
        items = [one.item for one in part]
        began_ms = self._clock()
        for one in part:
            self._since_ms.setdefault(one.place, began_ms)
        request = self._setup.destination.request(items, began_ms)
        result = await self._engine.send(request)
        now_ms = self._clock()
        http_ms = max(0, now_ms - began_ms)
        answered = classify_response(result, items, self._setup, self._redactor, now_ms=now_ms, http_ms=http_ms)
        self.calls.append(
            replace(
                answered.end,
                delivery=part[0].delivery.delivery_id,
                failed_since_ms=min(_failed_since_ms(one.delivery, answered.end.failure) for one in part),
            )
        )
        self._stopped = self._stopped or answered.end.failure in _STOPS
        self._judged = self._judged or answered.end.failure in _JUDGED
        answers = dict(zip((one.place for one in part), answered.answers, strict=True))
        return _Call(request, result, answered, answers, now_ms)

    def _settle(self, members: Sequence[Member], call: "_Call", limit: int | None = None) -> None:
        for one in members:
            answer = call.answers[one.place]
            self.deliveries[one.place] = DeliveryResult(
                delivery=one.delivery,
                answer=answer if limit is None else replace(answer, batch_limit=limit),
                request=call.request,
                result=call.result,
                calls_ms=self._calls_ms(one, call.finished_ms),
                finished_ms=call.finished_ms,
            )

    def _hand_back(self, members: Sequence[Member], limit: int) -> None:
        now_ms = self._clock()
        for one in members:
            self.deliveries[one.place] = DeliveryResult(
                delivery=replace(one.delivery, batch_limit=limit or one.delivery.batch_limit),
                answer=AttemptResult(failure=FailureClass.RETRY, code="", called=False),
                calls_ms=self._calls_ms(one, now_ms),
                finished_ms=now_ms,
                again=True,
            )

    def _calls_ms(self, one: Member, now_ms: int) -> int:
        return max(0, now_ms - self._since_ms.get(one.place, now_ms))


class _Call(msgspec.Struct, frozen=True):
    request: HttpRequest
    result: HttpResponse | HttpFailure
    answered: Answered
    answers: dict[int, AttemptResult]  # by place in the batch_result
    finished_ms: int


def _failed_since_ms(delivery: Delivery, failure: FailureClass) -> int:
    return delivery.refused_since_ms if failure is FailureClass.SETUP else delivery.failed_since_ms


def _power_of_two(count: int) -> int:
    """Return the largest one up to ``count``, at least 1: few sizes, so that events of one size find each other."""
    return 1 << max(0, count.bit_length() - 1)
