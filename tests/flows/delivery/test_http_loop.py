import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flows.delivery.queue import Batch, DestinationQueue, QueuedDelivery
from flows.delivery.sending import BatchSender, CompletedBatch, HttpLoop
from flows.engine.clock import wall_clock_ms
from flows.functions.host import FunctionHost
from flows.workspace.compiled import compile_workspace
from model.http.failure import FailureClass
from model.http.messages import HttpRequest, HttpResponse
from tests.kit.fakes import Clock, ScriptedEngine
from tests.kit.samples import T0, delivery
from tests.kit.workspaces import webhook, workspace

Loops = Callable[[ScriptedEngine], HttpLoop]
CONFIGURATION = compile_workspace(workspace([webhook("crm")]))


def loop_with(engine: ScriptedEngine) -> HttpLoop:
    return HttpLoop(
        BatchSender(configuration=lambda: CONFIGURATION, engine=engine, functions=FunctionHost(), clock=wall_clock_ms)
    )


@pytest.fixture
def loop_over() -> Iterator[Loops]:
    loops: list[HttpLoop] = []

    def make(engine: ScriptedEngine) -> HttpLoop:
        loops.append(loop_with(engine))
        return loops[-1]

    yield make
    for loop in loops:
        loop.close()


def batch(number: int = 0) -> Batch:
    queue = DestinationQueue("crm", CONFIGURATION.destinations["crm"], setup_probe_ms=60_000, max_wait_ms=30_000)
    return Batch(queue, (QueuedDelivery(delivery(events_offset=number), "events", 0, number, arrived_ms=T0),))


def wait_for(finished: deque[CompletedBatch], count: int) -> list[CompletedBatch]:
    deadline = time.monotonic() + 5
    while len(finished) < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return list(finished)


def test_shipments_run_side_by_side_and_each_ends_with_its_deliveries(loop_over: Loops) -> None:
    engine = ScriptedEngine(lambda request: HttpResponse(status=200), lambda: 0.05)
    finished: deque[CompletedBatch] = deque()
    started = time.monotonic()
    loop_over(engine).submit([batch(number) for number in range(50)], finished)
    ended = wait_for(finished, 50)
    assert time.monotonic() - started < 50 * 0.05 / 2
    assert {each.batch.deliveries[0].offset for each in ended} == set(range(50))
    assert all(
        each.result.deliveries[0].delivery.delivery_id == each.batch.deliveries[0].delivery.delivery_id
        for each in ended
    )


def test_an_engine_that_raises_after_all_is_a_failed_attempt_not_a_lost_one(loop_over: Loops) -> None:
    def fail(request: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError("oops")

    finished: deque[CompletedBatch] = deque()
    loop_over(ScriptedEngine(fail)).submit([batch()], finished)
    (ended,) = wait_for(finished, 1)
    answer = ended.result.deliveries[0].answer
    assert (answer.failure, answer.code, answer.called) == (FailureClass.RETRY, "INTERNAL", False)
    assert "ZeroDivisionError" in answer.message


@pytest.mark.parametrize("count", [1, 2])
def test_a_bug_in_the_send_step_gives_every_delivery_a_result(
    loop_over: Loops, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    def broken(*args: object, **more: object) -> None:
        raise KeyError("oops")

    for module in ("sending", "isolation"):
        monkeypatch.setattr(f"flows.delivery.{module}.classify_response", broken)
    several = Batch(batch().queue, tuple(queued for number in range(count) for queued in batch(number).deliveries))
    finished: deque[CompletedBatch] = deque()
    loop_over(ScriptedEngine(lambda request: HttpResponse(status=200))).submit([several], finished)
    (ended,) = wait_for(finished, 1)
    results = ended.result.deliveries
    assert [one.delivery.events_offset for one in results] == list(range(count))
    assert {(one.answer.failure, one.answer.code) for one in results} == {(FailureClass.RETRY, "INTERNAL")}


def test_a_call_that_is_waited_for_can_be_cancelled() -> None:
    engine = ScriptedEngine(lambda request: HttpResponse(status=200), lambda: 0.01)
    sender = BatchSender(
        configuration=lambda: CONFIGURATION, engine=engine, functions=FunctionHost(), clock=wall_clock_ms
    )

    async def cancelled() -> None:
        task = asyncio.ensure_future(sender.send([delivery()]))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0.05)
        assert task.cancelled()

    asyncio.run(cancelled())
    assert len(engine.begun) == 1 and engine.ended == []


@pytest.mark.parametrize("settings", [{}, {"batch": {"max_events": 10}}], ids=["alone", "in a list"])
@pytest.mark.parametrize("status", [200, 400, 401, 429, 503])
def test_a_single_delivery_has_the_result_it_would_have_as_a_batch(status: int, settings: dict[str, Any]) -> None:
    configuration = compile_workspace(workspace([webhook("crm", **settings)]))
    response = HttpResponse(status=status, headers={"retry-after": "9"}, body=b'{"message":"why"}')
    sender = BatchSender(
        configuration=lambda: configuration,
        engine=ScriptedEngine(lambda request: response),
        functions=FunctionHost(),
        clock=Clock(T0),
    )

    async def both() -> None:
        one = delivery(calls=2, calls_ms=7, failed_since_ms=5, refused_since_ms=6)
        assert await sender.send([one]) == await sender._send_batch([one], configuration)

    asyncio.run(both())


def test_closing_aborts_what_is_under_way_at_once() -> None:
    engine = ScriptedEngine(lambda request: HttpResponse(status=200), lambda: 3_600.0)
    loop = loop_with(engine)
    finished: deque[CompletedBatch] = deque()
    loop.submit([batch()], finished)
    deadline = time.monotonic() + 5
    while not engine.begun:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    started = time.monotonic()
    loop.close()
    assert time.monotonic() - started < 5
    assert not finished
