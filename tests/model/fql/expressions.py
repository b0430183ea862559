"""Hypothesis strategies: any syntax tree, any JSON."""

from typing import Any

from hypothesis import strategies as st

from model.fql.syntax import (
    And,
    Comparison,
    Constant,
    Elements,
    Expression,
    FunctionCall,
    Not,
    Operator,
    Or,
    Path,
    String,
)

NAMES = st.text(min_size=1, max_size=6) | st.sampled_from(["type", "properties", "and", "or", "in", "null", "true"])
NUMBERS = st.integers(-(10**60), 10**60) | st.floats(allow_nan=False, allow_infinity=False)
ATOMS: st.SearchStrategy[Expression] = st.one_of(
    st.builds(Path, st.lists(NAMES, min_size=1, max_size=3).map(tuple)),
    st.builds(String, st.text(max_size=8), st.sampled_from(["'", '"'])),
    st.builds(Constant, st.none() | st.booleans() | NUMBERS),
)


def _larger(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    some, several = st.lists(parts, max_size=3).map(tuple), st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Elements, some),
        st.builds(FunctionCall, st.sampled_from(["contains", "match", "typeof"]) | NAMES, some),
        st.builds(Not, parts),
        st.builds(Comparison, st.sampled_from(Operator), parts, parts),
        st.builds(And, several),
        st.builds(Or, several),
    )


EXPRESSIONS = st.recursive(ATOMS, _larger, max_leaves=12)

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(NAMES, parts, max_size=3),
    max_leaves=10,
)
EVENTS = st.fixed_dictionaries(
    {}, optional={name: JSON for name in ("type", "event", "name", "userId", "properties", "traits", "context")}
)


def nested(levels: int) -> dict[str, Any]:
    """Build an event whose properties are lists and objects inside one another, far deeper than Python recurses."""
    value: Any = "core"
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return {"type": "track", "properties": {"a": value, "b": value}, "name": value}
