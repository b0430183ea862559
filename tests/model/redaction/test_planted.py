"""Of the planted corpus nothing comes through, and the search that says so finds all of it."""

import json

import orjson
import pytest

from model.redaction.redactor import Redactor
from tests.kit.planted import BY_FORM, BY_NAME, CLEAR, SECRETS, found_in, headers, message, properties, url

redactor = Redactor(frozenset(SECRETS.values()))
EVENT = orjson.dumps({"type": "track", "event": "Order Completed", "properties": properties(), "mark": "kept"})


def test_the_search_finds_what_is_planted() -> None:
    of_events = set(CLEAR) - set(SECRETS.values())
    assert found_in(EVENT) == of_events
    assert found_in(message()) == set(CLEAR)
    assert found_in(url(BY_NAME | BY_FORM | SECRETS)) == set(CLEAR)
    assert found_in(repr(headers())) >= set(SECRETS.values())
    assert found_in("nothing of it, 957") == set()


@pytest.mark.parametrize("body", [EVENT, EVENT[:-1], b"[" + EVENT + b"," + EVENT + b"]", EVENT + b"\n" + EVENT])
def test_nothing_comes_through_in_bodies(body: bytes) -> None:
    shown = redactor.json_bytes(body, limit_bytes=100_000)
    assert found_in(shown) == set()
    assert "Order Completed" in shown and "kept" in shown


def test_nothing_comes_through_at_any_cut() -> None:
    body = EVENT + EVENT
    for limit_bytes in range(1, len(EVENT), 37):
        assert found_in(redactor.json_bytes(body, limit_bytes)) == set()


def test_nothing_comes_through_in_headers() -> None:
    assert found_in(repr(redactor.headers(headers()))) == set()


def test_nothing_comes_through_in_messages_and_urls() -> None:
    assert found_in(redactor.text(message())) == set()
    assert found_in(redactor.text(url(BY_NAME | BY_FORM | SECRETS))) == set()
    assert found_in(redactor.json_bytes(url(BY_NAME | BY_FORM | SECRETS).partition("?")[2].encode())) == set()


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("secret", [*SECRETS.values(), 'two\nlines\\and "more"'])
def test_a_secret_is_hidden_in_json_within_json_within_json(secret: str, ascii_only: bool) -> None:
    own = Redactor(frozenset({secret}))
    body = f"({secret})"
    for _ in range(5):
        assert "[redacted secret]" in own.text(body), body
        body = json.dumps(body, ensure_ascii=ascii_only)
