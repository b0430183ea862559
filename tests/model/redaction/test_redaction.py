"""Nothing secret comes through, ids and prose do, and no input takes long."""

import time
from collections.abc import Callable
from urllib.parse import quote, unquote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.redaction.redactor import LIMIT_BYTES, RedactionRules, Redactor

SECRET = "tr0ub4dor & 3"
redactor = Redactor(frozenset({SECRET, "abc"}))


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("write to jo.doe+news@mail.example.co.uk now", "write to [redacted email] now"),
        ("/u?mail=jo%40example.com", "/u?mail=[redacted email]"),
        ("card 4111 1111 1111 1111.", "card [redacted card]."),
        ("5500-0055-5555-5559", "[redacted card]"),
        ("4111111111111112 fails Luhn", "4111111111111112 fails Luhn"),
        ("Bearer abc.def-123_xyz", "Bearer [redacted token]"),
        ("Basic dXNlcjpwYXNzd29yZA==", "Basic [redacted token]"),
        ("Basic understanding", "Basic understanding"),
        ("Authorization: Bearer abcdefgh123", "Authorization: [redacted]"),
        (
            "https://user:pass@host.test/x?api_key=k1&b=2",
            "https://[redacted credentials]@host.test/x?api_key=[redacted]&b=2",
        ),
        ('{"access_token": "x1y2', '{"access_token": "[redacted]'),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "[redacted token]"),
        ("key sk_live_51H8abcdEFGH", "key [redacted key]"),
        ("d" * 40, "[redacted key]"),
        ("ssn 078-05-1120", "ssn [redacted ssn]"),
        ("call +49 (30) 123 45 67", "call [redacted phone]"),
        (f"it was {SECRET}!", "it was [redacted secret]!"),
        ("it was tr0ub4dor%20%26%203!", "it was [redacted secret]!"),
        ("it was tr0ub4dor%2520%2526%25203, 9% off", "it was [redacted secret], 9% off"),
        ("in Base64: dXNlcjp0cjB1YjRkb3IgJiAzOm1vcmU=", "in Base64: dXNlcjp[redacted secret]Om1vcmU="),
        ("call (555) 723-9184", "call [redacted phone]"),
        ("card=4111+1111+1111+1111&n=1", "card=[redacted]&n=1"),
        ("?q=4111+1111+1111+1111", "?q=[redacted card]"),
        (
            "?ssn=078051120&user%5Bpin%5D=1234&next=%2Fa%3Ftoken%3Dt1",
            "?ssn=[redacted]&user[pin]=[redacted]&next=/a?token=[redacted]",
        ),
        (r'{"body":"{\"pwd\":\"a b\",\"n\":1}', r'{"body":"{\"pwd\":\"[redacted]\",\"n\":1}'),
        ('"tokens_token": ["a", "b"], "n": 1', '"tokens_token": [redacted], "n": 1'),
        ("password = 'correct horse' ok", "password = '[redacted]' ok"),
        ("Authorization: Token abc", "Authorization: [redacted]"),
        ("Cookie: a=1; b=2\nHost: x", "Cookie: [redacted]\nHost: x"),
    ],
)
def test_secrets_and_personal_values_are_masked_in_text(text: str, redacted: str) -> None:
    assert redactor.text(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "Field 'properties.revenue' must be a number",
        "ajs-next-1763690000000-7c2f1de0-0a4b-4a57-9f1c-2d9a1b2c3d4e",
        "9f86d081884c7d659a2feaa0c55ad015",
        "2026-11-21T02:16:23.123+01:00",
        "1763690000000",
        "version 1.2.3+45, 12 @ 3",
        "abc is too short to be hunted for",
        "phone: must be a text, 100% of it",
        "https://shop.example/thanks?businessName=Acme&order=%C3%BC1&page=2",
    ],
)
def test_prose_and_ids_stay(text: str) -> None:
    assert redactor.text(text) == text


def test_headers_of_telling_names_are_masked_whole() -> None:
    headers = {
        "Authorization": "Custom 1",
        "cookie": "a=b",
        "X-Api-Key": "k",
        "x-auth-token": "t",
        "Content-Type": "application/json",
        "idempotency-key": "9f86d081884c7d659a2feaa0c55ad015",
        "x-note": "jo@example.com",
    }
    shown = redactor.headers(headers)
    assert [name for name, value in shown.items() if value == "[redacted]"] == list(headers)[:4]
    assert shown["Content-Type"] == "application/json"
    assert shown["idempotency-key"] == headers["idempotency-key"]
    assert shown["x-note"] == "[redacted email]"


@pytest.mark.parametrize("name", ["businessName", "processName", "headphones", "author", "pinned", "panel", "expand"])
def test_names_that_only_contain_a_telling_one_stay(name: str) -> None:
    assert redactor.json_bytes(orjson.dumps({name: "x"})) == f'{{"{name}":"x"}}'


@pytest.mark.parametrize("name", ["userSSN", "home_phone", "card-cvc", "phoneNumber", "OTP", "x-csrf-token", "PIN"])
def test_telling_names_are_found_however_they_are_written(name: str) -> None:
    assert redactor.json_bytes(orjson.dumps({name: "x"})) == f'{{"{name}":"[redacted]"}}'


