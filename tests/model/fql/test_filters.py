from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.fql.filters import compile_filter
from model.fql.functions import FUNCTIONS, equal
from model.fql.syntax import Comparison, Expression, FqlInvalid, FunctionCall, Not, Operator
from tests.kit.fql_printer import to_text
from tests.model.fql.expressions import ATOMS, EVENTS, JSON, nested

EVENT: dict[str, Any] = {
    "type": "track",
    "event": "Order Completed",
    "userId": "u1",
    "properties": {
        "n": 5,
        "s": "5",
        "b": True,
        "z": None,
        "f": 5.0,
        "nest": {"k": "v"},
        "list": ["a", "b"],
        "é x": 1,
        "same": ["a", "b"],
        "city": "Malmö",
        "mixed": [1, None, True, ["a"]],
    },
}


def holds(text: str, event: dict[str, Any] = EVENT) -> bool:
    return compile_filter(text).matches(event)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", True),
        (" all\n", True),
        ("length( missing ) < 1", True),
        ("length( properties.list ) = 2", True),
        ("'a' in properties.list", True),
        ("properties.n = '5'", False),
        ("properties.n != '5'", True),
        ("typeof( properties.b ) = 'bool'", True),
        ("contains( missing, 'x' )", False),
        ("!contains( missing, 'x' )", True),
        ("match( event, 'order*' )", False),
        ("match( lowercase( event ), 'order*' )", True),
        ("match( 'a/b', 'a*' )", True),
        ("match( 'abc', 'ab[^c]' )", False),
        ("match( 'x', '[' )", False),
        ("event", False),
    ],
)
def test_the_vectors_of_the_original(text: str, expected: bool) -> None:
    assert holds(text) is expected


@pytest.mark.parametrize(
    "text",
    [
        'type = "track" and event = "Order Completed"',
        "type = 'track' and ( event = 'Click' or match( event, 'Order *' ) )",
        "type = 'page' or type = 'track' or missing",
        "type = 'track' and userId = 'u1' and properties.b",
        "properties.n = 5 and properties.n = properties.f and 5.0 = properties.n",
        "properties.b = true and properties.b != false and properties.b != 1 and true = properties.b",
        "properties.n > 4 and properties.n >= 5 and properties.n < 6 and properties.n <= 5",
        "properties.z = null and missing = null and missing.deeper = null and properties.n != null",
        "properties.list = ['a', 'b'] and properties.list != ['b', 'a'] and properties.list = properties.same",
        "properties.list.0 = 'a' and properties.list.2 = null and properties.list.x = null",
        "properties.nest.k = 'v' and properties.nest != 'v' and typeof(properties.nest) = 'object'",
        "userId in ['u0', 'u1'] and properties.n in [5] and null in properties.mixed and true in properties.mixed",
        r"properties.\é\ x = 1",
        "(properties.n = 5) = true",
        "!missing and !properties.n and !(properties.b = false)",
        "length(properties.city) = 6 and length('') = 0 and length(properties.list) = 2",
        "uppercase('aß') = 'ASS' and lowercase('AB') = 'ab' and lowercase(properties.n) = null",
        "snakecase(event) = 'Order_Completed' and kebabcase(event) = 'Order-Completed'",
        'titlecase("order o\'neil  ok") = "Order O\'neil  Ok"',
        "typeof(properties.n) = 'number' and typeof(type) = 'string' and typeof(missing) = 'null'",
        "typeof(properties.list) = 'list' and typeof(properties.f) = 'number'",
        "string(5) = '5' and string(5.0) = '5' and string(0.5) = '0.5' and string(true) = 'true' and string(null) = ''",
        "number('5') = 5 and number('-1.5e1') = -15 and number(true) = 1 and number(null) = null",
        "number('5x') = null and number('1e999') = null and number(properties.f) = 5",
        "bool('true') and !bool('no') and bool(1) and bool(null) = false and bool('x') = null and bool([]) = null",
        "match(event, event) and contains(event, 'Comp')",
        "semver('1.10.0', '>', '1.9.9') and semver('2', '=', '2.0.0') and semver('1.2', '!=', '1.2.1')",
        "semver('1.2.3-beta', '=', '1.2.3') and semver(' 1 . 2', '<=', '1.2') and !semver('1.2.3', '<', '1.2.3')",
        "!semver('v1', '=', '1') and !semver('1.2.3.4', '>', '1') and !semver('', '=', '0') and !semver(no, '=', '1')",
        "!semver(properties.n, '=', '5') and !semver('5', '~', '5') and !semver('1..2', '>=', '0')",
        "contains(type, '')",
    ],
)
def test_what_holds(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "properties.s >= 5",
        "properties.b > 0",
        "'b' > 'a'",
        "missing < 1",
        "length(properties.n) < 1",  # a number has no length, which is not length 0
        "properties.b = 1",
        "1 in properties.list",
        "1 in ['1', true]",
        "properties.list in [['a', 'b']]",
        "'a' in 'abc'",
        "'a' in missing",
        "lowercase(event)",
        "event and type",
        "'true'",
        "contains(properties.list, 'a')",
        "contains('5', properties.n)",
        "match(event, missing)",
        "match('x', '" + "*" * 2000 + "')",
    ],
)
def test_what_does_not_hold(text: str) -> None:
    assert not holds(text)


