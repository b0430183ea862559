"""When a delivery is tried again: by default 10 attempts in 4 hours, exponential with jitter, as Segment does."""

from collections.abc import Callable
from dataclasses import dataclass

from model.durations import HOUR_MS
from model.http.failure import RETRY_AFTER_LIMIT_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The workspace's retry settings, in ms. ``jitter`` 0.2 spreads a wait over 80 % to 120 % of itself."""

    attempts: int = 10
    window_ms: int = 4 * HOUR_MS
    first_wait_ms: int = 45_000
    wait_factor: float = 2.0
    max_wait_ms: int = HOUR_MS
    jitter: float = 0.2

    def wait_ms(self, attempt: int, random: Callable[[], float]) -> int:
        """Wait after failed attempt ``attempt`` (1-based); ``random`` gives [0, 1)."""
        # The exponent is bounded so that an absurd attempt number cannot overflow a float.
        nominal = min(self.max_wait_ms, self.first_wait_ms * self.wait_factor ** min(attempt - 1, 64))
        return int(nominal * (1 + self.jitter * (2 * random() - 1)))

    def window_end_ms(self, taken_at_ms: int) -> int:
        """After this moment no further call is planned."""
        return taken_at_ms + self.window_ms

    def next_due_ms(
        self,
        *,
        attempts: int,
        taken_at_ms: int,
        now_ms: int,
        retry_after_ms: int | None,
        random: Callable[[], float],
        waits: int | None = None,
    ) -> int | None:
        """When to try again after ``attempts`` counted attempts, or None when attempts or window are used up.

        The last wait is cut to the end of the window, so the window closes with one last attempt. ``waits``: the
        position in the schedule, where it differs from the number of counted attempts.
        """
        end = self.window_end_ms(taken_at_ms)
        if attempts >= self.attempts or now_ms >= end:
            return None
        wait = self.wait_ms(max(1, attempts if waits is None else waits), random)
        if retry_after_ms is not None:
            wait = max(wait, min(retry_after_ms, RETRY_AFTER_LIMIT_MS))
        return min(now_ms + wait, end)
