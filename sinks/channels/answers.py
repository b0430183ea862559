"""Classifies the HTTP response to a notification: sent, retry, or refused, and what the refusal covers."""

from collections.abc import Mapping

from model.http.failure import FailureClass, classify, cut, partner_message, retry_after_ms
from model.http.messages import HttpFailure, HttpResponse
from model.redaction.redactor import Redactor
from sinks.channels.channel import SendResult, SendStatus

# No access, or the channel is gone: every message would fail the same way.
_CHANNEL_STATUSES = frozenset({401, 403, 404, 410})
_CHANNEL_CODES = frozenset({"ADDRESS_REFUSED", "INVALID_SETTINGS"})
_SERVER_ERRORS = 500


def read_failure(failure: HttpFailure, redactor: Redactor) -> SendResult:
    """Classify a call without a response."""
    outcome = SendStatus.CHANNEL_REFUSED if failure.code in _CHANNEL_CODES else SendStatus.RETRY
    return SendResult(outcome=outcome, code=failure.code, message=cut(redactor.text(failure.message)))


def read_answer(status: int, headers: Mapping[str, str], body: bytes, redactor: Redactor, now_ms: int) -> SendResult:
    """Classify a response. ``headers``: names in lower case. A status of 2xx means sent."""
    kind, code = classify(status)
    if kind is FailureClass.DELIVERED:
        return SendResult(outcome=SendStatus.OK)
    message = cut(redactor.text(partner_message(headers, body)))
    if status in _CHANNEL_STATUSES:
        return SendResult(outcome=SendStatus.CHANNEL_REFUSED, code=code, message=message)
    if status >= _SERVER_ERRORS or kind in {FailureClass.RETRY, FailureClass.THROTTLE}:
        wait_ms = retry_after_ms(headers, now_ms)
        after_seconds = None if wait_ms is None else wait_ms / 1_000
        return SendResult(outcome=SendStatus.RETRY, code=code, message=message, after_seconds=after_seconds)
    return SendResult(outcome=SendStatus.MESSAGE_REFUSED, code=code, message=message)


def read(result: HttpResponse | HttpFailure, redactor: Redactor, now_ms: int) -> SendResult:
    """Classify the result of a call."""
    if isinstance(result, HttpFailure):
        return read_failure(result, redactor)
    return read_answer(result.status, result.headers, result.body, redactor, now_ms)
