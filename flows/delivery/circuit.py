"""The circuit breaker and rate limiter of one destination: how many calls may start now.

Waiting for either costs a delivery time, not attempts. After a pause, single calls (*probes*) test the destination.
When one succeeds, the number of concurrent calls doubles with each success, so that a recovering destination is not
flooded. The circuit opens only on evidence (`model.delivery.failure_window`, `model.delivery.refusals`), and the reason
names that evidence. The current time is passed in.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from model.delivery.failure_window import FailureWindow
from model.delivery.refusals import Refusals
from model.http.failure import FailureClass

BURST_MS = 100  # the rate limit allows this much time's worth of calls at once, so that polling keeps up with any rate
NO_ANSWER_PAUSE_MS = 1_000  # between calls to a host that is unknown or untrusted, until that is confirmed or passes


class CircuitState(StrEnum):
    """The circuit's state; the values are recorded."""

    CLOSED = "ok"
    BLOCKED = "setup"  # the destination refuses every call (credentials, host, TLS): a person must act
    OPEN = "open"  # too many calls failed; no calls until the pause ends
    HALF_OPEN = "half_open"  # a probe is in flight
    OFF = "off"  # the destination, or all its connections, were removed or disabled


@dataclass(frozen=True, slots=True)
class CircuitChange:
    """A state change of a circuit. ``until_ms``: no call before this moment."""

    state: CircuitState
    code: str
    message: str
    until_ms: int


