"""What a call brought, for its destination and for each delivery it carried. Texts are redacted here, before anything
is written."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from flows.configuration import DestinationSetup
from model.attempt import Answer
from model.destinations.destination import Item, ItemAnswer
from model.failure import FailureClass, cut, partner_message, retry_after_ms
from model.failure_rules import ANSWER_UNREADABLE
from model.http import HttpFailure, HttpResponse
from model.redaction import Redactor


class CallEnd(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP call as the destination's gate sees it."""

    failure: FailureClass
    code: str
    message: str
    took_ms: int
    retry_after_ms: int | None


def answers_of(
    result: HttpResponse | HttpFailure,
    items: Sequence[Item],
    setup: DestinationSetup,
    redactor: Redactor,
    *,
    now_ms: int,
    http_ms: int,
) -> tuple[CallEnd, list[Answer]]:
    """Classify a result. An answer that does not speak of single items counts for all, and says so of a batch.

    So does one that speaks of them and cannot be read: it is a failure of the batch, unless a rule says what its status
    means whatever is in the body.
    """
    whole = _whole(result, setup, redactor, now_ms=now_ms, http_ms=http_ms)
    said = setup.destination.read(result, items) if isinstance(result, HttpResponse) else None
    if said and said[0] is not None and said[0].code == ANSWER_UNREADABLE:
        if whole.failure is FailureClass.DELIVERED and not setup.classifier.decides(whole.http_status):
            message = cut(redactor.text(said[0].message))
            whole = replace(whole, failure=said[0].failure, code=said[0].code, message=message)
        said = None
    end = CallEnd(
        failure=whole.failure,
        code=whole.code,
        message=whole.message,
        # A body that nobody needs and that did not come says nothing about how fast the service is.
        took_ms=0 if _only_the_body_was_late(result, whole) else http_ms,
        retry_after_ms=whole.retry_after_ms,
    )
    if said is None:
        shared = replace(whole, batch_items=len(items)) if len(items) > 1 and whole.code else whole
        return end, [shared] * len(items)
    answers = [_of_item(item, whole, setup, redactor) for item in said]
    if whole.failure is FailureClass.DISCARD and len(items) > 1:
        # The partner took the batch apart: it is alive, whatever it thinks of single events.
        end = replace(end, failure=FailureClass.DELIVERED)
    return end, answers


def _only_the_body_was_late(result: HttpResponse | HttpFailure, whole: Answer) -> bool:
    return isinstance(result, HttpResponse) and result.body_fault != "" and whole.failure is FailureClass.DELIVERED


def _whole(
    result: HttpResponse | HttpFailure, setup: DestinationSetup, redactor: Redactor, *, now_ms: int, http_ms: int
) -> Answer:
    if isinstance(result, HttpFailure):
        failure, code = setup.classifier.classify(None, result.code, {}, b"")
        message = cut(redactor.text(result.message))
        return Answer(failure=failure, code=code, http_ms=http_ms, message=message)
    fault = result.body_fault
    failure, code = setup.classifier.classify(result.status, "", result.headers, result.body, fault)
    if failure is FailureClass.DELIVERED:
        return Answer(failure=failure, code="", http_status=result.status, http_ms=http_ms)
    said = partner_message(result.headers, result.body)
    if fault and (code == ANSWER_UNREADABLE or not said):
        said = f"the body of the answer could not be read: {fault}"
    return Answer(
        failure=failure,
        code=code,
        http_status=result.status,
        http_ms=http_ms,
        message=cut(redactor.text(said)),
        retry_after_ms=retry_after_ms(result.headers, now_ms),
    )


def _of_item(said: ItemAnswer | None, whole: Answer, setup: DestinationSetup, redactor: Redactor) -> Answer:
    if said is None:
        return whole
    failure, code = said.failure, said.code
    if said.status:
        failure, code = setup.classifier.classify(said.status, "", {}, said.message.encode())
    message = cut(redactor.text(said.message)) if said.message else ""
    return replace(whole, failure=failure, code=code, message=message)
