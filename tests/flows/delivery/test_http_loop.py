import time
from collections import deque
from collections.abc import Callable, Iterator

import pytest

from flows.delivery.http_loop import CompletedBatch, HttpLoop
from flows.delivery.queue import QueuedDelivery
from flows.delivery.sender import BatchSender
from flows.engine.clock import wall_clock_ms
from flows.functions.host import FunctionHost
from flows.workspace.compiled import compile_workspace
from model.http.failure import FailureClass
from model.http.messages import HttpRequest, HttpResponse
from tests.kit.fakes import ScriptedEngine
from tests.kit.samples import T0, delivery
from tests.kit.workspaces import webhook, workspace

Loops = Callable[[ScriptedEngine], HttpLoop]
CONFIGURATION = compile_workspace(workspace([webhook("crm")]))


def loop_with(engine: ScriptedEngine) -> HttpLoop:
    return HttpLoop(
        lambda: BatchSender(
            configuration=lambda: CONFIGURATION, engine=engine, functions=FunctionHost(), clock=wall_clock_ms
        ),
        wall_clock_ms,
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


def group(number: int = 0) -> list[QueuedDelivery]:
    return [QueuedDelivery(delivery(events_offset=number), "events", 0, number, arrived_ms=T0)]


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
    loop_over(engine).submit([group(number) for number in range(50)], finished)
    ended = wait_for(finished, 50)
    assert time.monotonic() - started < 50 * 0.05 / 2
    assert {each.group[0].offset for each in ended} == set(range(50))
    assert all(
        each.batch_result.deliveries[0].delivery.delivery_id == each.group[0].delivery.delivery_id for each in ended
    )


def test_an_engine_that_raises_after_all_is_a_failed_attempt_not_a_lost_one(loop_over: Loops) -> None:
    def fail(request: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError("oops")

    finished: deque[CompletedBatch] = deque()
    loop_over(ScriptedEngine(fail)).submit([group()], finished)
    (ended,) = wait_for(finished, 1)
    answer = ended.batch_result.deliveries[0].answer
    assert (answer.failure, answer.code, answer.called) == (FailureClass.RETRY, "INTERNAL", False)
    assert "ZeroDivisionError" in answer.message


def test_closing_aborts_what_is_under_way_at_once() -> None:
    engine = ScriptedEngine(lambda request: HttpResponse(status=200), lambda: 3_600.0)
    loop = loop_with(engine)
    finished: deque[CompletedBatch] = deque()
    loop.submit([group()], finished)
    deadline = time.monotonic() + 5
    while not engine.begun:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    started = time.monotonic()
    loop.close()
    assert time.monotonic() - started < 5
    assert not finished
