"""When calls to one destination may begin: its pause, its rate limit, its breaker, its setup.

None of these spends a delivery's attempts, only its time. After a pause single calls try (*probes*); when one gets
through, the number of calls allowed at a time doubles with each success, so that a recovering destination is not
flooded. A destination is stopped on evidence only (`model.delivery.failure_window`, `model.delivery.refusals`), and the
reason names it. Time is passed in.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from model.delivery.failure_window import FailureWindow
from model.delivery.refusals import Refusals
from model.http.failure import FailureClass

BURST_MS = 100  # calls of this much time may begin at once, so that polling every few ms keeps up with any rate
NO_ANSWER_PAUSE_MS = 1_000  # between calls to a host that is not found or not trusted, until that is proven or passes


class CircuitState(StrEnum):
    """What the destination is found to be."""

    CLOSED = "ok"
    BLOCKED = "setup"  # it refuses us whatever we send: a person must act
    OPEN = "open"  # the breaker is open
    HALF_OPEN = "half_open"  # a probe is under way
    OFF = "off"  # nothing is sent to it any more: it was removed or disabled, or its connections were


@dataclass(frozen=True, slots=True)
class CircuitChange:
    """The destination's condition changed. ``until_ms``: no call before this moment."""

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
        self._reported = False  # the first success of a run is said too: the run before may have died before saying it
        self._changes: list[CircuitChange] = []
        self.reason = ""  # why it is closed, for those who wait
        self._concurrency = concurrency
        self._allowed = concurrency  # grows back after a pause
        self._setup_probe_ms = setup_probe_ms
        self._interval_ms = 1_000 / calls_per_second if calls_per_second else 0.0
        self._next_call_ms = 0.0
        self._breaker = breaker
        self._openings = 0
        self._opened_for = ""  # what the breaker found when it opened
        self._refusals = Refusals(setup_probe_ms)
        self._paused_until_ms = 0
        self.pause_ms = 0  # length of the last pause
        self._blocked_ms = 0
        self._blocked_since_ms: int | None = None

    @property
    def probing(self) -> bool:
        """Single calls try whether the destination takes events again."""
        return self.state is not CircuitState.CLOSED

    @property
    def one_at_a_time(self) -> bool:
        """Single deliveries are called: they try it, or are to prove whether it refuses all."""
        return self.probing or self._refusals.suspected

    @property
    def paused_until_ms(self) -> int:
        """No call starts before this moment."""
        return self._paused_until_ms

    @property
    def rate_limited(self) -> bool:
        """Its own rate limit stands in the way now."""
        return self._interval_ms > 0 and self._blocked_since_ms is not None

    @property
    def requeue_code(self) -> str:
        """The reason code of a delivery put back because of the pause."""
        codes = {
            CircuitState.BLOCKED: "SETUP_PROBE",
            CircuitState.OPEN: "BREAKER_OPEN",
            CircuitState.HALF_OPEN: "BREAKER_OPEN",
        }
        return codes.get(self.state, "PAUSED")

    def allowed(self, now_ms: int, in_flight: int) -> int:
        """How many calls may begin now."""
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
        """Time so far in which no call might begin; the difference of two readings is what a delivery waited for it."""
        if self._blocked_since_ms is None:
            return self._blocked_ms
        return self._blocked_ms + max(0, now_ms - self._blocked_since_ms)

    def calls_started(self, now_ms: int, calls: int) -> None:
        """Note that calls begin."""
        if self._interval_ms:
            self._next_call_ms = max(self._next_call_ms, now_ms) + calls * self._interval_ms
        if self.state is CircuitState.OPEN:
            self._enter(CircuitState.HALF_OPEN, "BREAKER_OPEN", "one call tries again", now_ms)

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
        """Note what one call brought; see `flows.delivery.responses.CallResult`. ``others``: batch_results under way
        beside its own."""
        if failure is FailureClass.THROTTLE:
            # Too fast is the opposite of dead: the pause is what was asked for, and nothing else changes.
            self._pause(now_ms, 1_000 if retry_after_ms is None else retry_after_ms)
        elif failure is FailureClass.SETUP:
            self._refusals.refused(now_ms, delivery=delivery, failed_since_ms=failed_since_ms, answered=answered)
            self._refused(now_ms, code, message, others)
        elif failure is FailureClass.RETRY:
            self._failed(now_ms, took_ms, code, message, answered, failed_since_ms)
            if retry_after_ms is not None:  # the service itself says until when it is away
                self._pause(now_ms, retry_after_ms)
        else:
            self._succeeded(now_ms, took_ms)

    def changes(self) -> list[CircuitChange]:
        """Take what changed since the last call."""
        changes, self._changes = self._changes, []
        return changes

    def restore(self, state: str, evidence: dict[str, Any] | None = None) -> None:
        """Go on with the condition found before a restart: probe before sending at full rate."""
        self.state = CircuitState(state)
        self._allowed = 1 if self.probing else self._concurrency
        if evidence is not None:
            self.reason = evidence["reason"]
            self._opened_for, self._openings = evidence["opened_for"], evidence["openings"]
            self._refusals.restore(evidence["refusals"])

    def evidence(self) -> dict[str, Any]:
        """What the condition rests on, and what is on its way to change it, as plain values for a snapshot."""
        return {
            "reason": self.reason,
            "opened_for": self._opened_for,
            "openings": self._openings,
            "refusals": self._refusals.to_state(),
        }

    def _refused(self, now_ms: int, code: str, message: str, others: int) -> None:
        if self.state is CircuitState.BLOCKED or (self._refusals.proven and not others):
            self._pause(now_ms, self._setup_probe_ms)
            self._enter(CircuitState.BLOCKED, code, self._refusals.told(code, message), self._paused_until_ms)
        elif self._refusals.suspected and not self._refusals.answered:
            self._pause(now_ms, NO_ANSWER_PAUSE_MS)

    def _failed(self, now_ms: int, took_ms: int, code: str, message: str, answered: bool, failed_since_ms: int) -> None:
        if self.state is CircuitState.BLOCKED:
            if self._refusals.answered or not answered:  # nothing says that what was refused would be taken
                self._pause(now_ms, self._setup_probe_ms)
                return
            self._recover()  # its host was not found or not trusted, and answers
        if self._breaker is None:
            return
        own = self._refusals.passed_over(failed_since_ms)
        self._breaker.record(now_ms, failed=True, took_ms=took_ms, own=own)
        complaint = self._breaker.complaint(now_ms)
        if self.state is CircuitState.HALF_OPEN:
            again = "call" if self._openings < 2 else f"{self._openings} calls"
            found = (self._opened_for, f"the {again} that tried again failed")
            complaint = ", then ".join(text for text in found if text)
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
