"""What people are shown of an answer: bounded, and with what could not be read."""

from flows.delivery.isolation import DeliveryResult
from flows.delivery.samples import shown_response
from model.delivery.attempt import AttemptResult
from model.http.failure import FailureClass
from model.http.messages import RESPONSE_BODY_LIMIT_BYTES, HttpResponse
from model.redaction.redactor import Redactor
from tests.kit.samples import T0, delivery


def shown(response: HttpResponse) -> dict[str, object]:
    answer = AttemptResult(failure=FailureClass.DELIVERED, code="")
    result = DeliveryResult(delivery=delivery(), answer=answer, result=response, finished_ms=T0)
    return shown_response(result, Redactor(frozenset({"s3cret-word"})))


def test_of_an_answer_about_many_events_the_beginning_is_shown() -> None:
    said = shown(HttpResponse(status=207, body=b"[" + b"1," * RESPONSE_BODY_LIMIT_BYTES + b"1]"))
    assert len(str(said["body"])) <= RESPONSE_BODY_LIMIT_BYTES and said["truncated"] is True


def test_what_could_not_be_read_is_shown_redacted() -> None:
    said = shown(HttpResponse(status=200, body=b"half", body_fault="broken near s3cret-word"))
    assert said["body"] == "half" and "broken near" in str(said["body_fault"])
    assert "s3cret-word" not in str(said)
    assert "body_fault" not in shown(HttpResponse(status=200))
