"""Decides when the circuit breaker opens: too many of a destination's last calls failed, or took too long.

Counts are kept in a few slices of a sliding window, so memory and time per call are constant.
"""

from collections import deque
from dataclasses import dataclass

SLICES = 10
LONGEST_PAUSE_MS = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When the circuit breaker opens and for how long; see `model.destinations.destination.BreakerConfig`."""

    failure_ratio: float
    slow_ms: int
    slow_ratio: float
    min_calls: int
    window_ms: int
    pause_ms: int

    def longer_pause_ms(self, openings: int) -> int:
        """How long to stay open the ``openings``-th time in a row (1-based)."""
        return min(LONGEST_PAUSE_MS, self.pause_ms << min(openings - 1, 16))


@dataclass(slots=True)
class _Slice:
    start_ms: int
    calls: int = 0
    failed: int = 0
    slow: int = 0
    own: int = 0  # failures of deliveries that fail alone


class FailureWindow:
    """The last calls of one destination. Times are passed in."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self._slice_ms = max(1, policy.window_ms // SLICES)
        self._slices: deque[_Slice] = deque(maxlen=SLICES)

    def record(self, now_ms: int, *, failed: bool, took_ms: int, own: bool = False) -> None:
        """Count one finished call; ``own``: its delivery fails alone, and others have succeeded since.

        Such failures count only while no call succeeds, so that a few bad events do not block the others.
        """
        if not self._slices or now_ms - self._slices[-1].start_ms >= self._slice_ms:
            self._slices.append(_Slice(now_ms))
        current = self._slices[-1]
        if own:
            current.own += 1
            return
        current.calls += 1
        current.failed += failed
        current.slow += took_ms >= self.policy.slow_ms

    def complaint(self, now_ms: int) -> str:
        """The reason to open the circuit breaker, as text; '' when it should stay closed."""
        calls = failed = slow = own = 0
        for part in self._slices:
            if now_ms - part.start_ms <= self.policy.window_ms:
                calls += part.calls
                failed += part.failed
                slow += part.slow
                own += part.own
        if failed == calls:
            calls, failed = calls + own, failed + own
        if calls < self.policy.min_calls:
            return ""
        within = f"of the last {calls} calls within {self.policy.window_ms / 1_000:g} s"
        if failed >= self.policy.failure_ratio * calls:
            return f"{failed} {within} failed"
        if slow >= self.policy.slow_ratio * calls:
            return f"{slow} {within} took {self.policy.slow_ms / 1_000:g} s or longer"
        return ""

    def forget(self) -> None:
        """Reset all counts."""
        self._slices.clear()
