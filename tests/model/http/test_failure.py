"""What answers mean, and that no answer whatever can raise."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.http.failure import (
    FOUND_LIMIT_CHARS,
    MESSAGE_LIMIT_CHARS,
    RETRY_AFTER_LIMIT_MS,
    FailureClass,
    classify,
    cut,
    partner_message,
    retry_after_ms,
)

NOW_MS = 1_763_690_400_000  # 2025-11-21T02:00:00Z


@pytest.mark.parametrize(
    ("results", "failure"),
    [
        ([200, 201, 202, 204, 299], FailureClass.DELIVERED),
        ([300, 301, 302, 303, 304], FailureClass.DISCARD),
        ([400, 404, 405, 409, 410, 413, 422, 426, 431, 451, 499, 418, 501], FailureClass.DISCARD),
        ([401, 403, "ENOTFOUND", "TLS_ERROR", "ADDRESS_REFUSED", "INVALID_SETTINGS"], FailureClass.SETUP),
        ([429], FailureClass.THROTTLE),
        ([307, 308, 408, 423, 500, 502, 503, 504, 511, 529, 598, 599, 0, 100, 600, 999], FailureClass.RETRY),
        (["ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EHOSTUNREACH", "EAI_AGAIN"], FailureClass.RETRY),
        (["ETIMEDOUT", "PROTOCOL_ERROR", "INTERNAL", "never heard of"], FailureClass.RETRY),
    ],
)
def test_every_result_has_its_class(results: list[int | str], failure: FailureClass) -> None:
    assert {result: classify(result)[0] for result in results} == dict.fromkeys(results, failure)


def test_the_code_is_the_status_or_transport_code_and_empty_when_delivered() -> None:
    assert [classify(result)[1] for result in (200, 301, 400, 503, "ETIMEDOUT")] == [
        "",
        "301",
        "400",
        "503",
        "ETIMEDOUT",
    ]


@given(st.integers() | st.text())
def test_classification_never_raises(result: int | str) -> None:
    failure, code = classify(result)
    assert (code == "") <= (failure is FailureClass.DELIVERED or result == "")


@pytest.mark.parametrize(
    ("value", "wait_ms"),
    [
        ("1", 1_000),
        (" 120 ", 120_000),
        ("0", 0),
        ("1.5", 1_500),
        ("3600", RETRY_AFTER_LIMIT_MS),
        ("86400", RETRY_AFTER_LIMIT_MS),
        ("9" * 60, RETRY_AFTER_LIMIT_MS),
        ("Fri, 21 Nov 2025 02:00:30 GMT", 30_000),
        ("Friday, 21-Nov-25 02:00:30 GMT", 30_000),
        ("Fri Nov 21 02:00:30 2025", 30_000),
        ("Fri, 21 Nov 2025 01:00:00 GMT", 0),
        ("Fri, 21 Nov 2099 02:00:00 GMT", RETRY_AFTER_LIMIT_MS),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("1e9", None),
        ("٣", None),
        ("Fri, 99 Nov 2025 02:00:30 GMT", None),
        ("9" * 100, None),
    ],
)
def test_retry_after_is_read_and_bounded(value: str, wait_ms: int | None) -> None:
    assert retry_after_ms({"retry-after": value}, NOW_MS) == wait_ms


def test_no_retry_after_header_means_none() -> None:
    assert retry_after_ms({"date": "1"}, NOW_MS) is None


@given(st.text() | st.from_regex(r"\w{3}, \d{1,3} \w{3} \d{1,9} \d\d:\d\d:\d\d [+-]?\w{1,5}", fullmatch=True))
def test_retry_after_never_raises_and_stays_within_an_hour(value: str) -> None:
    wait_ms = retry_after_ms({"retry-after": value}, NOW_MS)
    assert wait_ms is None or 0 <= wait_ms <= RETRY_AFTER_LIMIT_MS


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message":"Field x is bad","error":"other"}', "Field x is bad"),
        (b'{"error":"denied"}', "denied"),
        (b'{"error":{"code":7,"message":"denied"}}', "denied"),
        (b'{"errors":[{"detail":"first"},{"detail":"second"}]}', "first"),
        (b'{"message":"","detail":"the detail"}', "the detail"),
        (b'{"message":null,"error":["a list"]}', "a list"),
        (b'"just a string"', "just a string"),
        (b'{"status":"failed"}', '{"status":"failed"}'),
        (b"Service  Unavailable\r\n\x1b[31mred\x00", "Service Unavailable [31mred"),
        (b'{"message":"cut in the mid', '{"message":"cut in the mid'),
        ("\u202eevil\u2066 text".encode(), "evil text"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", ""),
        (b"[" * 5_000, "[" * (FOUND_LIMIT_CHARS - 1) + "…"),
    ],
)
def test_the_partners_own_words_are_found(body: bytes, message: str) -> None:
    assert partner_message({}, body) == message


def test_of_an_html_page_the_title_is_taken_else_its_text() -> None:
    html = {"content-type": "text/html; charset=utf-8"}
    assert partner_message(html, b"<html><head><title>502 Bad\nGateway</title><body>x") == "502 Bad Gateway"
    assert partner_message(html, b"<h1>Not</h1><p>found</p>") == "Not found"


def test_a_packed_body_says_nothing() -> None:
    assert partner_message({"content-encoding": "gzip"}, b'{"message":"m"}') == ""


def test_long_messages_are_cut_to_the_limit() -> None:
    message = cut(partner_message({}, orjson.dumps({"message": "word " * 1_000})))
    assert len(message) <= MESSAGE_LIMIT_CHARS
    assert message.endswith("word…")


def test_a_cut_leaves_no_half_of_a_word_behind() -> None:
    message = cut("x" * (MESSAGE_LIMIT_CHARS - 10) + " jo.doe@example.com is unknown")
    assert message == "x" * (MESSAGE_LIMIT_CHARS - 10) + "…"


_json = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["message", "error", "errors", "x"]), inner),
    max_leaves=8,
)


@given(st.binary() | _json.map(orjson.dumps), st.sampled_from(["", "text/html", "application/json"]))
def test_messages_are_one_printable_line_whatever_comes(body: bytes, content_type: str) -> None:
    message = partner_message({"content-type": content_type}, body)
    assert message.isprintable()
    assert len(message) <= FOUND_LIMIT_CHARS
