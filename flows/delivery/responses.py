"""What a call brought, for its destination and for each delivery it carried. Texts are redacted here, before anything
is written."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from flows.workspace.compiled import CompiledDestination
from model.delivery.attempt import AttemptResult
from model.destinations.destination import Item, ItemAnswer
from model.http.failure import FailureClass, cut, partner_message, retry_after_ms, speaks_of_service
from model.http.failure_rules import ANSWER_UNREADABLE
from model.http.messages import HttpFailure, HttpResponse
from model.redaction.redactor import Redactor


class CallResult(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP call as the destination's circuit sees it.

    ``answered``: there was an HTTP answer. ``retry_after_ms``: the pause it asks for on behalf of the whole service.
    ``delivery``: the first it carried. ``failed_since_ms``: since when all it carried have failed in this way, or 0 if
    some never did before.
    """

    failure: FailureClass
    code: str
    message: str
    took_ms: int
    retry_after_ms: int | None
    answered: bool = True
    delivery: str = ""
    failed_since_ms: int = 0


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A call's end, and what it says of each item, by position.

    ``apart``: it was answered item by item; ``resend``: positions of items refused only because of others.
    """

    end: CallResult
    answers: list[AttemptResult]
    apart: bool = False
    resend: frozenset[int] = frozenset()


def classify_response(
    result: HttpResponse | HttpFailure,
    items: Sequence[Item],
    setup: CompiledDestination,
    redactor: Redactor,
    *,
    now_ms: int,
    http_ms: int,
) -> Answered:
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
    throttled = whole.failure is FailureClass.THROTTLE
    end = CallResult(
        failure=whole.failure,
        code=whole.code,
        message=whole.message,
        # A body that nobody needs and that did not come says nothing about how fast the service is.
        took_ms=0 if _only_the_body_was_late(result, whole) else http_ms,
        retry_after_ms=whole.retry_after_ms if throttled or speaks_of_service(whole.http_status) else None,
        answered=isinstance(result, HttpResponse),
    )
    if said is None or all(item is None for item in said):
        shared = replace(whole, batch_items=len(items)) if len(items) > 1 and whole.code else whole
        return Answered(end=end, answers=[shared] * len(items))
    answers = [_of_item(item, whole, setup, redactor) for item in said]
    resend = frozenset(place for place, item in enumerate(said) if item is not None and item.resend)
    return Answered(end=_of_call(end, answers, resend), answers=answers, apart=True, resend=resend)


def _of_call(end: CallResult, answers: Sequence[AttemptResult], resend: frozenset[int]) -> CallResult:
    """Judge a call answered item by item: the partner is alive, unless it failed or refused every single one."""
    classes = {answer.failure for answer in answers}
    if not resend and classes in ({FailureClass.RETRY}, {FailureClass.SETUP}):
        first = answers[0]
        return replace(end, failure=first.failure, code=first.code, message=first.message, retry_after_ms=None)
    return replace(end, failure=FailureClass.DELIVERED, code="", message="", retry_after_ms=None)


def _only_the_body_was_late(result: HttpResponse | HttpFailure, whole: AttemptResult) -> bool:
    return isinstance(result, HttpResponse) and result.body_fault != "" and whole.failure is FailureClass.DELIVERED


def _whole(
    result: HttpResponse | HttpFailure, setup: CompiledDestination, redactor: Redactor, *, now_ms: int, http_ms: int
) -> AttemptResult:
    if isinstance(result, HttpFailure):
        failure, code = setup.classifier.classify(None, result.code, {}, b"")
        message = cut(redactor.text(result.message))
        return AttemptResult(failure=failure, code=code, http_ms=http_ms, message=message)
    fault = result.body_fault
    failure, code = setup.classifier.classify(result.status, "", result.headers, result.body, fault)
    if failure is FailureClass.DELIVERED:
        return AttemptResult(failure=failure, code="", http_status=result.status, http_ms=http_ms)
    said = partner_message(result.headers, result.body)
    if fault and (code == ANSWER_UNREADABLE or not said):
        said = f"the body of the answer could not be read: {fault}"
    return AttemptResult(
        failure=failure,
        code=code,
        http_status=result.status,
        http_ms=http_ms,
        message=cut(redactor.text(said)),
        retry_after_ms=retry_after_ms(result.headers, now_ms),
    )


def _of_item(
    said: ItemAnswer | None, whole: AttemptResult, setup: CompiledDestination, redactor: Redactor
) -> AttemptResult:
    if said is None:
        return whole
    failure, code = said.failure, said.code
    if said.status:
        failure, code = setup.classifier.classify(said.status, "", {}, said.message.encode())
    message = cut(redactor.text(said.message)) if said.message else ""
    # Who is named as the reason why a whole request was refused waits alone: it would have others refused again.
    alone = 1 if whole.failure is not FailureClass.DELIVERED else 0
    return replace(whole, failure=failure, code=code, message=message, batch_limit=alone)
