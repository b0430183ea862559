"""Values in Liquid templates: nil, empty and blank, comparisons, properties, and the scope of names.

Missing is JavaScript's undefined, None the null of an event. Both are nil to most of Liquid, but not to comparisons.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from inspect import Parameter, signature
from typing import Any

from model.mapping import javascript as js
from model.mapping.values import MISSING

LIMIT_CHARS = 100_000  # of any text, items of any list: more than an event has
EFFORT_LIMIT = 10 * LIMIT_CHARS  # characters and items that all filters of one rendering may read


class LiquidFailed(ValueError):
    """A template failed; the text contains nothing of the event."""


class Word(Enum):
    """The literals with special rules of comparison."""

    NIL = "nil"
    EMPTY = "empty"
    BLANK = "blank"


LITERALS: Mapping[str, Any] = {
    "true": True,
    "false": False,
    "nil": Word.NIL,
    "null": Word.NIL,
    "empty": Word.EMPTY,
    "blank": Word.BLANK,
}


class Scope:
    """The variables of one rendering, and its remaining effort."""

    def __init__(self, payload: Any) -> None:
        self.payload = payload if payload is not None and payload is not MISSING else {}
        self.assigned: dict[str, Any] = {}
        self.blocks = 0  # block tags around what is rendered
        self.counters: dict[str, Any] = {}
        self.cycles: dict[tuple[str, int], int] = {}
        self.is_stopped = False  # by break or continue, which end a template that has no loop
        self._effort_left = EFFORT_LIMIT

    def charge(self, effort: float) -> None:
        """Count characters or items that were read or made. Raises LiquidFailed when they are too many."""
        self._effort_left -= max(0, int(effort))
        if self._effort_left < 0:
            raise LiquidFailed(f"the template makes more than {EFFORT_LIMIT} characters or items on its way")

    def field(self, name: str) -> Any:
        """Return a field of the event itself."""
        return own(self.payload, name)

    def lookup(self, path: list[Any]) -> Any:
        """Return the value at a path that begins with a name."""
        name = js.to_string(path[0])
        if self.blocks and name == "block":
            return value_at({}, path[1:])
        if name in self.assigned:
            return value_at(self.assigned, path)
        if name in self.counters:
            return value_at(self.counters, path)
        return value_at(self.payload if _has(self.payload, name) else {}, path)


def arity(function: Callable[..., Any]) -> int | None:
    """Return how many arguments a function takes; None for any number."""
    parameters = signature(function).parameters.values()
    takes_any = any(parameter.kind is Parameter.VAR_POSITIONAL for parameter in parameters)
    return None if takes_any else len(parameters)


def filter_of(
    function: Callable[..., Any], convert: Callable[[Any], Any], convert_argument: Callable[[Any], Any] | None = None
) -> Callable[..., Any]:
    """Make a filter of a function of a converted value; arguments that the function does not take are dropped."""
    taken = arity(function)

    def apply(scope: Scope, *given: Any) -> Any:
        value, *arguments = given[:taken]
        return function(convert(value), *(map(convert_argument, arguments) if convert_argument else arguments))

    return apply


def of_texts(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a filter of a function of texts: its value and arguments as templates show them."""
    return filter_of(function, liquid_text, liquid_text)


def limited(value: Any) -> Any:
    """Return a value that was made. Raises LiquidFailed when it is too large."""
    if isinstance(value, str | list) and len(value) > LIMIT_CHARS:
        raise LiquidFailed(f"makes more than {LIMIT_CHARS} characters or items")
    return value


def plain(value: Any) -> Any:
    """Return a value without Liquid's words: null for nil, '' for empty and blank."""
    if isinstance(value, Word):
        return None if value is Word.NIL else ""
    return value


def is_nil(value: Any) -> bool:
    """Say whether a value is null or missing."""
    return value is None or value is MISSING or value is Word.NIL


def is_false(value: Any) -> bool:
    """Say whether a condition does not hold; 0 and '' are true."""
    return value is False or is_nil(value)


def liquid_text(value: Any) -> str:
    """Write a value as templates show it: lists without anything between their items, nil as ''."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(liquid_text, value))
    value = plain(value)
    return "" if is_nil(value) else js.to_string(value)


def equals(left: Any, right: Any) -> bool:
    """``==``: values of different kinds differ, lists are compared item by item, objects are equal to themselves."""
    if isinstance(left, Word):
        return _equals_word(left, right)
    if isinstance(right, Word):
        return _equals_word(right, left)
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(equals, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return left is right


def contains(left: Any, right: Any) -> bool:
    """``contains``: whether a list has an item, or a text a part."""
    left = plain(left)
    if isinstance(left, list):
        return any(equals(item, right) for item in left)
    return isinstance(left, str) and js.to_string(plain(right)) in left


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        return not isinstance(left, Word) and not isinstance(right, Word) and holds(left, right)

    return compare


BINARY: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": equals,
    "!=": lambda left, right: not equals(left, right),
    "<": _ordered(lambda left, right: js.precedes(left, right) is True),
    ">": _ordered(lambda left, right: js.precedes(right, left) is True),
    "<=": _ordered(lambda left, right: js.precedes(right, left) is False),
    ">=": _ordered(lambda left, right: js.precedes(left, right) is False),
    "contains": contains,
    "and": lambda left, right: not is_false(left) and not is_false(right),
    "or": lambda left, right: not is_false(left) or not is_false(right),
}


def value_at(value: Any, path: list[Any]) -> Any:
    """Follow names and positions from a value; past nil the value is nil."""
    for step in path:
        value = _property(value, step)
    return value


def _property(value: Any, step: Any) -> Any:
    if value is None or value is MISSING:
        return value
    step = plain(step)
    if isinstance(value, list) and isinstance(step, int | float) and not isinstance(step, bool):
        return _item(value, step + len(value) if step < 0 else step)
    name = js.to_string(step)
    found = own(value, name)
    if found is not MISSING:
        return found
    if name == "size":
        if isinstance(value, dict):
            return len(value)
        return js.length(value) if isinstance(value, str) else len(value) if isinstance(value, list) else MISSING
    if isinstance(value, list) and value and name in ("first", "last"):
        return value[0 if name == "first" else -1]
    return MISSING


def own(value: Any, name: str) -> Any:
    """Return what JavaScript keeps under a name: fields of objects, items and lengths of lists and texts."""
    if isinstance(value, dict):
        return value.get(name, MISSING)
    if isinstance(value, str | list):
        if name == "length":
            return js.length(value) if isinstance(value, str) else len(value)
        if name.isascii() and name.isdigit() and str(int(name[:10])) == name:
            return _item(js.units(value) if isinstance(value, str) else value, int(name))
    return MISSING


def _has(value: Any, name: str) -> bool:
    return own(value, name) is not MISSING or (isinstance(value, dict) and name in value)


def _item(value: Any, position: float) -> Any:
    if 0 <= position < len(value) and position == int(position):
        return value[int(position)]
    return MISSING


def _equals_word(word: Word, value: Any) -> bool:
    if word is Word.NIL:
        return is_nil(value)
    if isinstance(value, Word):
        return word is Word.BLANK and value is Word.NIL
    if isinstance(value, str):
        return value == "" or (word is Word.BLANK and not value.strip(js.SPACES))
    if isinstance(value, dict | list):
        return not value
    return word is Word.BLANK and is_false(value)
