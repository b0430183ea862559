"""Reads the text of a workspace file into a `Workspace`, or into all its errors, each with its place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import orjson
from pydantic import ValidationError

from model.config.problems import (
    Diagnostic,
    DiagnosticSeverity,
    FieldPath,
    Violation,
    WorkspaceInvalid,
    did_you_mean,
    quoted,
)
from model.workspace import validation as workspace_rules
from model.workspace.workspace import Workspace, workspace_schema
from model.workspace.yaml_reader import Document, read_yaml

FILE_LIMIT_BYTES = 5 * 1024 * 1024
PROBLEMS_LIMIT = 500  # of each kind; a hostile file could have millions

# pydantic's error type -> message and remedy. {…} is filled from the error's context.
_MESSAGES = {
    "missing": ("this field is missing", "Add it"),
    "string_type": ("text is expected", "Write text; a number, true or false meant as text needs quotes"),
    "int_type": ("a whole number is expected", "Write digits only, without quotes"),
    "float_type": ("a number is expected", "Write digits only, without quotes"),
    "bool_type": ("true or false is expected", "Write true or false, without quotes"),
    "tuple_type": ("a list is expected", "Start each entry with '- '; leave the field out for none"),
    "dict_type": ("names and values are expected", "Write 'name: value' in each line, indented"),
    "model_type": ("names and values are expected", "Write 'name: value' in each line, indented"),
    "model_attributes_type": ("names and values are expected", "Write 'name: value' in each line, indented"),
    "literal_error": ("this value is not known", "Write {expected}"),
    "union_tag_invalid": ("this type is not known", "Write one of {expected_tags}"),
    "union_tag_not_found": (
        "field 'type' is missing",
        "Write 'type: …', such as webhook for a destination or DROP for an action of a filter",
    ),
    "too_short": ("there are too few entries", "Write at least {min_length}"),
    "string_pattern_mismatch": (
        "this is no id",
        "Use 1 to 63 lower-case letters, digits, '_' and '-', starting with a letter or digit",
    ),
    "string_too_long": ("the text is too long", "Use at most {max_length} characters"),
    "string_too_short": ("the text is empty", "Write a value, or leave the field out"),
    "too_long": ("there are too many entries", "Write at most {max_length}"),
    "greater_than": ("the number is too small", "Write more than {gt}"),
    "greater_than_equal": ("the number is too small", "Write {ge} or more"),
    "less_than_equal": ("the number is too large", "Write {le} or less"),
}


@dataclass(frozen=True, slots=True)
class ParseResult:
    """``workspace`` is None when any problem is an error."""

    workspace: Workspace | None
    problems: tuple[Diagnostic, ...]  # by line

    def valid(self) -> Workspace:
        """Return the workspace. Raises `WorkspaceInvalid`."""
        if self.workspace is None:
            raise WorkspaceInvalid(self.problems)
        return self.workspace


def read_workspace(content: bytes, *, file: str, environ: Mapping[str, str]) -> ParseResult:
    """Read a workspace. ``file`` is what problems call it; ``environ`` is what ``${NAME}`` is taken from."""
    if len(content) > FILE_LIMIT_BYTES:
        message, remedy = f"the file is over {FILE_LIMIT_BYTES} bytes", "Check that this is the workspace file"
        return ParseResult(None, (Diagnostic(file=file, message=message, remedy=remedy),))
    document = read_yaml(content, file)
    workspace = None
    if () not in document.faulty:
        workspace = _validate(document, environ)
    broken = any(problem.severity is DiagnosticSeverity.ERROR for problem in document.problems)
    problems = sorted(document.problems, key=lambda problem: (problem.line, problem.column))
    return ParseResult(None if broken else workspace, tuple(problems))


def _validate(document: Document, environ: Mapping[str, str]) -> Workspace | None:
    """Validate, and add errors to the document."""
    workspace = None
    breaches: list[Violation] = []
    try:
        # Through JSON, so that validation agrees with the published JSON Schema.
        workspace = Workspace.model_validate_json(orjson.dumps(document.data), context={"environ": environ})
    except ValidationError as error:
        breaches.extend(islice(_field_errors(error, document.data), PROBLEMS_LIMIT))
    breaches.extend(islice(workspace_rules.errors(document.data, environ), PROBLEMS_LIMIT))
    breaches.extend(islice(workspace_rules.alert_errors(document.data), PROBLEMS_LIMIT))
    if workspace and not breaches:
        breaches.extend(islice(workspace_rules.warnings(workspace), PROBLEMS_LIMIT))
    for path, message, remedy, severity in breaches:
        if path not in document.faulty:
            document.note(document.place(path), message, remedy, path, severity)
    return workspace


def _field_errors(error: ValidationError, data: Any) -> Iterator[Violation]:
    for details in error.errors(include_url=False, include_input=False):
        kind, context = details["type"], details.get("ctx", {})
        path = _path(details["loc"], data)
        if kind == "waybill":
            yield Violation(path, context["message"], context["remedy"])
        elif kind == "extra_forbidden":
            name = str(path[-1])
            known = _fields_at(path[:-1])
            remedy = did_you_mean(name, known, f"Remove it; known here: {', '.join(known)}")
            yield Violation(path, f"field {quoted(name)} is not known here", remedy)
        else:
            message, remedy = _MESSAGES.get(kind, (details["msg"], "See workspace.schema.json"))
            yield Violation(path, message, remedy.format(**context))


def _path(location: tuple[int | str, ...], data: Any) -> FieldPath:
    """Remove what pydantic adds to a path: the type of a union, and the mark of an error in a key."""
    path: list[int | str] = []
    for number, step in enumerate(location):
        last = number == len(location) - 1
        if step == "[key]" or (isinstance(step, str) and not last and isinstance(data, dict) and step not in data):
            continue
        path.append(step)
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
    return tuple(path)


def _fields_at(path: FieldPath) -> list[str]:
    """Return the fields the schema knows at a path; of every type where there are several."""
    nodes = [_schema()]
    for step in path:
        nodes = [_resolve(choice) for node in nodes for choice in _choices(node)]
        if isinstance(step, int):
            nodes = [node["items"] for node in nodes if "items" in node]
        else:
            inner = [node.get("properties", {}).get(step, node.get("additionalProperties")) for node in nodes]
            nodes = [node for node in inner if isinstance(node, dict)]
    choices = [_resolve(choice) for node in nodes for choice in _choices(node)]
    return sorted({name for choice in choices for name in choice.get("properties", {})})


def _choices(node: dict[str, Any]) -> list[dict[str, Any]]:
    node = _resolve(node)
    choices: list[dict[str, Any]] = node.get("oneOf") or node.get("anyOf") or [node]
    return choices


def _resolve(node: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref")
    return _schema()["$defs"][reference.rsplit("/", 1)[1]] if reference else node


@cache
def _schema() -> dict[str, Any]:
    return workspace_schema()