def test_json_is_masked_by_name_and_by_value() -> None:
    event = {
        "messageId": "m-1",
        "userId": "u-1",
        "traits": {"email": "jo@example.com", "Password": "x", "phone": 123, "age": 41},
        "context": {"device": {"token": ["t1"]}, "consent": None},
        "properties": {
            "note": f"pw {SECRET}",
            "pan": 4111111111111111,
            "passwordless": True,
            "n": 4111111111111111,
            "f": 4111111111111111.0,
        },
        "jo@example.com": 1.5,
    }
    assert orjson.loads(redactor.json_bytes(orjson.dumps(event))) == {
        "messageId": "m-1",
        "userId": "u-1",
        "traits": {"email": "[redacted email]", "Password": "[redacted]", "phone": "[redacted]", "age": 41},
        "context": {"device": {"token": "[redacted]"}, "consent": None},
        "properties": {
            "note": "pw [redacted secret]",
            "pan": "[redacted]",
            "passwordless": True,
            "n": "[redacted card]",
            "f": "[redacted card].0",
        },
        "[redacted email]": 1.5,
    }


def test_what_is_not_json_is_masked_as_text() -> None:
    assert (
        redactor.json_bytes(b"token=abc123&user=jo@example.com \xff") == "token=[redacted]&user=[redacted email] \ufffd"
    )


def test_large_bodies_are_cut_and_say_so() -> None:
    for body in (b"a b " * 10_000, orjson.dumps({"x": ["a b"] * 10_000}), orjson.dumps("a b " * 10_000)):
        text = redactor.json_bytes(body)
        assert len(text.encode()) <= LIMIT_BYTES + 60
        assert "[cut" in text
    assert redactor.json_bytes(b"x y" * 10_000).endswith("[cut, 30000 bytes in all]")


def test_long_texts_and_headers_are_cut_and_say_so() -> None:
    url = "https://shop.example/" + "a/" * 10_000
    assert len(redactor.text(url)) <= LIMIT_BYTES + 60
    assert redactor.text(url).endswith(f"… [cut, {len(url)} characters in all]")
    shown = redactor.headers({"x-long": "a b " * 5_000, "a" * 5_000: "v"})
    assert shown["x-long"].endswith("… [cut, 20000 characters in all]")
    assert len(str(shown)) < 2_000
    many = redactor.headers({f"x-{number}": "a b " * 50 for number in range(500)})
    assert len(str(many)) < LIMIT_BYTES + 2_000
    assert many["…"] == "[cut, 500 headers in all]"


@pytest.mark.parametrize("encode", [str, lambda text: quote(quote(text, safe=""), safe="")], ids=["plain", "encoded"])
def test_no_half_of_a_long_secret_is_left_at_a_cut(encode: Callable[[str], str]) -> None:
    secret = "".join(f"<{number:04}>" for number in range(500))
    long = Redactor(frozenset({secret}))
    for before in range(LIMIT_BYTES - 4_000, 6 * LIMIT_BYTES, 1_999):
        text = "a " * (before // 2) + encode(secret) + " b" * 60_000
        for shown in (long.text(text), long.json_bytes(text.encode()), long.json_bytes(orjson.dumps({"k": text}))):
            assert "<0" not in unquote(unquote(shown)) and "0>" not in unquote(unquote(shown))


@given(st.integers(0, 40), st.booleans())
def test_no_half_secret_is_left_at_a_cut(shift: int, as_json: bool) -> None:
    text = " " * shift + (SECRET + " ") * 2_000
    body = orjson.dumps({"k": text}) if as_json else text.encode()
    assert "tr0ub" not in redactor.json_bytes(body)


def test_deep_nesting_is_cut() -> None:
    assert "too deep" in redactor.json_bytes(b'{"a":' * 500 + b"1" + b"}" * 500)
    assert redactor.json_bytes(b"[" * 100_000).startswith("[[[")


def test_a_secret_that_looks_encoded_stays_hidden_when_other_finds_are_decoded() -> None:
    assert Redactor(frozenset({"50%25off"})).text("50%25off jo%40example.com") == "[redacted secret] [redacted email]"


def test_text_that_is_no_unicode_is_replaced() -> None:
    assert Redactor(frozenset({"s\ud800cret"}), RedactionRules(values=("x+",))).text("a\ud800 xx") == "a? [redacted]"


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "eyJ",
        "a@",
        "a.",
        "4 ",
        "+1 (",
        "a_",
        "%40",
        "://a:",
        "basic aaaaaaaaaaaaaa ",
        "token=",
        "api_",
        "f",
        "+",
        "1-",
        "a=",
        "a-",
        'token="',
        "token=[",
        "%25",
        "(555) 723-",
        "a:",
        '"',
        "\\",
    ],
)
def test_no_text_takes_more_than_linear_time(piece: str) -> None:
    text = (piece * 64_000)[:64_000]
    started = time.perf_counter()
    redactor.text(text, len(text))
    assert time.perf_counter() - started < 2  # some 0.1 s; a quadratic pattern takes minutes


@given(st.binary(max_size=2_000), st.text(max_size=200))
def test_nothing_raises_and_the_secret_never_shows(body: bytes, text: str) -> None:
    assert SECRET not in redactor.text(text + SECRET)
    assert SECRET not in redactor.json_bytes(body + SECRET.encode())
    assert SECRET not in redactor.json_bytes(orjson.dumps({"a": [text + SECRET]}))


@given(st.text(max_size=300))
def test_the_same_text_gives_the_same_result(text: str) -> None:
    assert redactor.text(text) == Redactor(frozenset({SECRET, "abc"})).text(text)
