"""The wall clock, named once so that everything else takes it as an argument."""

import time
from datetime import UTC, datetime


def wall_clock_ms() -> int:
    """Unix time in ms."""
    return time.time_ns() // 1_000_000


def next_poll(every_ms: int) -> datetime:
    """When to be called again by a worker: at the next whole multiple of ``every_ms``.

    So everything a process polls is due at one moment, and every process polls at the same one: a worker that wakes
    costs more than what it then does, and so does a word to the others that it has.
    """
    return datetime.fromtimestamp((wall_clock_ms() // every_ms + 1) * every_ms / 1_000, UTC)