class CircuitBreaker:
    """One per destination."""

    def __init__(
        self,
        *,
        concurrency: int,
        setup_probe_ms: int,
        calls_per_second: float | None = None,
        breaker: FailureWindow | None = None,
    ) -> None:
        self.state = CircuitState.CLOSED
        self._reported = False  # a run reports its first success: an earlier run may have crashed before doing so
        self._changes: list[CircuitChange] = []
        self.reason = ""  # why no calls are made, for deliveries that expire meanwhile
        self._concurrency = concurrency
        self._allowed = concurrency  # grows back after a pause
        self._setup_probe_ms = setup_probe_ms
        self._interval_ms = 1_000 / calls_per_second if calls_per_second else 0.0
        self._next_call_ms = 0.0
        self._breaker = breaker
        self._openings = 0
        self._opened_for = ""  # the evidence on which the circuit opened
        self._refusals = Refusals(setup_probe_ms)
        self._paused_until_ms = 0
        self.pause_ms = 0  # length of the last pause
        self._blocked_ms = 0
        self._blocked_since_ms: int | None = None

    @property
    def probing(self) -> bool:
        """Only single calls are made, to test whether the destination accepts events again."""
        return self.state is not CircuitState.CLOSED

    @property
    def one_at_a_time(self) -> bool:
        """Batches hold one delivery: as a probe, or to find out whether the destination refuses every event."""
        return self.probing or self._refusals.suspected

    @property
    def paused_until_ms(self) -> int:
        """No call starts before this moment."""
        return self._paused_until_ms

    @property
    def rate_limited(self) -> bool:
        """Calls are held back by the rate limit now."""
        return self._interval_ms > 0 and self._blocked_since_ms is not None

    @property
    def requeue_code(self) -> str:
        """The reason code of a delivery requeued because of the pause."""
        codes = {
            CircuitState.BLOCKED: "SETUP_PROBE",
            CircuitState.OPEN: "BREAKER_OPEN",
            CircuitState.HALF_OPEN: "BREAKER_OPEN",
        }
        return codes.get(self.state, "PAUSED")

    def allowed(self, now_ms: int, in_flight: int) -> int:
        """How many calls may start now."""
        if now_ms < self._paused_until_ms:
            free, blocked = 0, True
        else:
            most = 1 if self.one_at_a_time else self._allowed
            free, blocked = max(0, most - in_flight), self.one_at_a_time and in_flight > 0
            if self._interval_ms:
                burst_ms = max(self._interval_ms, BURST_MS)
                tokens = int((now_ms + burst_ms - max(self._next_call_ms, now_ms)) / self._interval_ms)
                blocked = blocked or tokens <= 0 < free
                free = min(free, max(0, tokens))
        self._note_blocked(now_ms, blocked)
        return free

    def blocked_ms(self, now_ms: int) -> int:
        """Total time in which no call could start; the difference of two readings is a delivery's blocked time."""
        if self._blocked_since_ms is None:
            return self._blocked_ms
        return self._blocked_ms + max(0, now_ms - self._blocked_since_ms)

    def calls_started(self, now_ms: int, calls: int) -> None:
        """Record that calls start."""
        if self._interval_ms:
            self._next_call_ms = max(self._next_call_ms, now_ms) + calls * self._interval_ms
        if self.state is CircuitState.OPEN:
            self._enter(CircuitState.HALF_OPEN, "BREAKER_OPEN", "one call tests the destination", now_ms)

    def call_finished(
        self,
        failure: FailureClass,
        *,
        now_ms: int,
        took_ms: int,
        code: str,
        message: str,
        retry_after_ms: int | None,
        answered: bool = True,
        delivery: str = "",
        failed_since_ms: int = 0,
        others: int = 0,
    ) -> None:
        """Record the result of a call (`flows.delivery.responses.CallResult`); ``others``: other batches in flight."""
        if failure is FailureClass.THROTTLE:
            # A throttling destination is alive: pause as it asks, and change nothing else.
            self._pause(now_ms, 1_000 if retry_after_ms is None else retry_after_ms)
        elif failure is FailureClass.SETUP:
            self._refusals.refused(now_ms, delivery=delivery, failed_since_ms=failed_since_ms, answered=answered)
            self._refused(now_ms, code, message, others)
        elif failure is FailureClass.RETRY:
            self._failed(now_ms, took_ms, code, message, answered, failed_since_ms)
            if retry_after_ms is not None:  # the service itself says until when it is unavailable
                self._pause(now_ms, retry_after_ms)
        else:
            self._succeeded(now_ms, took_ms)

    def changes(self) -> list[CircuitChange]:
        """Remove and return the changes since the last call."""
        changes, self._changes = self._changes, []
        return changes

    def restore(self, state: str, evidence: dict[str, Any] | None = None) -> None:
        """Restore the state from before a restart; a circuit that was not closed probes before sending at full rate."""
        self.state = CircuitState(state)
        self._allowed = 1 if self.probing else self._concurrency
        if evidence is not None:
            self.reason = evidence["reason"]
            self._opened_for, self._openings = evidence["opened_for"], evidence["openings"]
            self._refusals.restore(evidence["refusals"])

    def evidence(self) -> dict[str, Any] | None:
        """The evidence for the state, and evidence collected towards the next one, as plain values for a snapshot.

        None for a destination that is well, as most are: a snapshot is written every second.
        """
        if self.state is CircuitState.CLOSED and self._refusals.are_none:
            return None
        return {
            "reason": self.reason,
            "opened_for": self._opened_for,
            "openings": self._openings,
            "refusals": self._refusals.to_state(),
        }

    def _refused(self, now_ms: int, code: str, message: str, others: int) -> None:
        if self.state is CircuitState.BLOCKED or (self._refusals.proven and not others):
            self._pause(now_ms, self._setup_probe_ms)
            self._enter(CircuitState.BLOCKED, code, self._refusals.evidence(code, message), self._paused_until_ms)
        elif self._refusals.suspected and not self._refusals.answered:
            self._pause(now_ms, NO_ANSWER_PAUSE_MS)

    def _failed(self, now_ms: int, took_ms: int, code: str, message: str, answered: bool, failed_since_ms: int) -> None:
        if self.state is CircuitState.BLOCKED:
            if self._refusals.answered or not answered:  # no evidence that the refusal has ended
                self._pause(now_ms, self._setup_probe_ms)
                return
            self._recover()  # the host was unknown or untrusted, and now responds
        if self._breaker is None:
            return
        own = self._refusals.passed_over(failed_since_ms)
        self._breaker.record(now_ms, failed=True, took_ms=took_ms, own=own)
        complaint = self._breaker.complaint(now_ms)
        if self.state is CircuitState.HALF_OPEN:
            probes = "the probe" if self._openings < 2 else f"{self._openings} probes"
            evidence = (self._opened_for, f"{probes} failed")
            complaint = ", then ".join(text for text in evidence if text)
        elif complaint:
            self._opened_for = complaint
        if complaint and self.state is not CircuitState.OPEN:
            self._open(now_ms, code, f"{complaint}: {message or code}")

    def _succeeded(self, now_ms: int, took_ms: int) -> None:
        if self._breaker is not None:
            self._breaker.record(now_ms, failed=False, took_ms=took_ms)
            complaint = "" if self.probing else self._breaker.complaint(now_ms)
            if complaint:
                self._refusals.taken(now_ms, mended=False)
                self._opened_for = complaint
                self._open(now_ms, "BREAKER_OPEN", complaint)
                return
        self._refusals.taken(now_ms, mended=self.state is CircuitState.BLOCKED)
        if self.probing:
            self._recover()
        elif not self._reported:
            self._enter(CircuitState.CLOSED, "", "", 0)
        self._allowed = min(self._concurrency, self._allowed * 2)

    def _open(self, now_ms: int, code: str, message: str) -> None:
        assert self._breaker is not None
        self._openings += 1
        self._breaker.forget()
        self._pause(now_ms, self._breaker.policy.longer_pause_ms(self._openings))
        self._enter(CircuitState.OPEN, code, message, self._paused_until_ms)

    def _recover(self) -> None:
        self._refusals.forget()
        self._allowed = 1
        self._openings = 0
        self._paused_until_ms = 0
        if self._breaker is not None:
            self._breaker.forget()
        self._enter(CircuitState.CLOSED, "", "", 0)

    def _enter(self, state: CircuitState, code: str, message: str, until_ms: int) -> None:
        if state is not self.state or not self._reported:
            self._changes.append(CircuitChange(state, code, message, until_ms))
        self._reported = True
        self.state = state
        self.reason = f"{code}: {message}" if message and code else code
        if state is not CircuitState.CLOSED:
            self._allowed = 1

    def _pause(self, now_ms: int, pause_ms: int) -> None:
        if now_ms + pause_ms > self._paused_until_ms:
            self._paused_until_ms = now_ms + pause_ms
            self.pause_ms = pause_ms

    def _note_blocked(self, now_ms: int, blocked: bool) -> None:
        if not blocked:
            self._blocked_ms = self.blocked_ms(now_ms)
            self._blocked_since_ms = None
        elif self._blocked_since_ms is None:
            self._blocked_since_ms = now_ms
