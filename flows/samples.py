"""The sample of one attempt: what was received, requested and answered, redacted, if this attempt is to leave one."""

import orjson

from flows.calls import FinishedCall
from flows.desk import Desk
from flows.outputs import fact
from flows.topic_sink import Output
from model.attempt import Answer, Conclusion
from model.delivery import Delivery
from model.facts import Sample, State
from model.identity import attempt_id
from sinks.http import HttpResponse

AWAITING_RETRY = "awaiting_retry"


def sample(desk: Desk, delivery: Delivery, answer: Answer, end: Conclusion, finished: FinishedCall) -> list[Output]:
    """Return the sample fact of an attempt, or nothing. Decided before any redacting is done."""
    state = end.outcome.state if end.outcome else AWAITING_RETRY
    now_ms = finished.finished_ms
    if state == State.DELIVERED:
        kept = desk.sampler.keep_success(delivery.source, delivery.destination, delivery.event_name, now_ms)
    else:
        kept = desk.sampler.keep_failure(delivery.source, delivery.destination, answer.code, now_ms)
    if not kept:
        return []
    redactor = desk.redactor
    request = finished.call.request
    shown_request = {
        "method": request.method,
        "url": redactor.text(request.url),
        "headers": redactor.headers(request.headers),
        "body": redactor.json_bytes(request.body),
    }
    result = finished.result
    if isinstance(result, HttpResponse):
        shown_response = {
            "status": result.status,
            "headers": redactor.headers(result.headers),
            "body": redactor.json_bytes(result.body),
            "truncated": result.body_truncated,
        }
    else:
        shown_response = {"error": result.code, "message": redactor.text(result.message)}
    said = Sample(
        **delivery.about(),
        at_ms=now_ms,
        run=desk.run,
        attempt=delivery.calls,
        code=answer.code,
        message=answer.message,
        attempt_id=attempt_id(delivery.delivery_id, desk.run, delivery.calls),
        state=state,
        event=redactor.json_bytes(delivery.event),
        request=orjson.dumps(shown_request).decode(),
        response=orjson.dumps(shown_response).decode(),
    )
    return [fact(delivery.delivery_id.encode(), said)]
