"""Decides what the result of an attempt means for a delivery: delivered, discarded, expired, or retried. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from model.delivery.delivery import Delivery, Wait
from model.delivery.refusals import ENOUGH
from model.delivery.retry_policy import RetryPolicy
from model.events.ids import attempt_id
from model.http.failure import FailureClass
from model.recording.facts import AttemptFailed, Outcome, State

_ENDS = {
    FailureClass.DELIVERED: State.DELIVERED,
    FailureClass.DISCARD: State.DISCARDED,
    FailureClass.FILTER: State.FILTERED,
}


class AttemptResult(msgspec.Struct, frozen=True, kw_only=True):
    """The classified result of one attempt.

    ``http_status`` 0: no response. ``called`` is False when no call was made, because the mapping or the insert
    function failed first. ``batch_items``: size of the batch, when the response is about the whole batch.
    ``batch_limit``: most deliveries in the next request with this one; 0: no limit.
    """

    failure: FailureClass
    code: str
    http_status: int = 0
    http_ms: int = 0
    message: str = ""
    retry_after_ms: int | None = None
    called: bool = True
    batch_items: int = 0
    batch_limit: int = 0


@dataclass(frozen=True, slots=True)
class AttemptDecision:
    """Exactly one of: an outcome (the delivery ends), or the delivery to retry with the fact that records it."""

    outcome: Outcome | None = None
    retry: Delivery | None = None
    attempt_failed: AttemptFailed | None = None


def decide(
    delivery: Delivery,
    answer: AttemptResult,
    policy: RetryPolicy,
    *,
    now_ms: int,
    run: str,
    random: Callable[[], float],
    error_group: str = "",
) -> AttemptDecision:
    """Decide about ``delivery``, whose ``calls`` and ``calls_ms`` already count this call, after ``answer``.

    Throttling and setup failures (wrong credentials, unknown host) use up time, not attempts: they are not about
    the event. Every other retryable failure counts against the limit. The last attempt is a request of its own, so
    that no delivery expires because of another one in its batch.
    """
    said: dict[str, Any] = {"code": answer.code, "message": answer.message}
    known: dict[str, Any] = {"error_group": error_group, "batch_items": answer.batch_items}
    http = (answer.http_status, answer.http_ms) if answer.called else None
    end = _ENDS.get(answer.failure)
    if end is not None:
        return AttemptDecision(outcome=delivery.end(end, at_ms=now_ms, run=run, **said, **known, http=http))
    counts = answer.failure is FailureClass.RETRY
    refused = answer.failure is FailureClass.SETUP
    attempts = delivery.attempts + counts
    due_at_ms = policy.next_due_ms(
        attempts=attempts,
        # Repeated refusals of one delivery back off, once they have served as evidence about the destination.
        waits=max(attempts, delivery.calls - ENOUGH + 1) if refused else attempts,
        taken_at_ms=delivery.taken_at_ms,
        now_ms=now_ms,
        retry_after_ms=answer.retry_after_ms,
        random=random,
    )
    if due_at_ms is None:
        return AttemptDecision(outcome=delivery.end(State.EXPIRED, at_ms=now_ms, run=run, **said, **known, http=http))
    fact = AttemptFailed(
        **delivery.about(),
        **said,
        **known,
        http_status=answer.http_status,
        http_ms=answer.http_ms,
        at_ms=now_ms,
        run=run,
        attempt=delivery.calls,
        attempt_id=attempt_id(delivery.delivery_id, run, delivery.calls),
        failure=answer.failure,
        due_at_ms=due_at_ms,
    )
    last = counts and (attempts == policy.attempts - 1 or due_at_ms >= policy.window_end_ms(delivery.taken_at_ms))
    retry = replace(
        delivery,
        **said,
        attempts=attempts,
        batch_limit=1 if last else answer.batch_limit or delivery.batch_limit,
        failed_since_ms=delivery.failed_since_ms or (now_ms if counts else 0),
        refused_since_ms=delivery.refused_since_ms or (now_ms if refused else 0),
    ).waiting(from_ms=now_ms, until_ms=due_at_ms, wait=Wait.RETRY if counts else Wait.LIMIT)
    return AttemptDecision(retry=retry, attempt_failed=fact)
