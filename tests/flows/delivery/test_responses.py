"""What an answer to a batch means: item by item where it says so, a failure if that cannot be read, else by status."""

from typing import Any

import orjson
import pytest

from flows.delivery.responses import CallResult, classify_response
from flows.workspace.compiled import compile_workspace
from model.delivery.attempt import AttemptResult
from model.destinations.destination import Item
from model.http.failure import FailureClass
from model.http.messages import HttpResponse
from tests.kit.samples import T0
from tests.kit.workspaces import webhook, workspace

TAKEN, REFUSED = {"status": 200}, {"status": 422, "message": "no such plan"}
BATCH = {"batch": {"max_events": 1_000}}
UNREADABLE = "ANSWER_UNREADABLE"
BROKEN = {"cut short": {"body_fault": "end of file"}, "too long": {"body_truncated": True}}


def answered(count: int, response: HttpResponse, **settings: Any) -> tuple[CallResult, list[AttemptResult]]:
    """What a webhook's answer to so many events comes to."""
    configuration = compile_workspace(workspace([webhook("crm", **settings)]))
    items = [Item(f"d-{number}", b"{}") for number in range(count)]
    setup = configuration.destinations["crm"]
    said = classify_response(response, items, setup, configuration.redactor, now_ms=T0, http_ms=5)
    return said.end, said.answers


def codes(answers: list[AttemptResult]) -> list[str]:
    return [answer.code for answer in answers]


def multi(said: Any, **more: Any) -> HttpResponse:
    return HttpResponse(status=207, body=said if isinstance(said, bytes) else orjson.dumps(said), **more)


@pytest.mark.parametrize(
    "around",
    [
        lambda said: said,
        lambda said: {"results": said},
        lambda said: {"responses": said, "errors": []},
        lambda said: {"items": said, "took": 12, "ok": False},
        lambda said: {"multistatus": said},
        lambda said: {"data": {"events": {"list": said}}},
        lambda said: {"ids": ["a", "b", "c"], "results": said},
        lambda said: {"results": said, "warnings": [{"status": 200}]},
    ],
    ids=["bare", "results", "responses", "items", "multistatus", "deep", "beside ids", "beside a shorter list"],
)
@pytest.mark.parametrize("name", ["status", "statusCode", "status_code"])
@pytest.mark.parametrize("kind", [int, str])
def test_a_207_is_understood_with_an_object_around_its_list(around: Any, name: str, kind: Any) -> None:
    said = [{name: kind(200)}, {name: kind(422), "message": "no such plan"}, {name: kind(201)}]
    end, answers = answered(3, multi(around(said)), **BATCH)
    assert codes(answers) == ["", "422", ""]
    assert answers[1].message == "no such plan"
    assert end.failure is FailureClass.DELIVERED


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"thanks",
        b"[{]",
        None,
        {},
        "ok",
        {"status": 200},
        {"results": [TAKEN, TAKEN]},
        {"results": [TAKEN] * 4},
        {"results": [TAKEN] * 3, "others": [REFUSED] * 3},
        {"results": ["200"] * 3},
        {"results": {"0": TAKEN, "1": TAKEN, "2": TAKEN}},
        {"a": {"b": {"c": {"d": [TAKEN] * 3}}}},
        [TAKEN] * 4,
        [TAKEN, TAKEN, TAKEN, REFUSED],
    ],
    ids=str,
)
def test_a_207_that_is_not_understood_is_a_failure_of_the_batch(said: Any) -> None:
    end, answers = answered(3, multi(said), **BATCH)
    assert codes(answers) == [UNREADABLE] * 3
    assert {(one.failure, one.batch_items, one.http_status) for one in answers} == {(FailureClass.RETRY, 3, 207)}
    assert "could not be read" in answers[0].message
    assert (end.failure, end.code) == (FailureClass.RETRY, UNREADABLE)


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN.keys())
def test_a_207_that_did_not_come_whole_is_a_failure_and_says_why(fault: dict[str, Any]) -> None:
    _, answers = answered(3, multi([TAKEN] * 3, **fault), **BATCH)
    assert codes(answers) == [UNREADABLE] * 3
    assert ("end of file" in answers[0].message) is ("body_fault" in fault)
    assert ("batch.max_events" in answers[0].message) is ("body_truncated" in fault)


@pytest.mark.parametrize(
    "status",
    [None, True, 1, 99, 600, 1e99, 200.5, "ok", "", "2OO", "2000", " 200", "٢٠٠", [200], {"code": 200}],
    ids=str,
)
def test_an_entry_without_a_status_is_no_success(status: Any) -> None:
    _, answers = answered(3, multi([TAKEN, {"status": status}, REFUSED]), **BATCH)
    assert codes(answers) == ["", "BATCH_ITEM_MISSING", "422"]


