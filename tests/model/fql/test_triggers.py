from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.fql.syntax import FqlInvalid
from model.fql.triggers import compile_trigger
from tests.model.fql.expressions import EVENTS, nested

EVENT: dict[str, Any] = {
    "type": "track",
    "event": "Order Completed",
    "userId": "u1",
    "properties": {"n": 5, "s": "5", "b": True, "z": None, "nest": {"k": "v"}},
}


def holds(text: str, event: dict[str, Any] = EVENT) -> bool:
    return compile_trigger(text).matches(event)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('type = "track"', True),
        ("properties.n = 5", True),
        ('properties.n = "5"', False),
        ('properties.s = "5"', True),
        ("properties.s = 5", False),
        ('properties.missing != "x"', True),
        ("properties.missing != 5", False),
        ('!contains(properties.missing, "x")', False),
        ('!match(properties.missing, "x*")', False),
        ("properties.z = null", True),
        ("properties.z != null", False),
        ("properties.b = true", True),
        ('properties.b = "true"', False),
        ("properties.n >= 5", True),
        ("properties.s >= 5", False),
        ('properties.nest.k = "v"', True),
        ('event = "order completed"', False),
        ("event = 'Order Completed'", False),
    ],
)
def test_the_vectors_of_the_original(text: str, expected: bool) -> None:
    assert holds(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('type = "track" and event = "Order Completed"', True),
        ('type = "page" or event = "Order Completed"', True),
        ('(type = "page" or type = "track") and (event = "Nope" or (userId = "u1" and properties.b = true))', True),
        ('type = "track" and userId = "u1" and properties.n < 5', False),
        ("properties.n != 6", True),
        ("properties.n != 5", False),
        ("properties.s != 6", False),
        ("properties.b != 0", False),
        ("properties.b = 1", False),
        ("properties.b = false", False),
        ("properties.n > 4.5", True),
        ("properties.n <= 4", False),
        ("properties.missing = null", True),
        ("properties.n != null", True),
        ('properties.n != "5"', True),
        ('properties.z != "x"', True),
        ('contains(event, "Comp")', True),
        ('!contains(event, "Comp")', False),
        ('!contains(event, "Nope")', True),
        ('contains(properties.n, "5")', False),
        ('match(event, "Order*")', True),
        ('match(event, "*Order")', False),
        ('match(event, "*pleted")', True),
        ('!match(event, "*pleted")', False),
        ('!match(event, "Nope*")', True),
        ('match(event, "*")', True),
        ('match(properties.n, "*")', False),
        (r"traits.first\ name = null", True),
        ("context.app.name = null and name = null", True),
    ],
)
def test_what_holds(text: str, expected: bool) -> None:
    assert holds(text) is expected


TEXTS: dict[str, Any] = {"type": "track", "event": "404", "name": "5", "userId": "123"}


@pytest.mark.parametrize(
    ("text", "event", "expected"),
    [
        ("userId = 123", TEXTS, True),
        ("userId = 123", {"userId": 123}, False),
        ("userId != 123", TEXTS, False),
        ("userId != 123", {"userId": 123}, True),
        ("userId != 123", {}, True),
        ("event = 404", TEXTS, True),
        ("event = +404.0", TEXTS, True),
        ("name = 5", TEXTS, True),
        ("name = 5.5", TEXTS, False),
        ("type = 5", TEXTS, False),
        ("userId = 12345678901234567890", {"userId": "12345678901234567890"}, True),
        ("event = true", {"event": "true"}, True),
        ("event = true", {"event": True}, False),
        ("name != false", {"name": "false"}, False),
        ("userId = true", {"userId": True}, True),
        ("userId = true", {"userId": "true"}, False),
        ("userId != true", {"userId": "true"}, False),
        ("event = null", {"event": "null"}, True),
        ("event = null", {}, False),
        ("type != null", {}, True),
        ("name = null", {}, True),
        ("userId != null", {}, False),
        ("userId >= 123", {"userId": 123}, True),
        ("userId >= 123", TEXTS, False),
        ("properties.n = 5", {"properties": {"n": "5"}}, False),
    ],
)
def test_a_field_that_holds_a_text_is_compared_as_text(text: str, event: dict[str, Any], expected: bool) -> None:
    assert holds(text, event) is expected


@pytest.mark.parametrize(
    ("text", "column", "remedy"),
    [
        ("userId = 123", 10, 'Write userId = "123"'),
        ('type = "track" and event != 1.0', 29, 'Write event != "1"'),
        ("name = true", 8, 'Write name = "true"'),
        ("event != null", 10, 'Write event != "null" if that is meant; a filter can ask whether the field is missing'),
        ('type = "track" AND event = "x"', 16, "Write and instead"),
        ('type = "track" Or event = "x"', 16, "Write or instead"),
        ('type = "track", event = "x"', 15, "Write and instead"),
        ('event == "x"', 7, "Write a single ="),
        ("type=identify", 6, "Put it between double quotes"),
        ("contains(event, Order)", 17, "Put it between double quotes"),
        ("traits.vip = TRUE", 14, "Write true in small letters, or put it between double quotes if the text is meant"),
    ],
)
def test_what_is_read_leniently_is_warned_about_with_the_clear_form(text: str, column: int, remedy: str) -> None:
    (warning,) = compile_trigger(text).warnings
    assert (warning.line, warning.column, warning.remedy) == (1, column, remedy)


