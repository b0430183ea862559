"""What one answer means for a delivery: delivered, given up, or tried again. Pure; the lane acts on it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from model.delivery import Delivery
from model.facts import AttemptFailed, Outcome, State
from model.failure import FailureClass
from model.identity import attempt_id
from model.schedule import RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back from one call, already classified. ``http_status`` 0: no response."""

    failure: FailureClass
    code: str
    http_status: int
    http_ms: int
    message: str = ""
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Exactly one of: an outcome (the delivery ends), or the delivery as it goes on and the fact saying so."""

    outcome: Outcome | None = None
    retry: Delivery | None = None
    attempt_failed: AttemptFailed | None = None


def conclude(
    delivery: Delivery, answer: Answer, policy: RetryPolicy, *, now_ms: int, run: str, random: Callable[[], float]
) -> Conclusion:
    """Decide about ``delivery``, whose ``calls`` already counts this call, after ``answer``.

    Throttling and setup failures (wrong credentials, unknown host) use up time, not attempts: they say nothing about
    the event. Every other retryable failure counts against the limit.
    """
    http = (answer.http_status, answer.http_ms)
    if answer.failure is FailureClass.DELIVERED:
        return Conclusion(outcome=delivery.end(State.DELIVERED, at_ms=now_ms, run=run, http=http))
    said: dict[str, Any] = {"code": answer.code, "message": answer.message}
    if answer.failure is FailureClass.DISCARD:
        return Conclusion(outcome=delivery.end(State.DISCARDED, at_ms=now_ms, run=run, **said, http=http))
    counts = answer.failure is FailureClass.RETRY
    due_at_ms = policy.next_due_ms(
        attempts=delivery.attempts + counts,
        taken_at_ms=delivery.taken_at_ms,
        now_ms=now_ms,
        retry_after_ms=answer.retry_after_ms,
        random=random,
    )
    if due_at_ms is None:
        return Conclusion(outcome=delivery.end(State.EXPIRED, at_ms=now_ms, run=run, **said, http=http))
    fact = AttemptFailed(
        **delivery.about(),
        **said,
        http_status=answer.http_status,
        http_ms=answer.http_ms,
        at_ms=now_ms,
        run=run,
        attempt=delivery.calls,
        attempt_id=attempt_id(delivery.delivery_id, run, delivery.calls),
        failure=answer.failure,
        due_at_ms=due_at_ms,
    )
    retry = replace(delivery, **said, attempts=delivery.attempts + counts).waiting(from_ms=now_ms, until_ms=due_at_ms)
    return Conclusion(retry=retry, attempt_failed=fact)


def called(delivery: Delivery) -> Delivery:
    """Return the delivery with one more call counted."""
    return replace(delivery, calls=delivery.calls + 1)
