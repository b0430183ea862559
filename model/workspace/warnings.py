"""Warnings about filters and triggers: valid and probably unintended."""

from collections.abc import Iterable, Iterator

from model.config.problems import DiagnosticSeverity, FieldPath, Violation, did_you_mean, quoted
from model.fql.actions import AllowProperties, DropProperties, FilterAction, MapProperties, SampleEvents
from model.fql.field_path import EVENT_FIELDS, names_of
from model.fql.filters import compile_filter
from model.fql.syntax import FqlProblem
from model.fql.triggers import compile_trigger
from model.workspace.connections import Connection


def connection_doubts(connection: Connection, place: FieldPath) -> Iterator[Violation]:
    """Yield warnings about a valid connection; ``place`` is where it stands in the file."""
    for number, rule in enumerate(connection.filters):
        at = (*place, "filters", number)
        yield from _fql(compile_filter(rule.condition).warnings, (*at, "if"))
        for index, action in enumerate(rule.actions):
            yield from _action(action, (*at, "actions", index))
    for number, config in enumerate(connection.mappings):
        if config.trigger is not None:
            yield from _fql(compile_trigger(config.trigger).warnings, (*place, "mappings", number, "trigger"))


def _fql(problems: Iterable[FqlProblem], path: FieldPath) -> Iterator[Violation]:
    for problem in problems:
        message = f"line {problem.line}, column {problem.column}: {problem.message}"
        yield Violation(path, message, problem.remedy, DiagnosticSeverity.WARNING)


def _action(action: FilterAction, place: FieldPath) -> Iterator[Violation]:
    match action:
        case SampleEvents():
            yield from _misspelt(action.path, (*place, "path"))
        case DropProperties() | AllowProperties():
            for path, names in action.fields.items():
                yield from _misspelt(path, (*place, "fields", path))
                for number, name in enumerate(names):
                    at = (*place, "fields", path, number)
                    yield from _misspelt(name, at) if path == "" else ()
                    yield from _dotted(path, name, at, drops=isinstance(action, DropProperties))
        case MapProperties():
            for path, change in action.map.items():
                at = (*place, "map", path)
                yield from _misspelt(path, at)
                yield from _misspelt(change.copy_from, (*at, "copy"))
                yield from _misspelt(change.move_from, (*at, "move"))


def _misspelt(path: str | None, place: FieldPath) -> Iterator[Violation]:
    # Events may have other fields, so only a name close to one of Segment's gets a warning.
    for name in names_of(path or "")[:1]:
        remedy = "" if name in EVENT_FIELDS else did_you_mean(name, EVENT_FIELDS, "")
        if remedy:
            yield Violation(place, f"events usually have no field {quoted(name)}", remedy, DiagnosticSeverity.WARNING)


def _dotted(path: str, name: str, place: FieldPath, *, drops: bool) -> Iterator[Violation]:
    *way, last = names_of(name)
    if not way:
        return
    message = "the field of this name and the field at this path are both dropped"
    if not drops:
        message = "only a field with dots in its name is allowed by this"
    inner = name.removesuffix(f".{last}")
    under = f"{path}.{inner}" if path else inner
    remedy = f"Write {quoted(last)} under {quoted(under)}, or a backslash before each dot"
    yield Violation(place, message, remedy, DiagnosticSeverity.WARNING)
