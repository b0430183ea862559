"""Answers whose form the workspace declares: by position, by index; what is not of the form is no success."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.delivery.responses import classify_response
from flows.workspace.compiled import compile_workspace
from model.delivery.attempt import AttemptResult
from model.destinations.destination import Item
from model.http.failure import FailureClass
from model.http.messages import HttpResponse
from model.workspace.reader import read_workspace
from tests.kit.samples import T0
from tests.kit.workspaces import workspace

UNREADABLE, REFUSED, MISSING = "ANSWER_UNREADABLE", "BATCH_ITEM_REFUSED", "BATCH_ITEM_MISSING"
BY_STATUS = {"list": "$.results", "by": "position", "status": "statusCode", "message": "error.message"}
BY_FIELD = {"list": "$.events", "by": "position", "failed_when": {"state": ["failed", "rejected"]}, "message": "why"}
BY_INDEX = {"list": "errors", "index": "batch_index", "others": "delivered"}


def destination(items: dict[str, Any], kind: str = "http", declared: Any = 200, **more: Any) -> dict[str, Any]:
    return {
        "id": "api",
        "type": kind,
        "url": "https://api.test/in",
        "batch": {"max_events": 10},
        "answers": [{"status": declared, "items": items}],
        **more,
    }


def answered(count: int, said: Any, items: dict[str, Any], *, status: int = 200, **more: Any) -> list[AttemptResult]:
    configuration = compile_workspace(workspace([destination(items, **more)]))
    response = HttpResponse(status=status, body=said if isinstance(said, bytes) else orjson.dumps(said))
    sent = [Item(f"d-{number}", b"{}") for number in range(count)]
    setup = configuration.destinations["api"]
    return classify_response(response, sent, setup, configuration.redactor, now_ms=T0, http_ms=5).answers


def codes(*args: Any, **more: Any) -> list[str]:
    return [answer.code for answer in answered(*args, **more)]


@pytest.mark.parametrize("kind", ["http", "webhook"])
def test_a_200_speaks_of_each_event_by_a_status_of_its_own(kind: str) -> None:
    said = {"results": [{"statusCode": 200}, {"statusCode": 422, "error": {"message": "no plan"}}, {"statusCode": 503}]}
    answers = answered(3, said, BY_STATUS, kind=kind)
    assert [(one.failure, one.code, one.message) for one in answers] == [
        (FailureClass.DELIVERED, "", ""),
        (FailureClass.DISCARD, "422", "no plan"),
        (FailureClass.RETRY, "503", '{"statusCode":503}'),
    ]


def test_an_event_sent_by_itself_has_a_list_of_one() -> None:
    said = {"results": [{"statusCode": 422, "error": {"message": "no plan"}}]}
    assert codes(1, said, BY_STATUS, batch={"max_events": 1}) == ["422"]
    assert codes(1, b"ok", BY_STATUS, batch={"max_events": 1}) == [UNREADABLE]


def test_rules_of_the_destination_see_the_status_of_an_event() -> None:
    said = {"results": [{"statusCode": 409}, {"statusCode": "409"}]}
    assert codes(2, said, BY_STATUS, failures=[{"status": 409, "class": "delivered"}]) == ["", ""]


def test_fields_say_which_entries_failed() -> None:
    said = {"events": [{"state": "ok"}, {"state": "failed", "why": "late"}, {"state": "rejected"}, {"other": 1}]}
    answers = answered(4, said, BY_FIELD)
    assert [one.code for one in answers] == ["", REFUSED, REFUSED, MISSING]
    assert [one.failure for one in answers[1:3]] == [FailureClass.DISCARD] * 2
    assert answers[1].message == "late"
    again = answered(4, said, {**BY_FIELD, "class": "retry"})
    assert [one.failure for one in again[1:3]] == [FailureClass.RETRY] * 2


@pytest.mark.parametrize(("value", "code"), [(False, REFUSED), (True, ""), (0, ""), (None, ""), ("false", "")])
def test_values_are_compared_with_their_kind(value: Any, code: str) -> None:
    assert codes(1, [{"ok": value}], {"list": "$", "by": "position", "failed_when": {"ok": False}}) == [code]


def test_entries_name_events_by_their_place() -> None:
    said = {"errors": [{"batch_index": 2, "message": "no plan"}, {"batch_index": 0}, {"batch_index": 2}]}
    answers = answered(4, said, BY_INDEX)
    assert [one.code for one in answers] == [REFUSED, "", REFUSED, ""]
    assert answers[2].message == "no plan"
    assert codes(4, said, {**BY_INDEX, "others": "retry"}) == [REFUSED, MISSING, REFUSED, MISSING]


def test_others_may_be_what_the_status_says() -> None:
    configuration = compile_workspace(workspace([destination({**BY_INDEX, "others": "status"}, declared=["2xx", 503])]))
    said = orjson.dumps({"errors": [{"batch_index": 0}]})
    sent = [Item("a", b"{}"), Item("b", b"{}")]
    for status, others in ((200, ""), (503, "503")):
        response = HttpResponse(status=status, body=said)
        setup = configuration.destinations["api"]
        answers = classify_response(response, sent, setup, configuration.redactor, now_ms=T0, http_ms=5).answers
        assert [one.code for one in answers] == [REFUSED, others]


def test_entries_with_a_place_may_have_a_status() -> None:
    said = {"errors": [{"batch_index": 1, "code": 429}, {"batch_index": 0, "code": 200}, {"batch_index": 2}]}
    assert codes(4, said, {**BY_INDEX, "status": "code"}) == ["", "429", MISSING, ""]


@pytest.mark.parametrize("said", [{}, {"errors": None}, {"errors": []}, {"ok": True}], ids=str)
def test_an_answer_that_names_nobody_leaves_all_to_the_others(said: Any) -> None:
    assert codes(2, said, BY_INDEX) == ["", ""]


@pytest.mark.parametrize(
    ("said", "items"),
    [
        (b"", BY_STATUS),
        (b"ok", BY_STATUS),
        ({}, BY_STATUS),
        ([], BY_STATUS),
        ({"results": {}}, BY_STATUS),
        ({"results": None}, BY_STATUS),
        ({"results": "200"}, BY_STATUS),
        ({"results": [{"statusCode": 200}] * 4}, BY_STATUS),
        (b"ok", BY_INDEX),
        ([], BY_INDEX),
        ({"errors": {}}, BY_INDEX),
        ({"errors": "none"}, BY_INDEX),
        ({"errors": [{}]}, BY_INDEX),
        ({"errors": ["1"]}, BY_INDEX),
        *(({"errors": [{"batch_index": index}]}, BY_INDEX) for index in (-1, 3, "1", True, 1.0, None)),
        (
            {"errors": [{"batch_index": 0, "code": 200}, {"batch_index": 0, "code": 422}]},
            {**BY_INDEX, "status": "code"},
        ),
    ],
    ids=str,
)
def test_what_is_not_of_the_form_is_a_failure_of_the_batch(said: Any, items: dict[str, Any]) -> None:
    answers = answered(3, said, items)
    assert [(one.code, one.failure, one.batch_items) for one in answers] == [(UNREADABLE, FailureClass.RETRY, 3)] * 3
    assert "could not be read" in answers[0].message


@pytest.mark.parametrize("entry", [None, 200, "ok", [], {}, {"statusCode": None}, {"statusCode": 0}], ids=str)
def test_an_entry_that_does_not_read_is_no_success(entry: Any) -> None:
    assert codes(2, {"results": [{"statusCode": 200}, entry]}, BY_STATUS) == ["", MISSING]


def test_a_list_too_short_leaves_the_rest_to_be_sent_again() -> None:
    assert codes(2, {"results": [{"statusCode": 200}]}, BY_STATUS) == ["", MISSING]


def test_the_first_declared_answer_counts_and_a_207_is_understood_without() -> None:
    assert codes(1, [{"status": 422}], BY_STATUS, status=207) == ["422"]
    assert codes(1, {"results": [{"statusCode": 422}]}, BY_STATUS, status=201) == [""]


@pytest.mark.parametrize("message", ["error.message", ["reason", "error.message"]])
def test_words_are_looked_for_where_the_workspace_says(message: Any) -> None:
    entry = {"statusCode": 422, "error": {"message": "no plan", "detail": "x"}, "message": "generic"}
    (answer,) = answered(1, {"results": [entry]}, {**BY_STATUS, "message": message})
    assert answer.message == "no plan"


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ({"list": "$.r"}, "which event"),
        ({"list": "$.r", "by": "position", "index": "i", "status": "s"}, "which event"),
        ({"list": "$.r", "by": "position"}, "failed events"),
        ({"list": "$.r", "by": "position", "status": "s", "failed_when": {"a": 1}}, "failed events"),
        ({"list": "$.r", "by": "position", "status": "s", "others": "retry"}, "no others"),
        ({"list": "$.r", "index": "i"}, "without an entry"),
        ({"list": "$.r", "index": "i", "others": "retry", "failed_when": {"a": 1}}, "goes with"),
        ({"list": "a..b", "by": "position", "status": "s"}, "no path"),
        ({"list": "", "by": "position", "status": "s"}, "at least 1"),
        ({"list": "$", "by": "position", "failed_when": {}}, "at least 1"),
        ({"list": "$", "by": "name", "status": "s"}, "position"),
        ({"list": "$", "by": "position", "status": "s", "class": "setup"}, "discard"),
    ],
    ids=str,
)
def test_what_does_not_say_enough_is_refused(items: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        workspace([destination(items)])


@pytest.mark.parametrize("status", [[], "6xx0", 99, "ok"])
def test_the_status_of_a_declared_answer_is_one(status: Any) -> None:
    with pytest.raises(ValueError, match="status"):
        workspace([destination(BY_STATUS, declared=status)])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 600) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from("results errors events statusCode batch_index state error".split()), inner)
    ),
    max_leaves=10,
)


@given(JSON | st.binary(max_size=30), st.integers(1, 4), st.sampled_from([BY_STATUS, BY_FIELD, BY_INDEX]))
def test_reading_takes_any_body_and_speaks_of_all_events(said: Any, count: int, items: dict[str, Any]) -> None:
    assert len(answered(count, said, items)) == count


@pytest.mark.parametrize(
    ("items", "path"),
    [
        ("{list: $.r, by: position}", "destinations[0].answers[0].items"),
        ("{list: a..b, by: position, status: s}", "destinations[0].answers[0].items.list"),
        ("{list: $.r, by: position, statsu: s}", "destinations[0].answers[0].items.statsu"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_a_remedy(items: str, path: str) -> None:
    text = (
        "version: 1\n"
        "sources: [{id: web, write_keys: [k]}]\n"
        "destinations:\n"
        "  - {id: api, type: http, url: 'https://api.test/in', batch: {max_events: 10},\n"
        f"     answers: [{{status: 200, items: {items}}}]}}\n"
        "connections: [{source: web, destination: api}]\n"
    )
    problems = read_workspace(text.encode(), file="w.yaml", environ={}).problems
    assert any(one.path == path and one.line == 5 and one.remedy for one in problems)
