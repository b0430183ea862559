"""Mapping triggers: the part of FQL that decides whether a mapping applies to an event, with Segment's semantics.

A condition is one field against one value written out. What is missing differs from every text, and satisfies nothing
else: ``!contains`` and ``!match`` too need a string. Only double quotes delimit; single quotes belong to the text.

``type``, ``event``, ``name`` and ``userId`` hold texts: a value that is no text is compared as one (``userId = 123`` as
``"123"``). Fields inside an object are looked up as in mappings, so ``properties.list.length`` is a number.
"""

import re
from collections.abc import Callable
from typing import Any

from model.config.problems import did_you_mean, quoted
from model.fql import syntax as tree
from model.fql.field_path import Event, Reader, reader
from model.fql.filters import CompiledCondition, Condition, all_of, any_of
from model.fql.functions import COMPARISONS, is_number
from model.fql.parser import parse
from model.fql.syntax import FqlInvalid, FqlProblem, TextPosition
from model.mapping.paths import reader_of
from model.mapping.values import MISSING
from model.mapping.values import text as as_text

_FIELDS = ("type", "event", "name", "userId")
_OBJECTS = ("properties", "traits", "context")
# Characters that are special in globs must be escaped, so that no pattern is silently read as plain text.
_LITERAL = r"((?:[^*?\[\\]|\\[*?\[\]\\])*+)"
_PREFIX = re.compile(_LITERAL + r"\*", re.DOTALL)
_SUFFIX = re.compile(r"\*" + _LITERAL, re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_WITHOUT_BRACKETS = re.compile(r"[^\[\]]+")
_EQUALITIES = (tree.Operator.EQUAL, tree.Operator.NOT_EQUAL)


def compile_trigger(text: str) -> CompiledCondition:
    """Compile the text of a trigger. Raises FqlInvalid, also where ``and``, ``or`` are mixed without parentheses."""
    expression, warnings = parse(text)
    for message, remedy, line, column, ambiguous in warnings:
        if ambiguous:
            raise FqlInvalid(message, remedy, line, column)
    compiler = _TriggerCompiler()
    return CompiledCondition(compiler.condition(expression), (*warnings, *compiler.warnings))


class _TriggerCompiler:
    def __init__(self) -> None:
        self.warnings: list[FqlProblem] = []

    def condition(self, expression: tree.Expression) -> Condition:
        match expression:
            case tree.And(operands):
                return all_of([self.condition(operand) for operand in operands])
            case tree.Or(operands):
                return any_of([self.condition(operand) for operand in operands])
            case tree.Comparison():
                return self._comparison(expression)
            case tree.FunctionCall():
                return self._call(expression, negated=False)
            case tree.Not(tree.FunctionCall() as call):
                return self._call(call, negated=True)
            case tree.Not():
                remedy = "Use != for a comparison, = false for a field"
                raise FqlInvalid("in triggers ! is allowed only before contains and match", remedy, *expression.at)
            case _:
                message = "this alone is no condition"
                raise FqlInvalid(message, 'Compare a field with a value, such as type = "track"', *expression.at)

    def _comparison(self, comparison: tree.Comparison) -> Condition:
        sign, value = comparison.operator, _field(comparison.left)
        expected = self._expected(comparison)
        if sign is tree.Operator.IN:
            remedy = 'Write one comparison for each value: (event = "A" or event = "B")'
            raise FqlInvalid("triggers know no in", remedy, *comparison.right.at)
        match expected, sign:
            case tree.String(), tree.Operator.EQUAL:
                text = self._text(expected)
                return lambda event: value(event) == text
            case tree.String(), tree.Operator.NOT_EQUAL:
                text = self._text(expected)
                return lambda event: value(event) != text
            case tree.Constant(None), tree.Operator.EQUAL:
                return lambda event: value(event) is None
            case tree.Constant(None), tree.Operator.NOT_EQUAL:
                return lambda event: value(event) is not None
            case tree.Constant(bool() as truth), tree.Operator.EQUAL:
                return lambda event: value(event) is truth
            case tree.Constant(int() | float() as number), _ if is_number(number):
                return _on_numbers(COMPARISONS[sign], value, number)
            case tree.Constant(bool()), tree.Operator.NOT_EQUAL:
                remedy = "Say with = true, = false and = null what is meant"
                raise FqlInvalid("in triggers true and false go with = only", remedy, *expected.at)
            case ((tree.String() | tree.Constant()), _):
                remedy = "Write a number without quotes, or use = or !="
                raise FqlInvalid(f"{sign} compares numbers only", remedy, *expected.at)
            case _:
                remedy = "Put texts between double quotes"
                raise FqlInvalid("a field is compared with a text, a number, true, false or null", remedy, *expected.at)

    def _expected(self, comparison: tree.Comparison) -> tree.Expression:
        """Return the compared value; a value that Segment reads as text becomes text, with a warning."""
        sign, expected = comparison.operator, comparison.right
        match comparison.left, expected:
            case tree.Path(), tree.Path() as word if sign in _EQUALITIES and not _is_field(word):
                return self._word(word)
            case tree.Path((name,)), tree.Constant(value) if sign in _EQUALITIES and name in _FIELDS:
                if not _is_asked_of_texts(name, sign, value):
                    return self._constant_as_text(f"{name} {sign}", expected)
        return expected

    def _constant_as_text(self, compared: str, constant: tree.Constant) -> tree.String:
        text = "null" if constant.value is None else as_text(constant.value)
        remedy = f'Write {compared} "{text}"'
        if constant.value is None:
            remedy += " if that is meant; a filter can ask whether the field is missing"
        self._warn(f'Segment compares this field with the text "{text}"', remedy, constant.at)
        return tree.String(text, '"', at=constant.at)

    def _word(self, word: tree.Path) -> tree.String:
        text = ".".join(word.names)
        remedy = "Put it between double quotes"
        if text.lower() in ("true", "false", "null"):
            remedy = f"Write {text.lower()} in small letters, or put it between double quotes if the text is meant"
        self._warn(f"{quoted(text)} without quotes is read as a text", remedy, word.at)
        return tree.String(text, '"', at=word.at)

    def _call(self, call: tree.FunctionCall, *, negated: bool) -> Condition:
        if call.function not in ("contains", "match"):
            remedy = did_you_mean(call.function, ("contains", "match"), "Only contains and match are there")
            raise FqlInvalid(f"triggers know no function {quoted(call.function)}", remedy, *call.at)
        match call.arguments:
            case (field, tree.String() as text):
                value = _field(field)
            case (field, tree.Path() as word) if call.function == "contains" and not _is_field(word):
                value, text = _field(field), self._word(word)
            case _:
                remedy = f'Write {call.function}(field, "text")'
                raise FqlInvalid(f"{call.function} takes a field and a text between quotes", remedy, *call.at)
        fits = self._containing(text) if call.function == "contains" else _at_one_end(text)

        def holds(event: Event) -> bool:
            found = value(event)
            return isinstance(found, str) and fits(found) is not negated

        return holds

    def _containing(self, part: tree.String) -> Callable[[str], bool]:
        text = self._text(part)
        return lambda found: text in found

    def _text(self, literal: tree.String) -> str:
        if literal.quote == '"':
            return literal.value
        remedy = "Use double quotes, unless the quotes are meant"
        self._warn("in triggers single quotes are part of the text", remedy, literal.at)
        return f"'{literal.value}'"

    def _warn(self, message: str, remedy: str, at: TextPosition) -> None:
        self.warnings.append(FqlProblem(message, remedy, *at))


def _field(expression: tree.Expression) -> Reader:
    match expression:
        case tree.Path((name,)) if name in _FIELDS:
            return reader((name,))
        case tree.Path((name, _, *_) as names) if name in _OBJECTS:
            return _inside(names)
        case tree.Path((name, *rest)):
            known = ", ".join((*_FIELDS, *(f"{name}.…" for name in _OBJECTS)))
            remedy = f"The fields are {known}"
            if not (name in _OBJECTS or rest and name in _FIELDS):
                remedy = did_you_mean(name, (*_FIELDS, *_OBJECTS), remedy)
            message = f"triggers know no field {quoted('.'.join((name, *rest)))}"
            raise FqlInvalid(message, remedy, *expression.at)
    raise FqlInvalid("a condition begins with a field", 'Write it first, such as type = "track"', *expression.at)


def _inside(names: tuple[str, ...]) -> Reader:
    """Compile a path into an object. Segment's editor writes ``list[0]`` as ``list\\[0\\]``, so brackets part names."""
    read = reader_of(part for name in names for part in _WITHOUT_BRACKETS.findall(name))

    def value(event: Event) -> Any:
        found = read(event)
        return None if found is MISSING else found

    return value


def _is_field(path: tree.Path) -> bool:
    return path.names[0] in _FIELDS or path.names[0] in _OBJECTS


def _is_asked_of_texts(name: str, sign: tree.Operator, value: bool | int | float | None) -> bool:
    """Whether Segment compares this text field with a constant of this type without converting it."""
    if value is None:
        return name in ("name", "userId")
    return isinstance(value, bool) and name == "userId" and sign is tree.Operator.EQUAL


def _on_numbers(compare: Callable[[Any, Any], bool], value: Reader, expected: int | float) -> Condition:
    def holds(event: Event) -> bool:
        found = value(event)
        return is_number(found) and compare(found, expected)

    return holds


def _at_one_end(pattern: tree.String) -> Callable[[str], bool]:
    """Compile the two kinds of glob there are: ``text*`` and ``*text``."""
    if pattern.quote != '"':
        raise FqlInvalid(
            "match takes its pattern between double quotes", "Take them instead of single ones", *pattern.at
        )
    if found := _PREFIX.fullmatch(pattern.value):
        prefix = _ESCAPED.sub(r"\1", found[1])
        return lambda text: text.startswith(prefix)
    if found := _SUFFIX.fullmatch(pattern.value):
        suffix = _ESCAPED.sub(r"\1", found[1])
        return lambda text: text.endswith(suffix)
    remedy = 'Write "text*" or "*text" with a \\ before any other * ? [ ] \\ in it; else use = or contains'
    raise FqlInvalid("in triggers a pattern is a text with one * before or behind it", remedy, *pattern.at)
