"""Classifies a response: one result for the destination's circuit, and one for each delivery in the request.

Texts are redacted here, before anything is written.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from flows.delivery.circuit import CallResult
from flows.workspace.compiled import CompiledDestination
from model.delivery.attempt import AttemptResult
from model.delivery.delivery import Delivery
from model.destinations.destination import Item, ItemAnswer
from model.http.failure import FailureClass, cut, partner_message, retry_after_ms, speaks_of_service
from model.http.failure_rules import ANSWER_UNREADABLE
from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from model.redaction.redactor import Redactor


class ClassifiedResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a call, and of each item by position.

    ``per_item``: the response judges items one by one; ``resend``: positions of items refused only because of others.
    """

    call: CallResult
    answers: list[AttemptResult]
    per_item: bool = False
    resend: frozenset[int] = frozenset()

    def call_of(self, deliveries: Sequence[Delivery]) -> CallResult:
        """The result of the call, with what a circuit needs to know about its deliveries if it failed."""
        failure = self.call.failure
        if failure is FailureClass.SETUP:
            since_ms = min(delivery.refused_since_ms for delivery in deliveries)
        elif failure is FailureClass.RETRY:
            since_ms = min(delivery.failed_since_ms for delivery in deliveries)
        else:
            return self.call
        return replace(self.call, delivery=deliveries[0].delivery_id, failed_since_ms=since_ms)


class DeliveryResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one delivery.

    ``delivery``: as the insert function left it, with its calls counted. No ``request``: no call was made.
    ``undecided``: the response does not cover it, because it was refused together with others or not sent; it returns
    to its queue without using up an attempt. Never for a batch of one delivery.
    """

    delivery: Delivery
    answer: AttemptResult
    request: HttpRequest | None = None
    response: HttpResponse | HttpFailure | None = None
    finished_ms: int
    undecided: bool = False


class BatchResult(msgspec.Struct, frozen=True):
    """A result for each delivery, in their order; ``calls``: the result of each call, for the destination's circuit."""

    deliveries: tuple[DeliveryResult, ...]
    calls: tuple[CallResult, ...] = ()


def classify_response(
    result: HttpResponse | HttpFailure,
    items: Sequence[Item],
    setup: CompiledDestination,
    redactor: Redactor,
    *,
    now_ms: int,
    http_ms: int,
) -> ClassifiedResponse:
    """Classify a result. A response that does not judge single items applies to all of them.

    So does one whose item results cannot be read: the whole batch failed, unless a rule decides by status alone.
    """
    for_batch = _for_batch(result, setup, redactor, now_ms=now_ms, http_ms=http_ms)
    item_answers = setup.destination.read(result, items) if isinstance(result, HttpResponse) else None
    if item_answers and item_answers[0] is not None and item_answers[0].code == ANSWER_UNREADABLE:
        if for_batch.failure is FailureClass.DELIVERED and not setup.classifier.decides(for_batch.http_status):
            message = cut(redactor.text(item_answers[0].message))
            for_batch = replace(for_batch, failure=item_answers[0].failure, code=item_answers[0].code, message=message)
        item_answers = None
    throttled = for_batch.failure is FailureClass.THROTTLE
    call = CallResult(
        failure=for_batch.failure,
        code=for_batch.code,
        message=for_batch.message,
        # A body that is not needed and did not arrive does not make the service slow.
        took_ms=0 if _is_late_body_only(result, for_batch) else http_ms,
        retry_after_ms=for_batch.retry_after_ms if throttled or speaks_of_service(for_batch.http_status) else None,
        answered=isinstance(result, HttpResponse),
    )
    if item_answers is None or all(item is None for item in item_answers):
        shared = replace(for_batch, batch_items=len(items)) if len(items) > 1 and for_batch.code else for_batch
        return ClassifiedResponse(call=call, answers=[shared] * len(items))
    answers = [_for_item(item, for_batch, setup, redactor) for item in item_answers]
    resend = frozenset(place for place, item in enumerate(item_answers) if item is not None and item.resend)
    return ClassifiedResponse(call=_judge_call(call, answers, resend), answers=answers, per_item=True, resend=resend)


def _judge_call(call: CallResult, answers: Sequence[AttemptResult], resend: frozenset[int]) -> CallResult:
    """Judge a call by its item results: the destination works, unless every single item failed or was refused."""
    classes = {answer.failure for answer in answers}
    if not resend and classes in ({FailureClass.RETRY}, {FailureClass.SETUP}):
        first = answers[0]
        return replace(call, failure=first.failure, code=first.code, message=first.message, retry_after_ms=None)
    return replace(call, failure=FailureClass.DELIVERED, code="", message="", retry_after_ms=None)


def _is_late_body_only(result: HttpResponse | HttpFailure, for_batch: AttemptResult) -> bool:
    return isinstance(result, HttpResponse) and result.body_fault != "" and for_batch.failure is FailureClass.DELIVERED


def _for_batch(
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
    message = partner_message(result.headers, result.body)
    if fault and (code == ANSWER_UNREADABLE or not message):
        message = f"the body of the answer could not be read: {fault}"
    return AttemptResult(
        failure=failure,
        code=code,
        http_status=result.status,
        http_ms=http_ms,
        message=cut(redactor.text(message)),
        retry_after_ms=retry_after_ms(result.headers, now_ms),
    )


def _for_item(
    item_answer: ItemAnswer | None, for_batch: AttemptResult, setup: CompiledDestination, redactor: Redactor
) -> AttemptResult:
    if item_answer is None:
        return for_batch
    failure, code = item_answer.failure, item_answer.code
    if item_answer.status:
        failure, code = setup.classifier.classify(item_answer.status, "", {}, item_answer.message.encode())
    message = cut(redactor.text(item_answer.message)) if item_answer.message else ""
    # An item named as the reason why a whole batch was refused is retried alone: it would have others refused again.
    alone = 1 if for_batch.failure is not FailureClass.DELIVERED else 0
    return replace(for_batch, failure=failure, code=code, message=message, batch_limit=alone)