@pytest.mark.parametrize("entry", [None, 200, "200", [TAKEN], {}, {"status": 200, "statusCode": 422}], ids=str)
def test_an_entry_that_is_none_is_no_success(entry: Any) -> None:
    _, answers = answered(2, multi([TAKEN, entry]), **BATCH)
    assert codes(answers) == ["", "BATCH_ITEM_MISSING"]


@pytest.mark.parametrize("status", [200, 202, 204, 400, 500])
@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN.keys())
def test_where_the_status_alone_decides_the_body_does_not_matter(status: int, fault: dict[str, Any]) -> None:
    whole = answered(3, HttpResponse(status=status, body=b"{", **fault), **BATCH)
    assert codes(whole[1]) == ["" if status < 300 else str(status)] * 3
    assert whole[0].failure is whole[1][0].failure


@pytest.mark.parametrize("said", [b"", b"thanks", {"status": 200}, {"results": []}], ids=str)
def test_for_an_event_sent_by_itself_a_207_is_a_success_like_any_other(said: Any) -> None:
    assert codes(answered(1, multi(said))[1]) == [""]
    assert codes(answered(1, multi(b"[", body_fault="cut"))[1]) == [""]


@pytest.mark.parametrize("said", [[REFUSED], {"results": [REFUSED]}], ids=str)
def test_for_an_event_sent_by_itself_a_list_of_one_is_believed(said: Any) -> None:
    assert codes(answered(1, multi(said))[1]) == ["422"]


def test_a_batch_of_one_event_is_a_batch() -> None:
    assert codes(answered(1, multi(b"thanks"), **BATCH)[1]) == [UNREADABLE]


def test_a_rule_for_the_status_settles_what_cannot_be_read() -> None:
    rules = {"failures": [{"status": 207, "class": "delivered"}]}
    assert codes(answered(2, multi(b"thanks"), **BATCH, **rules)[1]) == ["", ""]
    assert codes(answered(2, multi([TAKEN, REFUSED]), **BATCH, **rules)[1]) == ["", "422"]


FAULTY_200 = {"failures": [{"status": 200, "body": '"ok":false', "class": "discard"}]}


@pytest.mark.parametrize("body", [b"", b'{"ok"', b'{"ok":false'])
def test_a_rule_about_the_body_does_not_make_an_unread_one_a_success(body: bytes) -> None:
    cut = HttpResponse(status=200, body=body, body_fault="end of file")
    (answer,) = answered(1, cut, **FAULTY_200)[1]
    assert (answer.failure, answer.code) == (FailureClass.RETRY, UNREADABLE)
    assert "end of file" in answer.message


def test_a_rule_about_the_body_counts_where_the_body_came_whole() -> None:
    assert codes(answered(1, HttpResponse(status=200, body=b'{"ok":true}'), **FAULTY_200)[1]) == [""]
    assert codes(answered(1, HttpResponse(status=200, body=b'{"ok":false}'), **FAULTY_200)[1]) == ["FAILED_BY_RULE"]


@pytest.mark.parametrize(
    ("rule", "status", "failure"),
    [
        ({"status": 400, "body": "rate limit", "class": "throttle"}, 400, FailureClass.RETRY),
        ({"status": 400, "body": "^$", "class": "delivered"}, 400, FailureClass.RETRY),
        ({"body": "duplicate", "class": "delivered"}, 422, FailureClass.RETRY),
        ({"status": 400, "body": "bad plan", "class": "discard"}, 400, FailureClass.DISCARD),
        ({"status": 503, "body": "gone", "class": "discard"}, 503, FailureClass.RETRY),
        ({"status": 429, "body": "quota", "class": "discard"}, 429, FailureClass.THROTTLE),
        ({"status": 401, "body": "expired", "class": "retry"}, 401, FailureClass.SETUP),
        ({"status": 400, "body": "x", "class": "retry"}, 200, FailureClass.DELIVERED),
    ],
    ids=str,
)
def test_an_unread_body_ends_no_event_that_a_rule_might_have_kept(
    rule: dict[str, Any], status: int, failure: FailureClass
) -> None:
    cut = HttpResponse(status=status, body=b"", body_fault="its coding br is not known here")
    (answer,) = answered(1, cut, failures=[rule])[1]
    assert answer.failure is failure
    assert (answer.code == UNREADABLE) is (failure is FailureClass.RETRY and status != 503)


def test_the_message_of_a_failure_says_when_the_body_was_not_read() -> None:
    coded = HttpResponse(status=422, body_fault="its coding br is not known here")
    assert "coding br" in answered(1, coded)[1][0].message
    cut = HttpResponse(status=422, body=b"unknown pla", body_fault="end of file")
    assert answered(1, cut)[1][0].message == "unknown pla"


def test_a_success_whose_body_never_came_is_not_slow_for_the_breaker() -> None:
    assert answered(1, HttpResponse(status=200, body_fault="it did not come in time"))[0].took_ms == 0
    assert answered(1, HttpResponse(status=200))[0].took_ms == 5
    assert answered(1, HttpResponse(status=503, body_fault="it did not come in time"))[0].took_ms == 5
