"""FQL tokens to a syntax tree. What binds most comes first: ``!``, comparison, ``and``, ``or``.

``AND``, ``OR``, a comma for ``and``, and ``==`` are read too, with a warning: triggers Segment ships have them.
"""

import math
import re

from model.config.problems import quoted
from model.fql import syntax as tree
from model.fql.lexer import NUMBER_LIMIT_CHARS, Token, tokens
from model.fql.syntax import FqlInvalid, FqlProblem

DEPTH_LIMIT = 32  # of parentheses, lists, calls and ! inside one another

_OPERATORS = frozenset(tree.Operator)
_CONSTANTS = {"null": None, "true": True, "false": False}
_NAME = re.compile(r"(?:[^.\\]|\\.)+", re.DOTALL)


def parse(text: str) -> tuple[tree.Expression, tuple[FqlProblem, ...]]:
    """Read a statement, with warnings where its meaning may surprise. Raises FqlInvalid at the first mistake."""
    parser = _Parser(tokens(text))
    return parser.statement(), tuple(parser.warnings)


class _Parser:
    """Recursive descent; every method reads one thing and leaves the token after it next."""

    def __init__(self, found: list[Token]) -> None:
        self.warnings: list[FqlProblem] = []
        self._tokens = found
        self._index = 0
        self._depth = 0

    def statement(self) -> tree.Expression:
        if self._peek().kind == "END":
            raise FqlInvalid("the statement is empty", 'Write a condition, such as type = "track"', *self._peek().at)
        expression = self._conditions()
        if self._peek().kind != "END":
            remedy = "Join conditions with and, or; put texts between quotes"
            raise FqlInvalid(f"{quoted(self._peek().text)} is not expected here", remedy, *self._peek().at)
        return expression

    def _peek(self) -> Token:
        return self._tokens[self._index]

    def _take(self) -> Token:
        token = self._peek()
        self._index += 1
        return token

    def _accept(self, text: str) -> bool:
        """Take the next token if it is this symbol or keyword."""
        found = self._peek().text == text
        self._index += found
        return found

    def _conditions(self, *, in_list: bool = False) -> tree.Expression:
        groups = [[self._comparison()]]
        joints: list[Token] = []
        while joint := self._accept_joint(in_list):
            joints.append(joint)
            if joint.text == "or":
                groups.append([])
            groups[-1].append(self._comparison())
        mixed = next((joint for joint in joints if joint.text != joints[0].text), None)
        if mixed:
            remedy = "Put parentheses around the conditions that belong together"
            message = "and, or stand side by side without parentheses"
            self.warnings.append(FqlProblem(message, remedy, *mixed.at, ambiguous=True))
        operands = [group[0] if len(group) == 1 else tree.And(tuple(group), at=group[0].at) for group in groups]
        return operands[0] if len(operands) == 1 else tree.Or(tuple(operands), at=operands[0].at)

    def _accept_joint(self, in_list: bool) -> Token | None:
        """Take an ``and`` or ``or``, in whatever letters: no field can stand where one is possible."""
        token = self._peek()
        word = "and" if token.text == "," and not in_list else token.text.lower()
        if word not in ("and", "or"):
            return None
        self._index += 1
        if token.text != word:
            message, remedy = f"{quoted(token.text)} is read as {word}", f"Write {word} instead"
            self.warnings.append(FqlProblem(message, remedy, *token.at))
        return token._replace(text=word)

    def _comparison(self) -> tree.Expression:
        first = self._peek()
        left = self._operand()
        sign = self._peek()
        if sign.text == "==":
            self.warnings.append(FqlProblem("== is read as =", "Write a single =", *sign.at))
        elif sign.text not in _OPERATORS:
            return left
        if first.text == "!":
            remedy = "Put parentheses around the comparison, or use !="
            message = "the ! belongs to the left side alone"
            self.warnings.append(FqlProblem(message, remedy, *first.at, ambiguous=True))
        self._index += 1
        operator = tree.Operator.EQUAL if sign.text == "==" else tree.Operator(sign.text)
        return tree.Comparison(operator, left, self._operand(), at=left.at)

    def _operand(self) -> tree.Expression:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            message = f"more than {DEPTH_LIMIT} levels inside one another"
            raise FqlInvalid(message, "Take away parentheses that are not needed", *self._peek().at)
        token = self._take()
        match token.kind:
            case "PATH":
                operand = self._path_or_call(token)
            case "STRING":
                quote = token.text[0]
                operand = tree.String(token.text[1:-1].replace(quote * 2, quote), quote, at=token.at)
            case "NUMBER":
                operand = tree.Constant(_number(token), at=token.at)
            case _ if token.text in _CONSTANTS:
                operand = tree.Constant(_CONSTANTS[token.text], at=token.at)
            case _ if token.text == "!":
                operand = tree.Not(self._operand(), at=token.at)
            case _ if token.text == "(":
                operand = self._conditions()
                self._close(token, ")")
            case _ if token.text == "[":
                operand = tree.Elements(self._list(token, "]"), at=token.at)
            case _:
                found = quoted(token.text) if token.text else "the end"
                message = f"{found} stands where a field, a value or a function is needed"
                raise FqlInvalid(message, "Write the missing part, or take away what joins it", *token.at)
        self._depth -= 1
        return operand

    def _path_or_call(self, token: Token) -> tree.Expression:
        names = tuple(re.sub(r"\\(.)", r"\1", name, flags=re.DOTALL) for name in _NAME.findall(token.text))
        if self._peek().text != "(":
            return tree.Path(names, at=token.at)
        if len(names) > 1:
            raise FqlInvalid(f"{quoted(token.text)} is no name of a function", "Write it without dots", *token.at)
        return tree.FunctionCall(names[0], self._list(self._take(), ")"), at=token.at)

    def _list(self, opening: Token, closing: str) -> tuple[tree.Expression, ...]:
        items: list[tree.Expression] = []
        if self._accept(closing):
            return ()
        items.append(self._conditions(in_list=True))
        while self._accept(","):
            items.append(self._conditions(in_list=True))
        self._close(opening, closing)
        return tuple(items)

    def _close(self, opening: Token, closing: str) -> None:
        if not self._accept(closing):
            found = quoted(self._peek().text) if self._peek().text else "the end"
            message = f"{found} stands where {quoted(closing)} is needed"
            remedy = f"Close the {opening.text} of line {opening.at.line}, column {opening.at.column}"
            raise FqlInvalid(message, remedy, *self._peek().at)


def _number(token: Token) -> int | float:
    if len(token.text) > NUMBER_LIMIT_CHARS:
        message = f"a number has more than {NUMBER_LIMIT_CHARS} characters"
        raise FqlInvalid(message, "Compare it as a text", *token.at)
    if token.text.lstrip("+-").isdigit():
        return int(token.text)
    number = float(token.text)
    if not math.isfinite(number):
        raise FqlInvalid("the number is too large", "Write one below 1e308", *token.at)
    return number
