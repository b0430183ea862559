"""Lets the main thread of a worker sleep longer, because Bytewax wakes it a thousand times a second.

Where a flow has several processes, Bytewax works on another thread, and the main thread only polls for Ctrl-C. Each
poll takes the interpreter from the working thread. Waybill handles signals elsewhere (`flows.runtime.worker`), so these
polls may be late. On Linux a thread can set by how much its sleeps may be late: "timer slack", prctl(2). Other systems
are left as they are.
"""

import ctypes
import sys

SET_TIMER_SLACK = 29  # linux/prctl.h
RELAXED_NS = 50_000_000
DEFAULT_NS = 50_000  # Linux' default


def relax_timer_slack() -> None:
    """Call last on the main thread: threads started afterwards inherit the timer slack."""
    _set_slack(RELAXED_NS)


def restore_timer_slack() -> None:
    """Call on the working thread before it starts other threads."""
    _set_slack(DEFAULT_NS)


def _set_slack(slack_ns: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_TIMER_SLACK, ctypes.c_ulong(slack_ns), 0, 0, 0)
