"""Bytewax waits for a clock that was stepped back to catch up. Better to end the process and be started again."""

import threading
import time
from collections.abc import Callable

STEP_BACK_MS = 2_000  # smaller steps (leap smearing, NTP) pass by unnoticed
LOOK_EVERY_SECONDS = 1.0


class ClockWatchdog:
    """Compares the wall clock with the monotonic one; both injected, in ms."""

    def __init__(self, wall_ms: Callable[[], int], monotonic_ms: Callable[[], int]) -> None:
        self._wall_ms = wall_ms
        self._monotonic_ms = monotonic_ms
        self._difference_ms = wall_ms() - monotonic_ms()

    def stepped_back_ms(self) -> int:
        """How far the wall clock went back since the last look, if it is more than a small step; else 0."""
        difference_ms = self._wall_ms() - self._monotonic_ms()
        back_ms = self._difference_ms - difference_ms
        self._difference_ms = difference_ms
        return back_ms if back_ms >= STEP_BACK_MS else 0


def watch(watchdog: ClockWatchdog, stop: threading.Event, stepped_back: Callable[[int], None]) -> threading.Thread:
    """Look every second on a thread; calls ``stepped_back`` with the ms, once."""

    def look() -> None:
        while not stop.wait(LOOK_EVERY_SECONDS):
            back_ms = watchdog.stepped_back_ms()
            if back_ms:
                stepped_back(back_ms)
                return

    thread = threading.Thread(target=look, name="clock-watchdog", daemon=True)
    thread.start()
    return thread


def monotonic_ms() -> int:
    """Monotonic time in ms."""
    return time.monotonic_ns() // 1_000_000
