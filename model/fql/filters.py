"""Destination filters: FQL over a whole event, strict about types. What is missing is null.

A condition holds only when its value is literally true, so a statement such as ``event`` never matches.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

from model.config.problems import did_you_mean, quoted
from model.fql import functions
from model.fql import syntax as tree
from model.fql.field_path import EVENT_FIELDS, Event, Reader, reader
from model.fql.glob import LIMIT_CHARS, compile_glob
from model.fql.parser import parse
from model.fql.syntax import FqlInvalid, FqlProblem

ALL = "all"  # the whole text of a filter for every event

_TEXT_FIELDS = ("type", "event", "name", "userId", "anonymousId", "groupId", "previousId", "messageId")

Condition: TypeAlias = Callable[[Event], bool]


@dataclass(frozen=True, slots=True)
class CompiledCondition:
    """A filter or trigger ready for any number of events; ``matches`` never raises on JSON."""

    matches: Condition
    warnings: tuple[FqlProblem, ...] = ()


def compile_filter(text: str) -> CompiledCondition:
    """Compile the text of a filter. Raises FqlInvalid."""
    if text.strip() == ALL:
        return CompiledCondition(lambda event: True)
    expression, warnings = parse(text)
    compiler = _FilterCompiler()
    return CompiledCondition(compiler.condition(expression), (*warnings, *compiler.warnings))


class _FilterCompiler:
    """Turns each node into a closure over the closures of its parts."""

    def __init__(self) -> None:
        self.warnings: list[FqlProblem] = []

    def condition(self, expression: tree.Expression) -> Condition:
        match expression:
            case tree.And(operands):
                return all_of([self.condition(operand) for operand in operands])
            case tree.Or(operands):
                return any_of([self.condition(operand) for operand in operands])
            case tree.Not(operand):
                holds = self.condition(operand)
                return lambda event: not holds(event)
            case tree.Comparison(tree.Operator.EQUAL, left, right):
                return self._equality(left, right)
            case tree.Comparison(tree.Operator.NOT_EQUAL, left, right):
                same = self._equality(left, right)
                return lambda event: not same(event)
            case tree.Comparison(tree.Operator.IN, left, tree.Elements(items)) if all(map(_is_string, items)):
                # In a set: comparing with one text after the other takes longer.
                value, texts = self._value(left), frozenset(item.value for item in items if _is_string(item))
                return lambda event: isinstance(found := value(event), str) and found in texts
            case tree.Comparison(tree.Operator.IN, left, right):
                value, elements = self._value(left), self._value(right)
                return lambda event: functions.element_of(value(event), elements(event))
            case tree.Comparison(sign, left, right):
                return _order(functions.COMPARISONS[sign], self._value(left), self._value(right))
            case _:
                value = self._value(expression)
                return lambda event: value(event) is True

    def _value(self, expression: tree.Expression) -> Reader:
        match expression:
            case tree.Path(names):
                return reader(names)
            case tree.String(text, _):
                return lambda event: text
            case tree.Constant(constant):
                return lambda event: constant
            case tree.Elements(items):
                values = [self._value(item) for item in items]
                return lambda event: [value(event) for value in values]
            case tree.FunctionCall():
                return self._call(expression)
            case _:
                return self.condition(expression)

    def _call(self, call: tree.FunctionCall) -> Reader:
        count, function = functions.FUNCTIONS.get(call.function, (0, None))
        if function is None or len(call.arguments) != count:
            raise _uncallable(call)
        first, *others = [self._value(argument) for argument in call.arguments]
        if call.function == "match" and isinstance(call.arguments[1], tree.String):
            return self._match(first, call.arguments[1])
        match others:
            case []:
                return lambda event: function(first(event))
            case [second]:
                return lambda event: function(first(event), second(event))
            case _:
                return lambda event: function(first(event), *[other(event) for other in others])

    def _match(self, text: Reader, pattern: tree.String) -> Condition:
        matches = compile_glob(pattern.value)
        if matches is None:
            remedy = f"Close every [ with ], and write at most {LIMIT_CHARS} characters"
            self.warnings.append(FqlProblem("this pattern is malformed and never matches", remedy, *pattern.at))
            return lambda event: False
        return lambda event: isinstance(value := text(event), str) and matches(value)

    def _equality(self, left: tree.Expression, right: tree.Expression) -> Condition:
        if isinstance(left, tree.String | tree.Constant):
            left, right = right, left
        self._doubt(left, right)
        value = self._value(left)
        match right:
            case tree.String(text, _):
                return lambda event: bool(value(event) == text)
            case tree.Constant(bool() | None as constant):
                return lambda event: value(event) is constant
            case _:
                other = self._value(right)
                return lambda event: functions.equal(value(event), other(event))

    def _doubt(self, left: tree.Expression, right: tree.Expression) -> None:
        """Warn about comparisons that are never true: such a filter would silently let all events pass."""
        match left, right:
            case tree.Path(), tree.Path((word,)) if word not in EVENT_FIELDS:
                message = f"{quoted(word)} without quotes is a field of the event"
                self.warnings.append(FqlProblem(message, "Put quotes around it if a text is meant", *right.at))
            case tree.Path((name,)), tree.Constant(bool() | int() | float()) if name in _TEXT_FIELDS:
                message = f"{name} holds a text, which equals no number, true or false"
                self.warnings.append(FqlProblem(message, "Put quotes around the value", *right.at))


def all_of(conditions: list[Condition]) -> Condition:
    """Join two or more conditions that must all hold."""
    if len(conditions) == 2:  # nearly always, and calling both here is twice as fast as a loop
        first, second = conditions
        return lambda event: first(event) and second(event)
    return lambda event: all(holds(event) for holds in conditions)


def any_of(conditions: list[Condition]) -> Condition:
    """Join two or more conditions of which one must hold."""
    return lambda event: any(holds(event) for holds in conditions)


def _order(compare: Callable[[Any, Any], bool], left: Reader, right: Reader) -> Condition:
    def holds(event: Event) -> bool:
        one, other = left(event), right(event)
        return functions.is_number(one) and functions.is_number(other) and compare(one, other)

    return holds


def _is_string(expression: tree.Expression) -> TypeGuard[tree.String]:
    return isinstance(expression, tree.String)


def _uncallable(call: tree.FunctionCall) -> FqlInvalid:
    known = functions.FUNCTIONS
    if call.function not in known:
        remedy = did_you_mean(call.function, known, f"The functions are {', '.join(sorted(known))}")
        return FqlInvalid(f"there is no function {quoted(call.function)}", remedy, *call.at)
    message = f"{call.function} is given {len(call.arguments)} values"
    return FqlInvalid(message, f"Give it {known[call.function][0]}, with commas between them", *call.at)