def test_a_mix_of_and_and_or_is_read_by_precedence_and_warned_about() -> None:
    compiled = compile_filter("type = 'track' or type = 'page' and event = 'X'")
    assert compiled.matches({"type": "track"})
    (warning,) = compiled.warnings
    assert (warning.line, warning.column) == (1, 33)


@pytest.mark.parametrize(
    ("text", "column"),
    [("type = 'track' AND userId = 'u1'", 16), ("type = 'x' OR userId = 'u1'", 12), ("type == 'track'", 6)],
)
def test_how_other_languages_write_it_is_read_and_warned_about(text: str, column: int) -> None:
    compiled = compile_filter(text)
    assert compiled.matches(EVENT)
    (warning,) = compiled.warnings
    assert (warning.line, warning.column) == (1, column)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("type = track", 8, "'track' without quotes is a field of the event"),
        ("!(properties.plan != free)", 22, "'free' without quotes is a field"),
        ("userId = 123 and missing = 1", 10, "userId holds a text, which equals no number"),
        ("true = event", 1, "event holds a text"),
    ],
)
def test_what_is_never_equal_is_warned_about(text: str, column: int, message: str) -> None:
    (warning,) = compile_filter(text).warnings
    assert warning.column == column
    assert warning.message.startswith(message)


@pytest.mark.parametrize(
    "text", ["userId = anonymousId", "properties.a = properties.b", "userId = '1' and name = null"]
)
def test_what_can_be_equal_is_not_warned_about(text: str) -> None:
    assert compile_filter(text).warnings == ()


def test_a_malformed_pattern_is_warned_about() -> None:
    (warning,) = compile_filter("match( event, 'x[' )").warnings
    assert (warning.line, warning.column) == (1, 15)
    assert compile_filter("match( event, 'x*' )").warnings == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('userId = oops"', "this string has no end"),
        ("", "empty"),
        ("containz(event, 'x')", "Did you mean 'contains'"),
        ("fnord(event)", "there is no function 'fnord'. The functions are bool, contains"),
        ("type = 'x' and contains(event)", "column 16: contains is given 1 values. Give it 2"),
        ("length()", "length is given 0 values. Give it 1"),
        ("semver(event, '1')", "semver is given 2 values. Give it 3"),
        ("contains(event, 'x', 'y')", "Give it 2"),
    ],
)
def test_an_invalid_filter_is_refused_with_the_remedy(text: str, message: str) -> None:
    with pytest.raises(FqlInvalid) as caught:
        compile_filter(text)
    assert message in str(caught.value)


def calls() -> st.SearchStrategy[Expression]:
    one = st.builds(
        FunctionCall,
        st.sampled_from(sorted(name for name, (count, _) in FUNCTIONS.items() if count == 1)),
        st.tuples(ATOMS),
    )
    two = st.builds(
        FunctionCall,
        st.sampled_from(sorted(name for name, (count, _) in FUNCTIONS.items() if count == 2)),
        st.tuples(ATOMS, ATOMS),
    )
    sides = one | two | ATOMS
    return st.builds(Comparison, st.sampled_from(Operator), sides, sides) | st.builds(Not, one)


@given(calls(), EVENTS)
def test_no_event_raises(expression: Expression, event: dict[str, Any]) -> None:
    assert compile_filter(to_text(expression)).matches(event) in (True, False)


SEMVER = "semver(name, '<', name)"


@pytest.mark.parametrize("function", ["typeof(name)", "length(name)", "string(name)", "bool(name)", "number(name)"])
def test_deep_and_huge_values_do_not_raise(function: str) -> None:
    for value in (nested(100_000)["name"], 10**6000, -(10**6000), 1e308, "\ud800", "9" * 10_000, ""):
        for comparison in (f"{function} = name", f"{function} > 1.5", f"{function} in [name, 'x']", SEMVER):
            assert holds(comparison, {"name": value}) in (True, False)


def test_deep_values_are_compared_to_the_bottom() -> None:
    deep, other = nested(100_000), nested(100_000)
    deep["properties"]["b"] = other["name"]
    assert holds("properties.a = properties.b and name = properties.a", deep)
    deep["properties"]["b"] = nested(99_998)["name"]
    assert holds("properties.a != properties.b", deep)


@given(JSON, JSON)
def test_equality_is_that_of_json_text(left: Any, right: Any) -> None:
    def kinds(value: Any) -> Any:
        """Mark numbers and bools, which Python does not tell apart."""
        if isinstance(value, list):
            return [kinds(item) for item in value]
        if isinstance(value, dict):
            return {name: kinds(item) for name, item in value.items()}
        return (isinstance(value, bool), value)

    assert equal(left, left)
    assert equal(left, right) == equal(right, left) == (kinds(left) == kinds(right))
