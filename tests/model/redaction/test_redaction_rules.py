"""What a workspace hides besides what is always hidden, and what is said of a section that is wrong."""

import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from model.redaction.redactor import RedactionRules, Redactor
from model.workspace.settings import RedactionConfig


def redactor(**rules: tuple[str, ...]) -> Redactor:
    return Redactor(frozenset(), RedactionRules(**rules))


def test_headers_are_hidden_by_name_whatever_its_case() -> None:
    shown = redactor(headers=("X-Customer",)).headers({"x-CUSTOMER": "c-1", "X-Customer-Kind": "b"})
    assert shown == {"x-CUSTOMER": "[redacted]", "X-Customer-Kind": "b"}


def test_keys_are_hidden_however_they_are_written() -> None:
    rules = redactor(keys=("customer_number", "internal*", "*Ref*"))
    event = {"customerNumber": 1, "customer_numbers": 2, "internal_note": "a", "orderRefId": "b", "other": "c"}
    assert orjson.loads(rules.json_bytes(orjson.dumps(event))) == {
        "customerNumber": "[redacted]",
        "customer_numbers": 2,
        "internal_note": "[redacted]",
        "orderRefId": "[redacted]",
        "other": "c",
    }
    assert rules.text("/x?customer-number=7&n=1") == "/x?customer-number=[redacted]&n=1"
    assert rules.headers({"Internal-Id": "7"}) == {"Internal-Id": "[redacted]"}


def test_values_are_hidden_wherever_they_stand() -> None:
    rules = redactor(values=(r"\bC-\d{6}\b", "(?i)müller"))
    assert rules.text("for C-123456 and MÜLLER, not C-1") == "for [redacted] and [redacted], not C-1"
    assert rules.text("q=m%C3%BCller") == "q=[redacted]"
    event = {"a": ["C-123456"], "C-123456": 1, "n": 5}
    assert orjson.loads(rules.json_bytes(orjson.dumps(event))) == {"a": ["[redacted]"], "[redacted]": 1, "n": 5}
    assert redactor(values=(r"^\d{9}$",)).json_bytes(b'{"n":123456789,"m":1}') == '{"n":"[redacted]","m":1}'


def test_a_pattern_that_can_match_nothing_masks_no_nothing() -> None:
    assert redactor(values=("x*",)).text("abxxc") == "ab[redacted]c"


def test_no_users_pattern_takes_more_than_linear_time() -> None:
    rules = redactor(values=("(a+)+$", "(a|aa)*b"), keys=("*a*a*a*a*a*b",))
    started = time.process_time()
    rules.json_bytes(orjson.dumps({"a" * 250: "a" * 8_000}))
    assert time.process_time() - started < 2


@given(st.text(max_size=200), st.text(max_size=20))
def test_no_text_and_no_key_raises(text: str, key: str) -> None:
    rules = redactor(keys=(f"k{key}",), values=(r"\d+|x*",))
    assert orjson.dumps(rules.text(text))
    assert "planted" not in rules.json_bytes(orjson.dumps({f"k{key}": "planted"}))


def config(**fields: Any) -> RedactionConfig:
    return RedactionConfig.model_validate_json(orjson.dumps(fields))


def test_the_section_becomes_rules() -> None:
    assert config() == RedactionConfig() and config().payloads and config().rules() == RedactionRules()
    section = config(payloads=False, headers=["X-Customer"], keys=["customer_*"], values=[r"C-\d+"])
    assert not section.payloads
    assert section.rules() == RedactionRules(headers=("X-Customer",), keys=("customer_*",), values=(r"C-\d+",))


@pytest.mark.parametrize(
    ("fields", "place", "message"),
    [
        ({"headers": ["X-A", "a b"]}, ("headers", 1), "this is not a header name"),
        ({"keys": ["*"]}, ("keys", 0), "the name has no letters or digits"),
        ({"keys": [""]}, ("keys", 0), "at least 1 character"),
        ({"values": ["a", "(b"]}, ("values", 1), "the pattern is not valid: 'missing ): (b'"),
        ({"values": ["(?=a)"]}, ("values", 0), "the pattern is not valid"),
        ({"values": ["a*"]}, ("values", 0), "the pattern matches the empty text"),
        ({"values": [r"(\p{L}{50}){20}"]}, ("values", 0), "the pattern"),
        ({"values": ["a" * 501]}, ("values", 0), "at most 500 characters"),
        ({"payloads": "no"}, ("payloads",), "boolean"),
        ({"fields": ["a"]}, ("fields",), "not permitted"),
    ],
)
def test_a_wrong_section_says_where_and_what(fields: dict[str, Any], place: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**fields)
    [problem] = caught.value.errors()
    assert problem["loc"] == place
    assert message in problem["msg"]
