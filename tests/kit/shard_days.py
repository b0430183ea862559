"""A shard of the delivery flow at work for hours of its own time: deliveries, retries, calls; no disk, no waiting."""

import asyncio
import atexit
import heapq
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import orjson

from flows.delivery.budget import InFlightBudget
from flows.delivery.context import ShardContext
from flows.delivery.http_loop import Batch, CompletedBatch, HttpLoop
from flows.delivery.queue import QueuedDelivery
from flows.delivery.sender import BatchSender
from flows.delivery.shard import Shard
from flows.functions.host import FunctionHost
from flows.topics.interface import EVENTS, OUTCOMES
from flows.workspace.compiled import compile_workspace
from model.delivery.delivery import Delivery
from model.delivery.sampling import Sampler
from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from model.recording.facts import AttemptFailed, DestinationState, Outcome, decode
from tests.kit.fakes import Clock
from tests.kit.samples import T0, delivery
from tests.kit.workspaces import connection, webhook, workspace

Answering = Callable[[HttpRequest], HttpResponse | HttpFailure]
STEP_MS = 20
IDLE_STEP_MS = 100  # while a pause is waited for

_loop = asyncio.new_event_loop()  # one for all: to make one for each batch_result would take most of the time
atexit.register(_loop.close)


class Partner:
    """Answers as ``answering`` says, each call after ``took_ms``; keeps what it was sent and when."""

    def __init__(self, clock: Clock, answering: Answering, took_ms: int) -> None:
        self._clock = clock
        self._answering = answering
        self._took_ms = took_ms
        self.calls: list[tuple[int, list[str]]] = []  # when, and the messages

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """Behave as an `HttpEngine`."""
        self.calls.append((self._clock(), messages(request)))
        self._clock.advance(self._took_ms)
        return self._answering(request)

    async def close(self) -> None:
        """Nothing to close."""


class ShardDays:
    """One shard with one destination, crm. Time passes in `run` only, in steps of 20 ms."""

    def __init__(
        self,
        answering: Answering,
        *,
        settings: dict[str, Any] | None = None,
        delivery: dict[str, Any] | None = None,
        took_ms: int = 0,
        destination: dict[str, Any] | None = None,
    ) -> None:
        self.clock = Clock(T0)
        self.configuration = compile_workspace(
            workspace(
                [destination or webhook("crm", **(settings or {}))],
                [connection("web", "crm")],
                environ={"KEY": "key-of-the-project"},
                delivery=delivery or {},
            )
        )
        self.partner = Partner(self.clock, answering, took_ms)
        self.facts: list[Any] = []
        self._retries: list[tuple[int, int, Delivery]] = []
        self._retried = 0
        self._under_way: deque[tuple[Batch, deque[CompletedBatch]]] = deque()
        self._sender = BatchSender(
            configuration=lambda: self.configuration,
            engine=self.partner,
            functions=FunctionHost(),
            clock=self.clock,
        )
        self.context = ShardContext(
            run="run-1",
            clock=self.clock,
            random=lambda: 0.5,
            configuration=lambda: self.configuration,
            setup_probe_ms=60_000,
            max_wait_in_queue_ms=30_000,
            budget=InFlightBudget(max_deliveries=100_000, max_bytes=1 << 30, clock=self.clock),
            calls=cast(HttpLoop, self),
            parts=((EVENTS, 0),),
            shards=1,
            sampler=Sampler(),
            open_shard=lambda shard: True,
            outcomes_partitions=1,
        )
        self.shard = Shard(self.context, None)
        self.sent = 0
        self.about: Callable[[int], dict[str, Any]] = lambda number: {}  # what else an event has
        self._mapping = "track" if destination else ""

    def submit(self, groups: list[Batch], finished: deque[CompletedBatch]) -> None:
        """Behave as a `HttpLoop`: what is begun ends at the next step."""
        self._under_way.extend((group, finished) for group in groups)

    def restart(self) -> None:
        """End cleanly and go on from the snapshot."""
        self._end_calls()
        self._keep(self.shard.on_eof()[0])
        self.shard = Shard(self.context, self.shard.snapshot())

    def take(self, count: int) -> None:
        """Give it new deliveries of events m-0, m-1, …"""
        new = []
        for number in range(self.sent, self.sent + count):
            event = {"type": "track", "event": "Bought", "messageId": f"m-{number}", "userId": f"user-{number}"}
            new.append(
                delivery(
                    events_offset=number,
                    message_id=f"m-{number}",
                    event=orjson.dumps({**event, **self.about(number)}),
                    mapping=self._mapping,
                    received_at_ms=self.clock(),
                    taken_at_ms=self.clock(),
                )
            )
        self.sent += count
        self._give(new)

    def run(self, seconds: float, *, rate: float = 0) -> None:
        """Let time pass; ``rate``: new deliveries a second. With nothing to do it passes in one go."""
        end_ms, given = self.clock() + round(seconds * 1_000), 0
        begun_ms = self.clock()
        while self.clock() < end_ms:
            due = int((self.clock() - begun_ms) * rate / 1_000) - given
            if due > 0:
                self.take(due)
                given += due
            ripe = []
            while self._retries and self._retries[0][0] <= self.clock():
                ripe.append(heapq.heappop(self._retries)[2])
            self._give(ripe)
            self._end_calls()
            self._keep(self.shard.on_notify()[0])
            if self._under_way:
                self.clock.advance(STEP_MS)
            elif rate or self.shard.notify_at() is not None:
                self.clock.advance(IDLE_STEP_MS)
            else:
                self.clock.now_ms = min([end_ms, *(due_ms for due_ms, _, _ in self._retries[:1])])

    def ends(self) -> dict[str, str]:
        """How each message ended."""
        return {fact.message_id: str(fact.state) for fact in self.outcomes()}

    def outcomes(self) -> list[Outcome]:
        """How they ended, in that order."""
        return [fact for fact in self.facts if isinstance(fact, Outcome)]

    def failed(self) -> list[AttemptFailed]:
        """Attempts that failed."""
        return [fact for fact in self.facts if isinstance(fact, AttemptFailed)]

    def states(self) -> list[DestinationState]:
        """What the destination was found to be."""
        return [fact for fact in self.facts if isinstance(fact, DestinationState)]

    def _end_calls(self) -> None:
        while self._under_way:
            group, finished = self._under_way.popleft()
            batch_result = _loop.run_until_complete(self._sender.send([waiting.delivery for waiting in group]))
            finished.append(CompletedBatch(group, batch_result))

    def _give(self, deliveries: Sequence[Delivery]) -> None:
        if deliveries:
            items = [QueuedDelivery(of, EVENTS, 0, of.events_offset, arrived_ms=self.clock()) for of in deliveries]
            self._keep(self.shard.on_batch([list(items)])[0])

    def _keep(self, together: Any) -> None:
        for output in (output for outputs in together for output in outputs):
            if output.topic == OUTCOMES:
                self.facts.append(decode(output.value))
            elif output.topic.startswith("retries."):
                retry = Delivery.from_record(output.value)
                self._retried += 1
                heapq.heappush(self._retries, (retry.due_at_ms, self._retried, retry))


def messages(request: HttpRequest) -> list[str]:
    """The ids of the events of a call; of Amplitude's the users."""
    content = orjson.loads(request.body)
    if isinstance(content, dict) and "events" in content:
        return [event["user_id"] for event in content["events"]]
    return [event["messageId"] for event in (content if isinstance(content, list) else [content])]
