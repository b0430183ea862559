"""Reads the values of Liquid: literals, texts, numbers, ranges, and paths such as ``products[0].price``."""

from collections.abc import Callable
from math import ceil, isfinite
from typing import Any, TypeAlias

from model.mapping import javascript as js
from model.mapping.liquid.tokens import Cursor, LiquidInvalid
from model.mapping.liquid.values import LIMIT_CHARS, LITERALS, LiquidFailed, Scope, plain, value_at

NESTING_LIMIT = 20  # brackets and ranges

Evaluator: TypeAlias = Callable[[Scope], Any]


def value(cursor: Cursor) -> Evaluator | None:
    """Read one value: a literal, a text, a range, a number or a path; None when none comes next."""
    cursor.skip_blanks()
    cursor.depth += 1
    if cursor.depth > NESTING_LIMIT:
        raise LiquidInvalid(
            f"more than {NESTING_LIMIT} brackets inside one another", "Name the inner value with assign"
        )
    found = _value(cursor)
    cursor.depth -= 1
    return found


def _value(cursor: Cursor) -> Evaluator | None:
    literal = cursor.keyword(LITERALS)
    base = constant(LITERALS[literal]) if literal else None
    base = base or _constant_or_none(cursor.quoted()) or _range(cursor) or _constant_or_none(cursor.number())
    steps = _steps(cursor, is_path=base is None)
    if not steps:
        return base
    if base is None:
        return lambda scope: scope.lookup([step(scope) for step in steps])
    return lambda scope: value_at(base(scope), [step(scope) for step in steps])


def path(words: str) -> Evaluator | None:
    """Read a path that a filter is given as a text, such as ``address.city``."""
    cursor = Cursor(words)
    cursor.skip_blanks()
    steps = _steps(cursor, is_path=True)
    return (lambda scope: scope.lookup([step(scope) for step in steps])) if steps else None


def constant(fixed: Any) -> Evaluator:
    """An evaluator that always returns the same value."""
    return lambda scope: fixed


def _constant_or_none(found: Any) -> Evaluator | None:
    return None if found is None else constant(found)


def _range(cursor: Cursor) -> Evaluator | None:
    cursor.skip_blanks()
    if not cursor.skip("("):
        return None
    first = value(cursor)
    cursor.skip_blanks()
    dots = cursor.skip("..")
    last = value(cursor)
    cursor.skip_blanks()
    if first is None or last is None or not dots or not cursor.skip(")"):
        raise LiquidInvalid("a range is not complete", "Write it as (1..5)")
    low, high = first, last
    return lambda scope: _numbers(js.to_number(plain(low(scope))), js.to_number(plain(high(scope))), scope)


def _numbers(low: float, high: float, scope: Scope) -> list[float]:
    count = high - low + 1
    if count > LIMIT_CHARS:
        raise LiquidFailed(f"a range makes more than {LIMIT_CHARS} items")
    if not isfinite(count) or count <= 0:
        return []
    scope.charge(count)
    return [low + step for step in range(ceil(count))]


def _steps(cursor: Cursor, *, is_path: bool) -> list[Evaluator]:
    steps: list[Evaluator] = []
    while True:
        if cursor.skip("["):
            steps.append(value(cursor) or constant(""))
            if not cursor.skip_past("]"):
                raise LiquidInvalid("a bracket is not closed", "Close it with ]")
        elif is_path and not steps and (name := cursor.identifier()):
            steps.append(constant(name))
        elif cursor.peek() == "." and cursor.peek(1) != ".":
            cursor.position += 1
            name = cursor.identifier()
            if not name:
                return steps
            steps.append(constant(name))
        else:
            return steps
