import time
from collections import deque
from collections.abc import Callable, Iterator

import pytest

from flows.calls import Call, CallLoop, FinishedCall
from flows.clock import wall_clock_ms
from sinks.http import HttpFailure, HttpRequest, HttpResponse
from tests.fakes import ScriptedEngine

Loops = Callable[[ScriptedEngine], CallLoop]


@pytest.fixture
def loop_over() -> Iterator[Loops]:
    loops: list[CallLoop] = []

    def make(engine: ScriptedEngine) -> CallLoop:
        loops.append(CallLoop(lambda: engine, wall_clock_ms))
        return loops[-1]

    yield make
    for loop in loops:
        loop.close()


def request(path: str = "") -> HttpRequest:
    return HttpRequest(method="POST", url=f"http://d.test/{path}", headers={}, body=b"{}", timeout_seconds=5)


def wait_for(finished: deque[FinishedCall], count: int) -> list[FinishedCall]:
    deadline = time.monotonic() + 5
    while len(finished) < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return list(finished)


def test_calls_run_side_by_side_and_each_ends_with_its_token(loop_over: Loops) -> None:
    engine = ScriptedEngine(lambda request: HttpResponse(status=200), lambda: 0.05)
    finished: deque[FinishedCall] = deque()
    started = time.monotonic()
    loop_over(engine).begin([Call(request(), number) for number in range(50)], finished)
    ended = wait_for(finished, 50)
    assert time.monotonic() - started < 50 * 0.05 / 2
    assert {each.call.token for each in ended} == set(range(50))
    assert all(each.started_ms <= each.finished_ms for each in ended)


def test_an_engine_that_raises_after_all_is_a_failed_call_not_a_lost_one(loop_over: Loops) -> None:
    def fail(request: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError("oops")

    finished: deque[FinishedCall] = deque()
    loop_over(ScriptedEngine(fail)).begin([Call(request(), "token")], finished)
    (ended,) = wait_for(finished, 1)
    assert ended.result == HttpFailure(code="INTERNAL", message="ZeroDivisionError: oops")


def test_closing_aborts_what_is_under_way_at_once() -> None:
    engine = ScriptedEngine(lambda request: HttpResponse(status=200), lambda: 3_600.0)
    loop = CallLoop(lambda: engine, wall_clock_ms)
    finished: deque[FinishedCall] = deque()
    loop.begin([Call(request(), 1)], finished)
    deadline = time.monotonic() + 5
    while not engine.begun:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    started = time.monotonic()
    loop.close()
    assert time.monotonic() - started < 5
    assert not finished
