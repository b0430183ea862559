"""Which attempts are sampled with their payloads: a few of each kind, so that samples stay small under any load.

The first 3 failures per connection, code and minute, and one success per connection, event name and hour; never
more than MAX_KINDS kinds at a time. Decided before redaction, so an attempt that is not sampled costs nothing.
"""

from dataclasses import dataclass, field

from model.durations import HOUR_MS, MINUTE_MS

FAILURES_PER_MINUTE = 3
SUCCESSES_PER_HOUR = 1
MAX_KINDS = 10_000  # bounds memory; kinds beyond it get no samples until the next minute or hour


@dataclass(slots=True)
class _Period:
    length_ms: int
    limit: int
    current: int = -1
    taken: dict[tuple[str, ...], int] = field(default_factory=dict)

    def take(self, kind: tuple[str, ...], now_ms: int) -> bool:
        period = now_ms // self.length_ms
        if period != self.current:
            self.current = period
            self.taken.clear()
        taken = self.taken.get(kind, 0)
        if taken >= self.limit or (taken == 0 and len(self.taken) >= MAX_KINDS):
            return False
        self.taken[kind] = taken + 1
        return True


class Sampler:
    """Counts samples. One per process, not persisted: a restart only adds a few samples."""

    def __init__(self) -> None:
        self._failures = _Period(MINUTE_MS, FAILURES_PER_MINUTE)
        self._successes = _Period(HOUR_MS, SUCCESSES_PER_HOUR)

    def keep_failure(self, source: str, destination: str, code: str, now_ms: int) -> bool:
        """Whether the payloads of a failed attempt are kept."""
        return self._failures.take((source, destination, code), now_ms)

    def keep_success(self, source: str, destination: str, event_name: str, now_ms: int) -> bool:
        """Whether the payloads of a successful attempt are kept."""
        return self._successes.take((source, destination, event_name), now_ms)
