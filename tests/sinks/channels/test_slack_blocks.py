"""Slack messages: what people read, Slack's limits, and that nobody's text becomes more than text."""

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.alerts.notification import Change
from sinks.channels.slack_blocks import MAX_NOTIFICATIONS, PLAIN_LIMIT_CHARS, blocks, escaped, plain
from tests.kit.notifications import hostile_notification, notification


def rendered(count: int, hostile: bool = False) -> list[dict[str, Any]]:
    make = hostile_notification if hostile else notification
    return [block.to_dict() for block in blocks([make(number) for number in range(count)])]


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for inner in value.values() for text in texts(inner)]
    return [text for inner in value for text in texts(inner)] if isinstance(value, list) else []


def test_a_notification_in_full_says_what_where_since_when_and_why() -> None:
    told = rendered(1)
    assert [block["type"] for block in told] == ["header", "section", "section", "section", "context"]
    said = "\n".join(texts(told))
    assert "🔴 Firing: Purchases reach Amplitude" in said
    assert "delivered 18,412 of 19,652 = 93.69 % &lt; 95 %" in said
    assert "*Window:* 2026-11-20 03:15 to 2026-11-21 03:15 UTC" in said
    assert "• 1,102 × 429 amplitude: Too many requests for this device" in said
    assert "<https://waybill.example.com/trace/m-1?source=web&amp;day=1|sample>" in said
    assert "(sample m-2)" in said
    assert "<https://waybill.example.com/alerts/purchases|Look closer>" in said
    assert f"notification {0:032x}" in said
    assert "<!date^1795230900^{date_short_pretty} {time}|2026-11-21 03:15 UTC>" in said


@pytest.mark.parametrize("count", [1, 2, 3, 4, MAX_NOTIFICATIONS])
@pytest.mark.parametrize("hostile", [False, True])
def test_no_message_is_over_slacks_limits(count: int, hostile: bool) -> None:
    told = rendered(count, hostile)
    assert len(told) <= 50
    for block in told:
        if block["type"] == "header":
            assert 1 <= len(block["text"]["text"]) <= 150
        if block["type"] == "section":
            assert 1 <= len(block["text"]["text"]) <= 3_000
        if block["type"] == "context":
            assert len(block["elements"]) <= 10
    assert sum(map(len, texts(told))) < 40_000
    orjson.dumps(told)  # raises when there is anything that cannot be written


@pytest.mark.parametrize("count", [1, 3, MAX_NOTIFICATIONS])
def test_every_notification_of_a_post_is_told_with_its_id(count: int) -> None:
    said = "\n".join(texts(rendered(count)))
    unadorned = plain([notification(number) for number in range(count)], PLAIN_LIMIT_CHARS)
    for number in range(count):
        assert f"notification {number:032x}" in said
        assert f"notification {number:032x}" in unadorned


def test_text_of_strangers_mentions_nobody_and_links_nowhere() -> None:
    told = rendered(1, hostile=True)
    marked_up = [text for text in texts(told) if "‹" not in text]
    for text in [*marked_up, plain([hostile_notification()], PLAIN_LIMIT_CHARS)]:
        assert set(re.findall(r"<[^>]*>", text)) <= set(re.findall(r"<!date\^[^>]*>", text))
    for block in told:
        if block["type"] == "section":
            assert block["text"]["verbatim"] is True
    header = told[0]["text"]
    assert header["type"] == "plain_text" and "<" not in header["text"]


def test_a_recovery_looks_like_one() -> None:
    told = [block.to_dict() for block in blocks([notification(change=Change.RECOVERED)])]
    assert told[0]["text"]["text"].startswith("🟢 Recovered: ")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(1, 50))
def test_escaping_keeps_to_its_limit_and_cuts_no_escape_in_two(text: str, limit: int) -> None:
    shown = escaped(text, limit)
    assert len(shown) <= limit
    assert "<" not in shown and ">" not in shown
    assert re.fullmatch(r"(?:[^&]|&amp;|&lt;|&gt;)*", shown, re.DOTALL)
