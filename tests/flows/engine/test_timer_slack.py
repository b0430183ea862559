"""By how much Linux lets a thread's sleeps be late."""

import ctypes
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.engine.timer_slack import DEFAULT_NS, RELAXED_NS, relax_timer_slack, restore_timer_slack

GET_TIMER_SLACK = 30  # linux/prctl.h


def slack_ns() -> int:
    return int(ctypes.CDLL(None).prctl(GET_TIMER_SLACK, 0, 0, 0, 0))


@pytest.mark.skipif(sys.platform != "linux", reason="timer slack is Linux's")
def test_a_thread_started_by_one_that_may_be_late_is_on_time_once_it_says_so() -> None:
    def late() -> tuple[int, int, int]:
        relax_timer_slack()
        with ThreadPoolExecutor(1) as started:
            inherited = started.submit(slack_ns).result()
            started.submit(restore_timer_slack).result()
            return slack_ns(), inherited, started.submit(slack_ns).result()

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(late).result() == (RELAXED_NS, RELAXED_NS, DEFAULT_NS)
    assert slack_ns() == DEFAULT_NS  # of this thread, nothing was changed
