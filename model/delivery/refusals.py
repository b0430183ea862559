"""Decides whether a destination refuses every delivery: several refusals in a row are needed, one is not enough.

A refusal is a result of class setup: wrong credentials, an unknown host, a bad certificate. A single one may be about
its event (a firewall that blocks a payload) or about the moment (a name server that restarts). Times are passed
in; memory is bounded.
"""

from datetime import UTC, datetime
from typing import Any

from model.durations import HOUR_MS

ENOUGH = 3  # refusals in a row, with no success in between
ENOUGH_IF_MIXED = 10  # refusals needed when some deliveries are refused and others succeed
MIXED_MS = HOUR_MS  # how long that is remembered
NO_ANSWER_MS = 10_000  # shorter DNS and TLS failures count as passing
MOST_NAMED = 100


class Refusals:
    """The refusals of one destination since its last success.

    ``patience_ms``: how long a delivery must be refused when it is the only one.
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
        """The last refusal was an HTTP response, not a transport error."""

    @property
    def are_none(self) -> bool:
        """Nothing was refused since the last success, nor mixed with successes before it."""
        return not self._calls and not self._mixed_until_ms

    @property
    def suspected(self) -> bool:
        """More than one in a row: the next calls are made one at a time."""
        return self._calls > 1

    @property
    def proven(self) -> bool:
        """It refuses every delivery."""
        lasted_ms = self._last_ms - self._since_ms
        if not self.answered and lasted_ms < min(NO_ANSWER_MS, self._patience_ms):
            return False
        if self._since_ms < self._mixed_until_ms:
            count = len(self._deliveries)
            return count >= ENOUGH_IF_MIXED or (count >= ENOUGH and lasted_ms >= 10 * self._patience_ms)
        return len(self._deliveries) >= ENOUGH or (self._calls >= ENOUGH and lasted_ms >= self._patience_ms)

    def passed_over(self, failed_since_ms: int) -> bool:
        """Whether others succeeded since a delivery first failed (0: it has not); if so, it fails alone."""
        return 0 < failed_since_ms < self._taken_ms

    def refused(self, now_ms: int, *, delivery: str, failed_since_ms: int, answered: bool) -> None:
        """Count one refusal of ``delivery`` ('': not known which), which was first refused at ``failed_since_ms``.

        If the delivery fails alone, the refusal is about it and not about the destination.
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
        """Count a success, or a result about one event. ``mended``: the destination was blocked for its refusals."""
        if self._calls and self.answered and not mended:
            self._mixed_until_ms = now_ms + MIXED_MS
        self._taken_ms = now_ms
        self.forget()

    def forget(self) -> None:
        """Reset all counts."""
        self._calls = 0
        self._deliveries = []

    def told(self, code: str, message: str) -> str:
        """The evidence, as text."""
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
        """Restore from `to_state`."""
        self._calls = state["calls"]
        self._deliveries = list(state["deliveries"])
        self._since_ms = state["since_ms"]
        self._last_ms = state["last_ms"]
        self._taken_ms = state["taken_ms"]
        self._mixed_until_ms = state["mixed_until_ms"]
        self.answered = state["answered"]
