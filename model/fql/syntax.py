"""The syntax tree of FQL, and what can be wrong with a text.

Equality of trees ignores positions.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

KEYWORDS = frozenset({"and", "or", "in", "null", "true", "false"})


class TextPosition(NamedTuple):
    """A place in a text, both counted from 1."""

    line: int
    column: int


class FqlProblem(NamedTuple):
    """Valid syntax that is better written differently; ``line`` and ``column`` count from 1.

    ``ambiguous``: it can be read in two ways, and the author may have meant the other one.
    """

    message: str
    remedy: str
    line: int
    column: int
    ambiguous: bool = False


class FqlInvalid(ValueError):
    """The text cannot be used; ``line`` and ``column`` count from 1."""

    def __init__(self, message: str, remedy: str, line: int, column: int) -> None:
        self.message = message
        self.remedy = remedy
        self.line = line
        self.column = column
        end = "" if remedy.endswith("?") else "."
        super().__init__(f"line {line}, column {column}: {message}. {remedy}{end}")


class Operator(StrEnum):
    """The operator of a comparison."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="
    IN = "in"


@dataclass(frozen=True, slots=True)
class Node:
    """Anything in the tree, with the place where it begins."""

    at: TextPosition = field(default=TextPosition(1, 1), compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Path(Node):
    """A field of the event: the names from its root, at least one, none empty."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class String(Node):
    """A text and the quotes around it (``'`` or ``"``), which triggers tell apart."""

    value: str
    quote: str


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A number, true, false or null."""

    value: bool | int | float | None


@dataclass(frozen=True, slots=True)
class Elements(Node):
    """A list written out: ``['a', 'b']``."""

    items: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class FunctionCall(Node):
    """A function and its arguments; compilers check whether it exists."""

    function: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    """``!operand``."""

    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """``left operator right``."""

    operator: Operator
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class And(Node):
    """Two or more operands joined by ``and``; parentheses make a nested node."""

    operands: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """Two or more operands joined by ``or``."""

    operands: tuple["Expression", ...]


Expression: TypeAlias = Path | String | Constant | Elements | FunctionCall | Not | Comparison | And | Or