@pytest.mark.parametrize(
    "text",
    [
        'type = "track" AND event = "Order Completed"',
        'type = "page" OR event = "Order Completed"',
        'type = "track", (event = "Nope" or properties.n = 5)',
        'type=track and event=="Order Completed"',
        "type = track and userId=u1 and properties.nest.k = v",
        r"event = Order\ Completed and contains(event, Order)",
    ],
)
def test_what_segment_ships_is_read_as_it_is_meant(text: str) -> None:
    assert holds(text)
    assert not holds(text, {"type": "screen"})


@pytest.mark.parametrize("text", ["type = event", "event = properties.x", 'type = "a" and event = "b" OR name = "c"'])
def test_what_can_be_meant_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(FqlInvalid):
        compile_trigger(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("properties.list.length = 2", True),
        ('properties.word.length > 4 and properties.list.0 = "a"', True),
        (r'properties.list\[1\].k = "v" and properties.list.1.k = "v"', True),
        ("properties.list.2 = null and properties.list.k = null", True),
        ("properties.off.deeper = false and properties.zero.deeper = 0", True),
        ('properties.list != "a" and properties.missing.deeper = null', True),
    ],
)
def test_fields_in_objects_are_looked_up_as_in_mappings(text: str, expected: bool) -> None:
    event = {"properties": {"list": ["a", {"k": "v"}], "word": "hello", "off": False, "zero": 0}}
    assert holds(text, event) is expected


def test_single_quotes_are_part_of_the_text_and_warned_about() -> None:
    compiled = compile_trigger("event = 'X'")
    assert compiled.matches({"event": "'X'"})
    (warning,) = compiled.warnings
    assert (warning.line, warning.column) == (1, 9)
    assert compile_trigger("contains(event, 'X')").matches({"event": "an 'X' in it"})
    assert compile_trigger('event = "X"').warnings == ()


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"What\?*", "What? No"), (r"*\*", "a*"), (r"C:\\*", "C:\\x"), (r"\[x\]*", "[x]y")],
)
def test_an_escaped_character_of_a_pattern_means_itself(pattern: str, text: str) -> None:
    assert holds(f'match(event, "{pattern}")', {"event": text})
    assert not holds(f'match(event, "{pattern}")', {"event": "other"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1: the statement is empty"),
        ("type", "this alone is no condition"),
        ("typo", "this alone is no condition"),
        ('type = "page" and event = "Order Completed" or type = "track"', "column 45: and, or stand side by side"),
        ('type = "track" or event = "Nope" and userId = "other"', "Put parentheses around"),
        ('evnt = "X"', "column 1: triggers know no field 'evnt'. Did you mean 'event'?"),
        ('fnord = "X"', "The fields are type, event, name, userId, properties.…, traits.…, context.…"),
        ("properties = null", "triggers know no field 'properties'. The fields are"),
        ('event.name = "X"', "triggers know no field 'event.name'. The fields are"),
        ('"track" = type', "a condition begins with a field"),
        ("properties.a = properties.b", "a field is compared with a text, a number"),
        ("properties.a = [1]", "a field is compared with"),
        ("properties.a in [1, 2]", "triggers know no in"),
        ("properties.a != true", "true and false go with = only"),
        ("properties.a < null", "< compares numbers only"),
        ('properties.a >= "5"', "column 17: >= compares numbers only. Write a number without quotes"),
        ('typeof(event) = "string"', "a condition begins with a field"),
        ("length(event)", "triggers know no function 'length'"),
        ('contain(event, "x")', "Did you mean 'contains'?"),
        ("contains(event)", 'Write contains(field, "text")'),
        ("contains(event, 5)", 'Write contains(field, "text")'),
        ('contains("x", "x")', "a condition begins with a field"),
        ('!(type = "track")', "! is allowed only before contains and match"),
        ('!type = "track"', "the ! belongs to the left side alone"),
        ("!properties.a", "! is allowed only before"),
        ('match(event, "a?b*")', "a pattern is a text with one * before or behind it"),
        ('match(event, "[ab]*")', "a pattern is a text"),
        ('match(event, "*a*")', "use = or contains"),
        ('match(event, "abc")', "a pattern is a text"),
        ('match(event, "")', "a pattern is a text"),
        (r'match(event, "C:\dir*")', "a pattern is a text"),
        (r'match(event, "abc\*")', "a pattern is a text"),
        ("match(event, 'x*')", "between double quotes"),
        ('event = "oops', "this string has no end"),
    ],
)
def test_what_triggers_cannot_do_is_refused_with_the_remedy(text: str, message: str) -> None:
    with pytest.raises(FqlInvalid) as caught:
        compile_trigger(text)
    assert message in str(caught.value)


TRIGGERS = st.sampled_from(
    [
        'type = "track"',
        'properties.and != ""',
        "properties.type.or >= 0",
        "properties.null = null",
        "traits.in = true",
        "name = 0",
        'contains(event, "a")',
        '!match(userId, "*a")',
        "(name = null or context.true != 1) and name != null",
    ]
)


@given(TRIGGERS, EVENTS)
def test_no_event_raises(text: str, event: dict[str, Any]) -> None:
    assert holds(text, event) in (True, False)


@pytest.mark.parametrize("value", [nested(100_000)["name"], 10**6000, "\ud800"], ids=["deep", "huge", "surrogate"])
def test_deep_and_huge_values_do_not_raise(value: Any) -> None:
    for text in ('name = "x"', "name < 1.5", "name = 1e300", "name = true", 'contains(name, "x")', "name = null"):
        assert not holds(text, {"name": value})
