"""The wall clock, named once so that everything else takes it as an argument."""

import time


def wall_clock_ms() -> int:
    """Unix time in ms."""
    return time.time_ns() // 1_000_000
