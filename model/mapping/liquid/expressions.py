"""Reads the expressions of Liquid: values, paths, comparisons and filters, as LiquidJS reads them.

Comparisons bind tighter than ``not``, and that tighter than ``and`` and ``or``, which are read from the right. Values
side by side without an operator are allowed, and the first one counts.
"""

from typing import Any

from model.config.problems import did_you_mean, quoted
from model.mapping.liquid.filters import FILTERS, FORBIDDEN, RANDOM, Filter
from model.mapping.liquid.paths import Evaluator, constant, value
from model.mapping.liquid.tokens import Cursor, LiquidInvalid
from model.mapping.liquid.values import BINARY, Scope, is_false
from model.mapping.values import MISSING

_PRECEDENCE = {**dict.fromkeys(BINARY, 2), "not": 1, "and": 0, "or": 0}


def filtered_value(cursor: Cursor) -> Evaluator:
    """Read an expression and its filters, up to the end of the words. Raises LiquidInvalid."""
    value = _expression(cursor)
    applied = []
    cursor.skip_blanks()
    while not cursor.at_end():
        applied.append(_filter(cursor))
        cursor.skip_blanks()

    def evaluate(scope: Scope) -> Any:
        result = value(scope)
        for function, arguments in applied:
            result = function(scope, result, *[argument(scope) for argument in arguments])
        return result

    return evaluate if applied else value


def _expression(cursor: Cursor) -> Evaluator:
    ordered: list[str | Evaluator] = []  # operands before their operators
    waiting: list[str] = []
    while not cursor.at_end():
        operator = cursor.keyword(_PRECEDENCE)
        if operator:
            while waiting and _PRECEDENCE[waiting[-1]] > _PRECEDENCE[operator]:
                ordered.append(waiting.pop())
            waiting.append(operator)
        elif (operand := value(cursor)) is not None:
            ordered.append(operand)
        else:
            break
    ordered += reversed(waiting)
    if not ordered:
        raise LiquidInvalid(f"a value is missing{f' before {quoted(cursor.shown())}' if cursor.shown() else ''}")
    if len(ordered) == 1 and not isinstance(ordered[0], str):
        return ordered[0]

    def evaluate(scope: Scope) -> Any:
        operands: list[Any] = []
        for step in ordered:
            if not isinstance(step, str):
                operands.append(step(scope))
                continue
            right = operands.pop() if operands else MISSING
            if step == "not":
                operands.append(is_false(right))
            else:
                left = operands.pop() if operands else MISSING
                scope.charge(_size(left) + _size(right))
                operands.append(BINARY[step](left, right))
        return operands[0]

    return evaluate


def _filter(cursor: Cursor) -> tuple[Filter, list[Evaluator]]:
    if not cursor.skip("|"):
        raise LiquidInvalid(
            f"expected | before {quoted(cursor.shown())}", "Put filters behind the value, each after a |"
        )
    name = cursor.identifier()
    if not name:
        raise LiquidInvalid("a filter has no name", "Write the name of a filter after |, or leave the | out")
    function = _named(name)
    arguments: list[Evaluator] = []
    cursor.skip_blanks()
    if cursor.peek() not in ("", "|", ":"):
        raise LiquidInvalid(f"expected : after filter {name}", "Write its arguments after a colon, with commas")
    more = cursor.skip(":")
    while more:
        argument = _argument(cursor)
        if argument is not None:
            arguments.append(argument)
        cursor.skip_blanks()
        if cursor.peek() not in ("", "|", ","):
            raise LiquidInvalid(f"unexpected {quoted(cursor.shown())} in what filter {name} is given")
        more = cursor.skip(",")
    return function, arguments


def _named(name: str) -> Filter:
    if name in FILTERS:
        return FILTERS[name]
    message = f"there is no filter {quoted(name)} in mappings"
    if name in FORBIDDEN:
        raise LiquidInvalid(message, "Segment forbids it in mappings too")
    if name in RANDOM:
        raise LiquidInvalid(message, "An event gives the same at every attempt: choose by something the event has")
    raise LiquidInvalid(message, did_you_mean(name, FILTERS, f"There are the filters {', '.join(sorted(FILTERS))}"))


def _argument(cursor: Cursor) -> Evaluator | None:
    begin = cursor.position
    argument = value(cursor)
    if argument is None:
        return None
    key = cursor.words[begin : cursor.position].strip()
    cursor.skip_blanks()
    if not cursor.skip(":"):
        return argument
    named = value(cursor) or constant(MISSING)
    return lambda scope: [key, named(scope)]  # filters get named arguments as pairs


def _size(operand: Any) -> int:
    return len(operand) if isinstance(operand, str | list) else 1
