"""The sample of one attempt: the event, request and response, redacted. Only some attempts leave one."""

from typing import Any

import orjson

from flows.delivery.context import ShardContext
from flows.delivery.isolation import DeliveryResult
from flows.topics.records import fact
from flows.topics.sink import OutgoingRecord
from model.delivery.attempt import AttemptDecision
from model.delivery.delivery import Delivery
from model.events.ids import attempt_id
from model.http.messages import RESPONSE_BODY_LIMIT_BYTES, HttpFailure, HttpRequest, HttpResponse
from model.recording.facts import Sample, State
from model.redaction.redactor import Redactor

AWAITING_RETRY = "awaiting_retry"


def sample(
    context: ShardContext, delivery: Delivery, result: DeliveryResult, end: AttemptDecision
) -> list[OutgoingRecord]:
    """Return the sample fact of an attempt, or nothing. Decides before redacting, which is expensive."""
    configuration = context.configuration()
    if not configuration.workspace.redaction.payloads:
        return []
    state = end.outcome.state if end.outcome else AWAITING_RETRY
    now_ms, answer = result.finished_ms, result.answer
    if state == State.DELIVERED:
        kept = context.sampler.keep_success(delivery.source, delivery.destination, delivery.event_name, now_ms)
    else:
        kept = context.sampler.keep_failure(delivery.source, delivery.destination, answer.code, now_ms)
    if not kept:
        return []
    redactor = configuration.redactor
    taken = Sample(
        **delivery.about(),
        at_ms=now_ms,
        run=context.run,
        attempt=delivery.calls,
        code=answer.code,
        message=answer.message,
        batch_items=answer.batch_items,
        attempt_id=attempt_id(delivery.delivery_id, context.run, delivery.calls),
        state=state,
        event=redactor.json_bytes(delivery.event),
        request=orjson.dumps(shown_request(result, redactor)).decode(),
        response=orjson.dumps(shown_response(result, redactor)).decode(),
    )
    return [fact(delivery.delivery_id.encode(), taken)]


def shown_request(result: DeliveryResult, redactor: Redactor) -> dict[str, Any]:
    """The request, redacted; empty if none was made."""
    return {} if result.request is None else show_request(result.request, redactor)


def show_request(request: HttpRequest, redactor: Redactor) -> dict[str, Any]:
    """A request, redacted."""
    return {
        "method": request.method,
        "url": redactor.text(request.url),
        "headers": redactor.headers(request.headers),
        "body": redactor.json_bytes(request.body),
    }


def shown_response(result: DeliveryResult, redactor: Redactor) -> dict[str, Any]:
    """The response or the failure, redacted; empty if no request was made."""
    match result.result:
        case HttpResponse() as response:
            body = response.body[:RESPONSE_BODY_LIMIT_BYTES]  # responses about many items may be longer
            shown = {
                "status": response.status,
                "headers": redactor.headers(response.headers),
                "body": redactor.json_bytes(body),
                "truncated": response.body_truncated or len(body) < len(response.body),
            }
            return shown | ({"body_fault": redactor.text(response.body_fault)} if response.body_fault else {})
        case HttpFailure() as failure:
            return {"error": failure.code, "message": redactor.text(failure.message)}
        case _:
            return {}
