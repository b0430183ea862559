"""Turns the result of a delivery, or the end of its wait, into facts, samples, retry records and dead letters."""

from typing import Any

import orjson
from msgspec.structs import asdict

from flows.delivery.circuit import CircuitChange
from flows.delivery.context import ShardContext
from flows.delivery.queue import Requeue
from flows.delivery.responses import DeliveryResult
from flows.topics.records import fact, retry, undelivered
from flows.topics.sink import OutgoingRecord
from model.delivery.attempt import AttemptDecision, decide
from model.delivery.delivery import Delivery
from model.delivery.error_groups import ErrorGroups
from model.events.ids import attempt_id
from model.http.failure import FailureClass
from model.http.messages import RESPONSE_BODY_LIMIT_BYTES, HttpFailure, HttpRequest, HttpResponse
from model.recording.facts import DestinationState, Outcome, Requeued, Sample, State
from model.redaction.redactor import Redactor

AWAITING_RETRY = "awaiting_retry"


def apply_result(context: ShardContext, groups: ErrorGroups, result: DeliveryResult) -> list[OutgoingRecord]:
    """A delivery was sent: record its outcome, or the failed attempt and a retry."""
    delivery, answer = result.delivery, result.answer
    group = ""
    if answer.failure not in {FailureClass.DELIVERED, FailureClass.FILTER}:
        group = groups.group(delivery.source, delivery.destination, answer.code, answer.message, result.finished_ms)
    decision = decide(
        delivery,
        answer,
        context.configuration().policy,
        now_ms=result.finished_ms,
        run=context.run,
        random=context.random,
        error_group=group,
    )
    outputs = _sample(context, result, decision)
    if decision.outcome is not None:
        outputs.extend(_end(delivery, decision.outcome))
    elif decision.retry is not None and decision.attempt_failed is not None:
        outputs.append(fact(delivery.delivery_id.encode(), decision.attempt_failed))
        outputs.append(retry(decision.retry, context.clock()))
    return outputs


def requeue(context: ShardContext, back: Requeue, now_ms: int, reason: str) -> list[OutgoingRecord]:
    """Move a queued delivery to a retry topic unsent, or expire it if its retry window has ended.

    ``reason``: why its circuit lets no calls through, if that is so.
    """
    delivery = back.queued.delivery
    window_end_ms = context.configuration().policy.window_end_ms(delivery.taken_at_ms)
    if now_ms >= window_end_ms:  # the window ended while the destination accepted no calls
        code, message = (delivery.code, delivery.message) if delivery.code else ("NEVER_ATTEMPTED", reason)
        outcome = delivery.end(State.EXPIRED, at_ms=now_ms, run=context.run, code=code, message=message)
        return _end(delivery, outcome)
    delivery = delivery.waiting(from_ms=now_ms, until_ms=min(back.due_at_ms, window_end_ms), wait=back.wait)
    requeued = Requeued(
        **delivery.about(),
        at_ms=now_ms,
        run=context.run,
        attempt=delivery.calls,
        code=back.code,
        due_at_ms=delivery.due_at_ms,
    )
    return [fact(delivery.delivery_id.encode(), requeued), retry(delivery, now_ms)]


def discard(context: ShardContext, delivery: Delivery, code: str) -> list[OutgoingRecord]:
    """Discard a delivery whose connection was removed or disabled, after keeping it for the configured time."""
    return _end(delivery, delivery.end(State.DISCARDED, at_ms=context.clock(), run=context.run, code=code))


def state_change(context: ShardContext, destination: str, change: CircuitChange, now_ms: int) -> OutgoingRecord:
    """The fact that a destination's circuit changed state."""
    state = DestinationState(at_ms=now_ms, run=context.run, destination=destination, **asdict(change))
    return fact(destination.encode(), state)


def show_request(request: HttpRequest, redactor: Redactor) -> dict[str, Any]:
    """A request, redacted."""
    return {
        "method": request.method,
        "url": redactor.text(request.url),
        "headers": redactor.headers(request.headers),
        "body": redactor.json_bytes(request.body),
    }


def show_response(response: HttpResponse | HttpFailure | None, redactor: Redactor) -> dict[str, Any]:
    """A response or failure, redacted; empty if no request was made."""
    match response:
        case HttpResponse():
            body = response.body[:RESPONSE_BODY_LIMIT_BYTES]  # responses about many items may be longer
            shown = {
                "status": response.status,
                "headers": redactor.headers(response.headers),
                "body": redactor.json_bytes(body),
                "truncated": response.body_truncated or len(body) < len(response.body),
            }
            return shown | ({"body_fault": redactor.text(response.body_fault)} if response.body_fault else {})
        case HttpFailure():
            return {"error": response.code, "message": redactor.text(response.message)}
        case None:
            return {}


def sample(result: DeliveryResult, redactor: Redactor, *, run: str, attempt: int, state: str) -> Sample:
    """The sample of one attempt: the event, request and response, redacted."""
    delivery, answer = result.delivery, result.answer
    request = {} if result.request is None else show_request(result.request, redactor)
    return Sample(
        **delivery.about(),
        at_ms=result.finished_ms,
        run=run,
        attempt=attempt,
        code=answer.code,
        message=answer.message,
        batch_items=answer.batch_items,
        attempt_id=attempt_id(delivery.delivery_id, run, attempt),
        state=state,
        event=redactor.json_bytes(delivery.event),
        request=orjson.dumps(request).decode(),
        response=orjson.dumps(show_response(result.response, redactor)).decode(),
    )


def _end(delivery: Delivery, outcome: Outcome) -> list[OutgoingRecord]:
    """The records that end a delivery: its outcome, and its dead letter if it was not delivered."""
    ended = fact(delivery.delivery_id.encode(), outcome)
    if outcome.state in {State.DISCARDED, State.EXPIRED}:
        return [undelivered(delivery, outcome), ended]
    return [ended]


def _sample(context: ShardContext, result: DeliveryResult, decision: AttemptDecision) -> list[OutgoingRecord]:
    """The sample fact of an attempt; only some attempts leave one, which is decided before redacting: that costs."""
    configuration = context.configuration()
    if not configuration.workspace.redaction.payloads:
        return []
    delivery, now_ms = result.delivery, result.finished_ms
    state = decision.outcome.state if decision.outcome else AWAITING_RETRY
    if state == State.DELIVERED:
        kept = context.sampler.keep_success(delivery.source, delivery.destination, delivery.event_name, now_ms)
    else:
        kept = context.sampler.keep_failure(delivery.source, delivery.destination, result.answer.code, now_ms)
    if not kept:
        return []
    taken = sample(result, configuration.redactor, run=context.run, attempt=delivery.calls, state=state)
    return [fact(delivery.delivery_id.encode(), taken)]
