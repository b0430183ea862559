"""The clocks of a process, and the watchdog of the wall clock.

Everything else takes the clock as an argument. Bytewax waits until a clock that was set back has caught up, so the
process ends instead and is started again.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Thread

from flows.engine.threads import every

STEP_BACK_MS = 2_000  # smaller steps (leap smearing, NTP) are ignored
CHECK_EVERY_SECONDS = 1.0


def wall_clock_ms() -> int:
    """Unix time in ms."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Monotonic time in ms."""
    return time.monotonic_ns() // 1_000_000


def next_poll(every_ms: int) -> datetime:
    """When a worker is to be called again: at the next whole multiple of ``every_ms``.

    Waking and cross-process progress messages cost more than the work, so all polls are aligned to one grid: a process
    polls everything at one moment, and all processes poll at the same moment.
    """
    return datetime.fromtimestamp((wall_clock_ms() // every_ms + 1) * every_ms / 1_000, UTC)


class ClockWatchdog:
    """Compares the wall clock with the monotonic one; both injected, in ms."""

    def __init__(self, wall_ms: Callable[[], int], monotonic_ms: Callable[[], int]) -> None:
        self._wall_ms = wall_ms
        self._monotonic_ms = monotonic_ms
        self._difference_ms = wall_ms() - monotonic_ms()

    def stepped_back_ms(self) -> int:
        """How far the wall clock stepped back since the last call; 0 for steps below `STEP_BACK_MS`."""
        difference_ms = self._wall_ms() - self._monotonic_ms()
        back_ms = self._difference_ms - difference_ms
        self._difference_ms = difference_ms
        return back_ms if back_ms >= STEP_BACK_MS else 0


def watch(watchdog: ClockWatchdog, stop: Event, stepped_back: Callable[[int], None]) -> Thread:
    """Check every second on a thread, until the clock has stepped back: then call ``stepped_back`` with the ms."""

    def check() -> bool:
        back_ms = watchdog.stepped_back_ms()
        if back_ms:
            stepped_back(back_ms)
        return not back_ms

    return every(CHECK_EVERY_SECONDS, check, stop, "clock-watchdog")
