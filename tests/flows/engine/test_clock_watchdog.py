from threading import Event

import pytest

from flows.engine import clock
from flows.engine.clock import ClockWatchdog, watch
from tests.kit.fakes import Clock
from tests.kit.samples import T0


def test_a_clock_that_was_set_back_is_noticed_once() -> None:
    wall, monotonic = Clock(T0), Clock(50)
    watchdog = ClockWatchdog(wall, monotonic)
    wall.advance(1_000 - 30_000)
    monotonic.advance(1_000)
    assert watchdog.stepped_back_ms() == 30_000
    assert watchdog.stepped_back_ms() == 0


def test_time_passing_small_steps_and_steps_forward_are_no_concern() -> None:
    wall, monotonic = Clock(T0), Clock(50)
    watchdog = ClockWatchdog(wall, monotonic)
    for wall_ms, monotonic_ms in ((5_000, 5_000), (-1_000, 900), (3_600_000, 1_000)):
        wall.advance(wall_ms)
        monotonic.advance(monotonic_ms)
        assert watchdog.stepped_back_ms() == 0


def test_the_watch_ends_when_told_without_a_word() -> None:
    stop, said = Event(), list[int]()
    thread = watch(ClockWatchdog(Clock(T0), Clock(50)), stop, said.append)
    stop.set()
    thread.join(5)
    assert not thread.is_alive() and said == []


def test_the_watch_says_how_far_the_clock_went_back_and_looks_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "CHECK_EVERY_SECONDS", 0.001)
    wall, said = Clock(T0), list[int]()
    thread = watch(ClockWatchdog(wall, Clock(50)), Event(), said.append)
    wall.advance(-30_000)
    thread.join(5)
    assert not thread.is_alive() and said == [30_000]
