"""Whether a destination refuses us whatever we send: several refusals in a row say so, a single one never does.

A refusal is an answer of class setup: wrong credentials, an unknown host, a bad certificate. One of them may as well be
about its event (a firewall that dislikes a payload) or about a moment (a name server that restarts). Times are passed
in; memory is bounded.
"""

from datetime import UTC, datetime
from typing import Any

from model.durations import HOUR_MS

ENOUGH = 3  # refused in a row, with nothing taken in between
ENOUGH_IF_MIXED = 10  # where single deliveries were refused while others were taken
MIXED_MS = HOUR_MS  # how long that is remembered
NO_ANSWER_MS = 10_000  # faults of DNS and TLS that last shorter are passing ones
MOST_NAMED = 100


class Refusals:
    """Those of one destination since it last took a delivery.

    ``patience_ms``: how long one delivery alone must be refused, where there is no other to tell more.
    """

    def __init__(self, patience_ms: int) -> None:
        self._patience_ms = patience_ms
        self._calls = 0
        self._deliveries: list[str] = []
        self._since_ms = 0
        self._last_ms = 0
        self._taken_ms = 0
        self._mixed_until_ms = 0
        self.answered = False
        """The last refusal was an HTTP answer, and not a call that failed before there could be one."""

    @property
    def suspected(self) -> bool:
        """More than one in a row: the next calls are made one at a time."""
        return self._calls > 1

    @property
    def proven(self) -> bool:
        """It refuses whatever we send."""
        lasted_ms = self._last_ms - self._since_ms
        if not self.answered and lasted_ms < min(NO_ANSWER_MS, self._patience_ms):
            return False
        if self._since_ms < self._mixed_until_ms:
            count = len(self._deliveries)
            return count >= ENOUGH_IF_MIXED or (count >= ENOUGH and lasted_ms >= 10 * self._patience_ms)
        return len(self._deliveries) >= ENOUGH or (self._calls >= ENOUGH and lasted_ms >= self._patience_ms)

    def passed_over(self, failed_since_ms: int) -> bool:
        """Whether others were taken since a delivery first failed (0: it has not yet); if so, it fails by itself."""
        return 0 < failed_since_ms < self._taken_ms

    def refused(self, now_ms: int, *, delivery: str, failed_since_ms: int, answered: bool) -> None:
        """Count one refusal of ``delivery`` ('': not known which), which was first refused at ``failed_since_ms``.

        If it was passed over, the refusal is about this delivery, and tells nothing of the destination.
        """
        if self.passed_over(failed_since_ms):
            self._mixed_until_ms = now_ms + MIXED_MS
            return
        if not self._calls:
            self._since_ms = now_ms
        self._calls += 1
        self._last_ms = max(now_ms, self._since_ms)
        self.answered = answered
        if (not delivery or delivery not in self._deliveries) and len(self._deliveries) < MOST_NAMED:
            self._deliveries.append(delivery)

    def taken(self, now_ms: int, *, mended: bool) -> None:
        """The destination took a delivery, or judged one by itself. ``mended``: it was stopped for its refusals."""
        if self._calls and self.answered and not mended:
            self._mixed_until_ms = now_ms + MIXED_MS
        self._taken_ms = now_ms
        self.forget()

    def forget(self) -> None:
        """Start counting anew."""
        self._calls = 0
        self._deliveries = []

    def told(self, code: str, message: str) -> str:
        """What the judgement rests on, in words."""
        count, of = len(self._deliveries), "deliveries"
        if count < 2 or count == MOST_NAMED:
            count, of = self._calls, "calls"
        since = datetime.fromtimestamp(self._since_ms / 1_000, UTC).strftime("%H:%M UTC")
        verb = "answered" if self.answered and code.isdecimal() else "failed with"
        words = f"{count} of the last {count} {of} {verb} {code} since {since}" if self._calls else ""
        return ": ".join(text for text in (words, message) if text)

    def to_state(self) -> dict[str, Any]:
        """Return plain values for a snapshot."""
        return {
            "calls": self._calls,
            "deliveries": list(self._deliveries),
            "since_ms": self._since_ms,
            "last_ms": self._last_ms,
            "taken_ms": self._taken_ms,
            "mixed_until_ms": self._mixed_until_ms,
            "answered": self.answered,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `to_state`."""
        self._calls = state["calls"]
        self._deliveries = list(state["deliveries"])
        self._since_ms = state["since_ms"]
        self._last_ms = state["last_ms"]
        self._taken_ms = state["taken_ms"]
        self._mixed_until_ms = state["mixed_until_ms"]
        self.answered = state["answered"]
