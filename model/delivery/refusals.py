"""Decides whether a destination refuses every delivery: several refusals in a row are needed, one is not enough.

A refusal is a result of class setup: wrong credentials, an unknown host, a bad certificate. A single one may be about
its event (a firewall that blocks a payload) or about the moment (a name server that restarts). Times are passed
in; memory is bounded.
"""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from model.durations import HOUR_MS

ENOUGH = 3  # refusals in a row, with no success in between
ENOUGH_IF_MIXED = 10  # refusals needed when some deliveries are refused and others succeed
MIXED_MS = HOUR_MS  # how long that is remembered
NO_ANSWER_MS = 10_000  # shorter DNS and TLS failures count as passing
MOST_NAMED = 100


@dataclass(slots=True)
class Refusals:
    """The refusals of one destination since its last success.

    ``patience_ms``: how long a delivery must be refused when it is the only one.
    """

    patience_ms: int
    calls: int = 0
    deliveries: list[str] = field(default_factory=list)
    since_ms: int = 0
    last_ms: int = 0
    taken_ms: int = 0
    mixed_until_ms: int = 0
    answered: bool = False
    """The last refusal was an HTTP response, not a transport error."""

    @property
    def are_none(self) -> bool:
        """Nothing was refused since the last success, nor mixed with successes before it."""
        return not self.calls and not self.mixed_until_ms

    @property
    def suspected(self) -> bool:
        """More than one in a row: the next calls are made one at a time."""
        return self.calls > 1

    @property
    def proven(self) -> bool:
        """It refuses every delivery."""
        lasted_ms = self.last_ms - self.since_ms
        if not self.answered and lasted_ms < min(NO_ANSWER_MS, self.patience_ms):
            return False
        if self.since_ms < self.mixed_until_ms:
            count = len(self.deliveries)
            return count >= ENOUGH_IF_MIXED or (count >= ENOUGH and lasted_ms >= 10 * self.patience_ms)
        return len(self.deliveries) >= ENOUGH or (self.calls >= ENOUGH and lasted_ms >= self.patience_ms)

    def passed_over(self, failed_since_ms: int) -> bool:
        """Whether others succeeded since a delivery first failed (0: it has not); if so, it fails alone."""
        return 0 < failed_since_ms < self.taken_ms

    def refused(self, now_ms: int, *, delivery: str, failed_since_ms: int, answered: bool) -> None:
        """Count one refusal of ``delivery`` ('': not known which), which was first refused at ``failed_since_ms``.

        If the delivery fails alone, the refusal is about it and not about the destination.
        """
        if self.passed_over(failed_since_ms):
            self.mixed_until_ms = now_ms + MIXED_MS
            return
        if not self.calls:
            self.since_ms = now_ms
        self.calls += 1
        self.last_ms = max(now_ms, self.since_ms)
        self.answered = answered
        if (not delivery or delivery not in self.deliveries) and len(self.deliveries) < MOST_NAMED:
            self.deliveries.append(delivery)

    def taken(self, now_ms: int, *, mended: bool) -> None:
        """Count a success, or a result about one event. ``mended``: the destination was blocked for its refusals."""
        if self.calls and self.answered and not mended:
            self.mixed_until_ms = now_ms + MIXED_MS
        self.taken_ms = now_ms
        self.forget()

    def forget(self) -> None:
        """Reset all counts."""
        self.calls = 0
        self.deliveries = []

    def evidence(self, code: str, message: str) -> str:
        """The evidence, as text."""
        count, of = len(self.deliveries), "deliveries"
        if count < 2 or count == MOST_NAMED:
            count, of = self.calls, "calls"
        since = datetime.fromtimestamp(self.since_ms / 1_000, UTC).strftime("%H:%M UTC")
        verb = "answered" if self.answered and code.isdecimal() else "failed with"
        words = f"{count} of the last {count} {of} {verb} {code} since {since}" if self.calls else ""
        return ": ".join(text for text in (words, message) if text)

    def to_state(self) -> dict[str, Any]:
        """Return plain values for a snapshot."""
        state = asdict(self)
        del state["patience_ms"]
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Restore from `to_state`."""
        for name, value in state.items():
            setattr(self, name, value)
