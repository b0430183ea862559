"""Rules change what answers mean, in their order; without them nothing changes; and no answer whatever can raise."""

import time
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from model.http.failure import FailureClass, classify
from model.http.failure_rules import (
    FAILED_BY_RULE,
    PATTERN_LIMIT_CHARS,
    Classifier,
    FailureRule,
    FailureRuleConfig,
    TransportCode,
)
from model.http.messages import RESPONSE_BODY_LIMIT_BYTES
from model.reason_codes import catalogue as codes

DELIVERED, RETRY, THROTTLE = FailureClass.DELIVERED, FailureClass.RETRY, FailureClass.THROTTLE
DISCARD, SETUP, FILTER = FailureClass.DISCARD, FailureClass.SETUP, FailureClass.FILTER


def _answer(*rules: FailureRule, status: int, body: bytes = b"", **headers: str) -> tuple[FailureClass, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Classifier(rules).classify(status, "", named, body)


@pytest.mark.parametrize(
    ("statuses", "status", "verdict"),
    [
        (404, 404, (RETRY, "404")),
        (404, 405, (DISCARD, "405")),
        ("5xx", 503, (RETRY, "503")),
        ((401, "4xx"), 422, (RETRY, "422")),
        (200, 200, (RETRY, FAILED_BY_RULE)),  # '200' would read as a success
    ],
)
def test_a_rule_is_about_single_statuses_or_hundreds(
    statuses: Any, status: int, verdict: tuple[FailureClass, str]
) -> None:
    assert _answer(FailureRule(status=statuses, failure=RETRY), status=status) == verdict


def test_a_transport_code_has_its_own_rule_which_no_answer_meets() -> None:
    classifier = Classifier([FailureRule(code="ETIMEDOUT", failure=DISCARD)])
    assert classifier.classify(None, "ETIMEDOUT", {}, b"") == (DISCARD, "ETIMEDOUT")
    assert classifier.classify(None, "ECONNRESET", {}, b"") == (RETRY, "ECONNRESET")
    assert classifier.classify(500, "", {}, b"ETIMEDOUT") == (RETRY, "500")


def test_a_rule_about_answers_is_not_about_calls_without_one() -> None:
    classifier = Classifier([FailureRule(status="5xx", failure=DISCARD), FailureRule(body="^", failure=SETUP)])
    assert classifier.classify(None, "500", {}, b"") == (RETRY, "500")
    assert classifier.classify(None, "", {}, b"") == classify("")


def test_the_first_rule_that_applies_wins() -> None:
    rules = (
        FailureRule(status=400, body="quota", failure=THROTTLE),
        FailureRule(status=400, failure=RETRY),
        FailureRule(body="quota", failure=SETUP),
    )
    assert _answer(*rules, status=400, body=b"quota used up") == (THROTTLE, "400")
    assert _answer(*rules, status=400, body=b"bad") == (RETRY, "400")
    assert _answer(*rules, status=403, body=b"quota used up") == (SETUP, "403")
    assert _answer(*rules, status=404, body=b"bad") == (DISCARD, "404")


def test_a_success_that_speaks_of_an_error_can_be_a_failure_and_an_error_a_success() -> None:
    refused = FailureRule(status=200, body='"ok" *: *false', failure=DISCARD, reason="EVENT_REFUSED")
    known = FailureRule(status=409, failure=DELIVERED, reason="ALREADY_THERE")
    assert _answer(refused, known, status=200, body=b'{"ok": false}') == (DISCARD, "EVENT_REFUSED")
    assert _answer(refused, known, status=200, body=b'{"ok": true}') == (DELIVERED, "")
    assert _answer(refused, known, status=409) == (DELIVERED, "")


def test_a_pattern_is_searched_for_in_bytes_that_are_no_text_too() -> None:
    rule = FailureRule(body="(?i)caf\u00e9.{2}closed", failure=SETUP)
    assert _answer(rule, status=400, body=b"\xff\x00 CAF\xc3\x89, CLOSED") == (SETUP, "400")


def test_a_packed_body_is_not_searched() -> None:
    rule = FailureRule(body="^", failure=SETUP)
    assert _answer(rule, status=400, content_encoding="gzip") == (DISCARD, "400")
    assert _answer(rule, status=400, content_encoding="identity") == (SETUP, "400")


def test_only_the_first_64_kb_are_searched() -> None:
    rule = FailureRule(body="end", failure=SETUP)
    assert _answer(rule, status=400, body=b" " * (RESPONSE_BODY_LIMIT_BYTES - 3) + b"end") == (SETUP, "400")
    assert _answer(rule, status=400, body=b" " * (RESPONSE_BODY_LIMIT_BYTES - 2) + b"end") == (DISCARD, "400")


@pytest.mark.parametrize("pattern", ["(x+x+)+y", "(a*)*b", "(?:a?){50}a{50}b", "a.{60}b", "(a|aa)+$"])
def test_no_pattern_takes_long(pattern: str) -> None:
    start = time.process_time()
    _answer(FailureRule(body=pattern, failure=SETUP), status=400, body=(b"a" * 40 + b"x" * 3) * 1_500)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("given_fields", "message"),
    [
        ({}, "does not say which responses"),
        ({"code": "ETIMEDOUT", "status": 500}, "can never apply"),
        ({"code": "ETIMEDOUT", "body": "x"}, "can never apply"),
        ({"status": 99}, "this is no status"),
        ({"status": True}, "this is no status"),
        ({"status": (500, "5XX")}, "'5XX' is no status"),
        ({"status": "500"}, "'500' is no status"),
        ({"status": []}, "no status in the list"),
        ({"body": "("}, "missing"),
        ({"body": r"(a)\1"}, "not valid"),
        ({"body": "(?<=a)b"}, "not valid"),
        ({"body": "(" + "a" * 999}, "not valid"),
        ({"body": "\ud800"}, "not Unicode"),
        ({"body": "(a{1,30}){1,30}b"}, "too large"),
        ({"body": r"\pL{999}"}, "too large"),
    ],
)
def test_a_rule_that_could_not_be_applied_cannot_be_made(given_fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        FailureRule(failure=RETRY, **given_fields)
    assert isinstance(raised.value, PydanticCustomError)
    assert (raised.value.context or {})["remedy"]


def test_an_answer_cannot_filter() -> None:
    with pytest.raises(ValueError, match="cannot filter"):
        FailureRule(failure=FILTER, status=400)


@given(st.text(max_size=30) | st.text(alphabet="ab()[]{}*+?|\\^$.,:=!<>-1P", max_size=30))
def test_any_text_is_a_pattern_or_an_error_with_a_remedy(text: str) -> None:
    try:
        rule = FailureRule(status=400, body=text, failure=RETRY)
    except PydanticCustomError as error:
        assert (error.context or {})["remedy"]
        assert error.message().isprintable()
    else:
        assert _answer(rule, status=400, body=text.encode()) in {(RETRY, "400"), (DISCARD, "400")}


_statuses = st.none() | st.integers(-1, 1_100)
_codes = st.sampled_from(["ETIMEDOUT", "ENOTFOUND", "never heard of"])
_headers = st.dictionaries(st.sampled_from(["content-encoding", "content-type"]), st.text(max_size=8))
_bodies = st.binary(max_size=60) | st.sampled_from([b"quota used up", b'{"error": "quota"}'])
_rules = st.lists(
    st.builds(
        FailureRule,
        status=st.sampled_from([(), 200, "4xx", (401, "5xx")]),
        body=st.sampled_from(["quota", "^[^q]*$", "(?s)."]),
        failure=st.sampled_from(sorted(set(FailureClass) - {FILTER})),
        reason=st.sampled_from(["", "OWN"]),
    )
    | st.builds(
        FailureRule, status=st.integers(100, 999), failure=st.sampled_from(sorted(set(FailureClass) - {FILTER}))
    )
    | st.builds(FailureRule, code=_codes, failure=st.sampled_from(sorted(set(FailureClass) - {FILTER}))),
    max_size=6,
)


@given(_statuses, _codes, _headers, _bodies)
def test_without_rules_nothing_changes(status: int | None, code: str, headers: dict[str, str], body: bytes) -> None:
    assert Classifier().classify(status, code, headers, body) == classify(code if status is None else status)


@given(_rules, _statuses, _codes, _headers, _bodies)
def test_every_answer_has_a_verdict_and_a_code_unless_delivered(
    rules: list[FailureRule], status: int | None, code: str, headers: dict[str, str], body: bytes
) -> None:
    classifier = Classifier(rules)
    verdict = classifier.classify(status, code, headers, body)
    assert (verdict[1] == "") == (verdict[0] is DELIVERED)
    assert classifier.classify(status, code, headers, body) == verdict


def _read(**fields: Any) -> FailureRuleConfig:
    return FailureRuleConfig.model_validate_json(orjson.dumps(fields))


def test_a_rule_of_the_workspace_becomes_a_rule() -> None:
    written: dict[str, Any] = {"status": [404, "5xx"], "body": "gone", "class": "setup"}
    assert _read(**written).to_rule() == FailureRule(status=(404, "5xx"), body="gone", failure=SETUP)
    assert _read(status=404, **{"class": "retry"}).to_rule() == FailureRule(status=(404,), failure=RETRY)
    assert _read(exception="TLS_ERROR", **{"class": "retry"}).to_rule() == FailureRule(code="TLS_ERROR", failure=RETRY)
    assert _read(**written).model_dump(mode="json", by_alias=True) == {**written, "exception": None}


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ({"class": "retry"}, ()),
        ({"class": "retry", "exception": "ETIMEDOUT", "status": 500}, ()),
        ({"class": "filter", "status": 500}, ("class",)),
        ({"failure": "retry", "status": 500}, ("class",)),
        ({"class": "retry", "exception": "ETIMEOUT"}, ("exception",)),
        ({"class": "retry", "status": []}, ("status",)),
        ({"class": "retry", "status": {"from": 500}}, ("status",)),
        ({"class": "retry", "status": [500, [501]]}, ("status",)),
        ({"class": "retry", "body": "("}, ("body",)),
        ({"class": "retry", "body": ""}, ("body",)),
        ({"class": "retry", "body": "a" * (PATTERN_LIMIT_CHARS + 1)}, ("body",)),
    ],
)
def test_a_mistake_in_the_workspace_is_reported_at_its_field(written: dict[str, Any], place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as raised:
        _read(**written)
    assert raised.value.errors(include_url=False)[0]["loc"] == place


def test_every_exception_of_the_workspace_is_a_code_of_the_catalogue() -> None:
    assert set(get_args(TransportCode)) <= {reason.code for reason in codes.ALL}
