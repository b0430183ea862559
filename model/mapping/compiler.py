"""Turns the parts of a mapping into closures and gathers everything wrong with them.

A part is a directive (an object with one ``@name`` key), another object or a list (whose values are parts), or a plain
value.
"""

from collections.abc import Callable, Mapping, Set
from typing import Any, TypeAlias

from model.config.problems import FieldPath, did_you_mean, quoted
from model.mapping.errors import MappingProblem
from model.mapping.paths import Resolver
from model.mapping.values import kind

Directive: TypeAlias = Callable[
    ["Compiler", Any, FieldPath], Resolver
]  # takes the value of the directive's key, and its path

DEPTH_LIMIT = 48  # far below Python's recursion limit
_NOTES = "_metadata"  # added by Segment's editor
_PLAIN_TYPES = (str, int, float, bool, type(None))


class Compiler:
    """One compilation. Methods never raise: they record problems, and resolvers are used only if there are none."""

    def __init__(self, directives: Mapping[str, Directive]) -> None:
        self.problems: list[MappingProblem] = []
        self._directives = directives

    def problem(self, path: FieldPath, message: str, remedy: str) -> None:
        """Record a problem at a path."""
        self.problems.append(MappingProblem(path, message, remedy))

    def resolver(self, raw: Any, path: FieldPath) -> Resolver:
        """Compile any part of a mapping."""
        if len(path) > DEPTH_LIMIT:
            self.problem(path, f"more than {DEPTH_LIMIT} levels inside one another", "Make the mapping flatter")
        elif is_directive(raw):
            return self._directive(raw, path)
        elif isinstance(raw, dict):
            return self.object(raw, path)
        elif isinstance(raw, list):
            return self._list(raw, path)
        elif not isinstance(raw, _PLAIN_TYPES):
            self.problem(path, "this is no JSON value", "Use texts, numbers, true, false, null, lists and objects")
        return constant(raw)

    def object(self, raw: dict[Any, Any], path: FieldPath) -> Resolver:
        """Compile an object that is no directive.

        A field without a value stays MISSING until the result is copied: in `@merge` it hides fields of other objects.
        """
        fields = []
        for name, inner in raw.items():
            if isinstance(name, str):
                fields.append((name, self.resolver(inner, (*path, name))))
            else:
                self.problem(path, f"the name of a field is {kind(name)}, not a text", "Put it in quotes")

        def resolve(payload: Any) -> dict[str, Any]:
            return {name: resolver(payload) for name, resolver in fields}

        return resolve

    def options(
        self, raw: Any, path: FieldPath, *, required: Set[str] = frozenset(), optional: Set[str] = frozenset()
    ) -> dict[str, Any]:
        """Return the options of a directive, empty when there is no object; a missing option is reported once."""
        known = sorted(required | optional)
        listed = ", ".join(known)
        if not isinstance(raw, dict) or is_directive(raw):
            self.problem(path, f"takes an object of options, not {_written(raw)}", f"Its options are {listed}")
            return {}
        for name in sorted(required - raw.keys()):
            self.problem(path, f"option {name} is not given", f"Its options are {listed}")
        for name in map(str, raw):
            if name not in known:
                remedy = did_you_mean(name, known, f"Its options are {listed}")
                self.problem((*path, name), f"there is no option {quoted(name)}", remedy)
        return raw

    def choice(self, options: dict[str, Any], name: str, path: FieldPath, allowed: tuple[str, ...]) -> str:
        """Return an option that is one of a few words; `options` has reported one that is missing."""
        value = options.get(name)
        if name in options and value not in allowed:
            words = " or ".join(allowed)
            self.problem((*path, name), f"must be {words}", f"Write {words} in lower case")
        return value if isinstance(value, str) else ""

    def flag(self, options: dict[str, Any], name: str, path: FieldPath, *, default: bool) -> bool:
        """Return an option that is true or false."""
        value = options.get(name, default)
        if not isinstance(value, bool):
            self.problem((*path, name), f"must be true or false, not {kind(value)}", "Write true or false")
        return bool(value)

    def text(self, raw: Any, path: FieldPath, *, shortest: int, longest: int) -> str:
        """Return a text of a length within limits, in characters."""
        if isinstance(raw, str) and shortest <= len(raw) <= longest:
            return raw
        found = f"one of {len(raw)}" if isinstance(raw, str) else _written(raw)
        limits = f"{shortest} to {longest} characters"
        self.problem(path, f"must be a text of {limits}, not {found}", f"Write a text of {limits}")
        return ""

    def _list(self, raw: list[Any], path: FieldPath) -> Resolver:
        items = [self.resolver(inner, (*path, index)) for index, inner in enumerate(raw)]

        return lambda payload: [item(payload) for item in items]

    def _directive(self, raw: dict[Any, Any], path: FieldPath) -> Resolver:
        names = [name for name in raw if _names_directive(name)]
        beside = [str(name) for name in raw if not _names_directive(name) and name != _NOTES]
        if beside:
            message = f"field {quoted(beside[0])} stands beside directive {quoted(names[0])}"
            self.problem(path, message, "Keep the directive or the fields, or join them with @merge")
        if len(names) > 1:
            message = f"two directives in one object: {quoted(names[0])} and {quoted(names[1])}"
            self.problem(path, message, "Keep one of them")
        return [self._named(name, raw[name], (*path, name)) for name in names][0]

    def _named(self, name: str, raw: Any, path: FieldPath) -> Resolver:
        directive = self._directives.get(name)
        if directive is None:
            remedy = did_you_mean(name, self._directives, f"There are {', '.join(self._directives)}")
            self.problem(path, f"there is no directive {quoted(name)}", remedy)
            return constant(None)
        return directive(self, raw, path)


def is_directive(raw: Any) -> bool:
    """Whether a part is written as a directive, valid or not."""
    return isinstance(raw, dict) and any(map(_names_directive, raw))


def constant(value: Any) -> Resolver:
    """A resolver that returns the same value for every event."""
    return lambda payload: value


def _names_directive(name: Any) -> bool:
    return isinstance(name, str) and name.startswith("@")


def _written(raw: Any) -> str:
    return "a directive" if is_directive(raw) else kind(raw)
