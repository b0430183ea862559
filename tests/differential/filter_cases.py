"""Random filters of the forms Segment's browser engine evaluates as its servers do, and the tree it takes for each.

What it takes differently is in `test_filters`: null and missing, lengths of what is missing, functions of functions.
"""

from collections.abc import Callable
from random import Random
from typing import Any

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
from tests.differential import fql_cases

ALWAYS_THERE = ["event", "name", "userId"]
INSIDE = ["a", "b", "list", "b.c.d", "list.0", "list.1.k", "first name"]
GLOBS = [
    "*",
    "Order*",
    "*d",
    "A?b",
    "[a-z]b",
    "[^a-z] b",
    "Or*r Com*ed",
    r"\A*",
    "[",
    "a[",
    "[]",
    "[z-a]",
    "",
    "??",
    "[b-]",
]
VERSIONS = ["1.2.3", "1.10", "2", "1.2.3-beta", "v1", "", "1..2", " 1.2 ", "1.2.3.4"]
SIGNS = ["=", "!=", "<", "<=", ">", ">=", "~"]


def event(draw: Random) -> dict[str, Any]:
    """An event in which the fields of `ALWAYS_THERE` are there, if only as null, and no `list` is a text."""
    drawn = fql_cases.event(draw)
    for holder in drawn.values():
        if isinstance(holder, dict) and isinstance(holder.get("list"), str):
            holder["list"] = [holder["list"]]
    flat = {name: draw.choice([value for value in fql_cases.SCALARS if value != "é"]) for name in ALWAYS_THERE}
    return {**drawn, **flat, "context": {"app": {"version": draw.choice([*VERSIONS, 1])}}}


def expression(draw: Random, levels: int = 2) -> Expression:
    """A condition."""
    shape = draw.random()
    if levels and shape < 0.15:
        return And(tuple(expression(draw, levels - 1) for _ in range(draw.randint(2, 3))))
    if levels and shape < 0.3:
        return Or(tuple(expression(draw, levels - 1) for _ in range(draw.randint(2, 3))))
    if levels and shape < 0.4:
        return Not(expression(draw, levels - 1))
    return draw.choice([_compared, _compared, _ordered, _length, _in, _contains, _match, _case, _type, _semver, _path])(
        draw
    )


def ir_of(node: Expression) -> Any:
    """Write a tree as tsub takes it: lists that begin with what is done, values wrapped, paths as text."""
    match node:
        case Path(names):
            return ".".join(names)
        case String(value) | Constant(value):
            return {"value": value}
        case Elements(items):
            return [ir_of(item) for item in items]
        case FunctionCall(function, arguments):
            return [function, *map(ir_of, arguments)]
        case Not(operand):
            return ["!", ir_of(operand)]
        case Comparison(sign, left, right):
            return [str(sign), ir_of(left), ir_of(right)]
        case And(operands):
            return ["and", *map(ir_of, operands)]
        case Or(operands):
            return ["or", *map(ir_of, operands)]


def _one_of(draw: Random, *kinds: Callable[[Random], Expression]) -> Expression:
    return draw.choice(kinds)(draw)


def _path(draw: Random) -> Path:
    if draw.random() < 0.3:
        return Path((draw.choice(ALWAYS_THERE),))
    return Path((draw.choice(["properties", "traits"]), *draw.choice(INSIDE).split(".")))


def _text(draw: Random) -> String:
    return String(draw.choice(fql_cases.TEXTS), draw.choice("'\""))


def _number(draw: Random) -> Constant:
    return Constant(draw.choice([5, 0, -1, 4.5, 100_000]))


def _glob(draw: Random) -> String:
    return String(draw.choice(GLOBS), "'")


def _version(draw: Random) -> String:
    return String(draw.choice(VERSIONS), "'")


def _app_version(draw: Random) -> Path:
    return Path(("context", "app", "version"))


def _compared(draw: Random) -> Expression:
    sign = draw.choice([Operator.EQUAL, Operator.NOT_EQUAL])
    there = Path((draw.choice(ALWAYS_THERE),))
    pairs: list[tuple[Expression, Expression]] = [
        (_path(draw), _text(draw)),
        (_path(draw), _number(draw)),
        (_path(draw), Constant(draw.choice([True, False]))),
        (there, Constant(None)),
        (there, Path((draw.choice(ALWAYS_THERE),))),
        (_text(draw), _path(draw)),
        (_text(draw), _text(draw)),
    ]
    return Comparison(sign, *draw.choice(pairs))


def _ordered(draw: Random) -> Expression:
    sign = draw.choice([Operator.LESS, Operator.AT_MOST, Operator.GREATER, Operator.AT_LEAST])
    sides: list[Expression] = [_path(draw), _one_of(draw, _number, _path, _text)]
    draw.shuffle(sides)
    return Comparison(sign, *sides)


def _length(draw: Random) -> Expression:
    sign = draw.choice([Operator.EQUAL, Operator.LESS, Operator.AT_LEAST])
    return Comparison(
        sign, FunctionCall("length", (Path((draw.choice(ALWAYS_THERE),)),)), Constant(draw.choice([0, 1, 2, 5]))
    )


def _in(draw: Random) -> Expression:
    items = [_one_of(draw, _text, _text, _number) for _ in range(draw.randrange(4))]
    return Comparison(Operator.IN, _one_of(draw, _path, _path, _text), Elements(tuple(items)))


def _contains(draw: Random) -> Expression:
    return FunctionCall("contains", (_one_of(draw, _path, _text), _one_of(draw, _path, _text, _text)))


def _match(draw: Random) -> Expression:
    return FunctionCall("match", (_one_of(draw, _path, _text), _one_of(draw, _glob, _path)))


def _case(draw: Random) -> Expression:
    lower = FunctionCall("lowercase", (_path(draw),))
    return Comparison(draw.choice([Operator.EQUAL, Operator.NOT_EQUAL]), lower, _text(draw))


def _type(draw: Random) -> Expression:
    return Comparison(
        Operator.EQUAL, FunctionCall("typeof", (_path(draw),)), String(draw.choice(["string", "number"]), "'")
    )


def _semver(draw: Random) -> Expression:
    version = _one_of(draw, _app_version, _version, _path)
    return FunctionCall("semver", (version, String(draw.choice(SIGNS), "'"), _version(draw)))
