"""Lets the main thread of a worker sleep. Where a flow has several processes, Bytewax works on another one.

There the main thread looks for Ctrl-C a thousand times a second, and takes the interpreter from the thread that works
each time. Signals are noticed elsewhere (`flows.runtime.worker`), so it need not be on time. Linux lets a thread say by
how much its sleeps may be late: "timer slack", prctl(2). Elsewhere nothing is changed.
"""

import ctypes
import sys

SET_TIMER_SLACK = 29  # linux/prctl.h
RELAXED_NS = 50_000_000
DEFAULT_NS = 50_000  # as Linux has it


def relax_timer_slack() -> None:
    """To be called by the main thread, as the last thing: a thread that it starts later is as late."""
    _set_slack(RELAXED_NS)


def restore_timer_slack() -> None:
    """To be called by the thread that works before it makes anything."""
    _set_slack(DEFAULT_NS)


def _set_slack(slack_ns: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_TIMER_SLACK, ctypes.c_ulong(slack_ns), 0, 0, 0)
