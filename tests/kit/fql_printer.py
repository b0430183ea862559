"""A syntax tree back to text: parsing the text gives an equal tree, and no warning about missing parentheses."""

import re
from collections.abc import Iterable

from model.fql.syntax import (
    KEYWORDS,
    And,
    Comparison,
    Constant,
    Elements,
    Expression,
    FunctionCall,
    Not,
    Or,
    Path,
    String,
)

_TO_ESCAPE = re.compile(r"[^A-Za-z0-9_-]")
_CONSTANTS = {None: "null", True: "true", False: "false"}


def to_text(expression: Expression) -> str:
    """Write an expression on one line, unless a string or name in it has line breaks."""
    match expression:
        case Path(names):
            return _path(names)
        case String(value, quote):
            return quote + value.replace(quote, quote * 2) + quote
        case Constant(bool() | None as value):
            return _CONSTANTS[value]
        case Constant(value):
            return repr(value)
        case Elements(items):
            return f"[{_list(items)}]"
        case FunctionCall(function, arguments):
            return f"{_path((function,))}({_list(arguments)})"
        case Not(operand):
            return "!" + (to_text(operand) if isinstance(operand, Not) else _closed(operand))
        case Comparison(operator, left, right):
            return f"{_closed(left)} {operator} {_closed(right)}"
        case And(operands):
            return " and ".join(map(_condition, operands))
        case Or(operands):
            return " or ".join(map(_condition, operands))


def _condition(expression: Expression) -> str:
    return f"({to_text(expression)})" if isinstance(expression, And | Or) else to_text(expression)


def _closed(expression: Expression) -> str:
    open_ended = isinstance(expression, Not | Comparison | And | Or)
    return f"({to_text(expression)})" if open_ended else to_text(expression)


def _list(items: Iterable[Expression]) -> str:
    return ", ".join(map(to_text, items))


def _path(names: tuple[str, ...]) -> str:
    first, *rest = (_TO_ESCAPE.sub(r"\\\g<0>", name) for name in names)
    if not rest and first in KEYWORDS or not re.match(r"[A-Za-z_\\]", first):
        first = "\\" + first
    return ".".join((first, *rest))
