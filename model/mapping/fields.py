"""The fields that a destination accepts, and the conversion of a mapping's result to them."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from model.config.problems import FieldPath, format_path
from model.events.times import iso
from model.mapping.numbers import read_number
from model.mapping.times import read_moment
from model.mapping.values import is_blank, kind, text

FieldType: TypeAlias = Literal["string", "number", "integer", "boolean", "object", "datetime", "any"]

PROBLEM_LIMIT = 100  # bounds the message for a list of ten thousand wrong items
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,19}")
_LARGEST_INTEGER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field: its type, and how values are converted to it.

    ``multiple``: a list of such values; a single one becomes a list of one. Null is left out unless ``allow_null``,
    a text without a visible character unless ``allow_empty``. ``properties`` are the fields of an object, and
    ``others`` describes all other fields; None: others are removed. Without properties every field is kept.
    A number may be a numeric text (`model.mapping.numbers`). A datetime becomes ``2026-01-31T08:00:00.000Z``.
    """

    type: FieldType = "any"
    required: bool = False
    multiple: bool = False
    allow_null: bool = False
    allow_empty: bool = False
    properties: Mapping[str, "FieldSpec"] | None = None
    others: "FieldSpec | None" = None


@dataclass(frozen=True, slots=True)
class PayloadProblem:
    """An invalid field; ``path`` is its path in the payload."""

    path: FieldPath
    message: str

    def __str__(self) -> str:
        return f"{format_path(self.path)} {self.message}"


class PayloadInvalid(ValueError):
    """The payload is invalid. The text names fields and types, never values."""

    def __init__(self, problems: Iterable[PayloadProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def finish(payload: dict[str, Any], fields: Mapping[str, FieldSpec]) -> dict[str, Any]:
    """Return the payload in the destination's format: empty values and unknown fields removed, others converted.

    Without fields, only '' at the root is removed. Raises PayloadInvalid with all problems, up to
    `PROBLEM_LIMIT` problems.
    """
    if not fields:
        return {name: value for name, value in payload.items() if value != ""}
    finishing = _Finishing()
    result = finishing.object(payload, fields, ())
    if finishing.problems:
        raise PayloadInvalid(finishing.problems)
    return result


class _Finishing:
    """Gathers what is wrong with one payload."""

    def __init__(self) -> None:
        self.problems: list[PayloadProblem] = []

    def object(
        self,
        values: dict[str, Any],
        fields: Mapping[str, FieldSpec],
        path: FieldPath,
        others: FieldSpec | None = None,
    ) -> dict[str, Any]:
        specs = fields if others is None else {name: others for name in values} | dict(fields)
        result = {}
        for name, spec in specs.items():
            if name in values and not _is_empty(values[name], spec):
                result[name] = self._field(values[name], spec, (*path, name))
            elif spec.required:
                self._problem((*path, name), "is required and is missing or empty")
        return result

    def _field(self, value: Any, spec: FieldSpec, path: FieldPath) -> Any:
        if not spec.multiple:
            return self._one(value, spec, path)
        if value is None:
            return None
        items = value if isinstance(value, list) else [value]
        return [self._one(item, spec, (*path, index)) for index, item in enumerate(items) if not _is_empty(item, spec)]

    def _one(self, value: Any, spec: FieldSpec, path: FieldPath) -> Any:
        if value is None or spec.type == "any" or (is_blank(value) and spec.allow_empty):
            return value
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        name, convert = _CONVERSIONS[spec.type]
        converted = convert(value)
        if converted is None:
            self._problem(path, f"must be {name}, not {kind(value)}{_like(value)}")
            return None
        return converted if spec.properties is None else self.object(converted, spec.properties, path, spec.others)

    def _problem(self, path: FieldPath, message: str) -> None:
        if len(self.problems) < PROBLEM_LIMIT:
            self.problems.append(PayloadProblem(path, message))


def _is_empty(value: Any, spec: FieldSpec) -> bool:
    return (value is None and not spec.allow_null) or (is_blank(value) and not spec.allow_empty)


def _like(value: Any) -> str:
    """Say why a text is refused where its kind alone would be the one that is required."""
    return " that can be read as one" if isinstance(value, str) else ""


def _integer(value: Any) -> int | None:
    # Not by way of floating point, which knows only about 16 digits of an id.
    number = int(value) if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()) else read_number(value)
    return int(number) if number is not None and number == int(number) and abs(number) <= _LARGEST_INTEGER else None


def _boolean(value: Any) -> bool | None:
    if value in ("true", "false"):
        return bool(value == "true")
    return bool(value) if value in (True, False) else None  # and 1 and 0, which are equal to them


def _datetime(value: Any) -> str | None:
    moment = read_moment(value)
    return None if moment is None else iso(moment)


# By type: its name in messages, and the conversion of a value that is not null; None when it cannot be converted.
_CONVERSIONS: Mapping[FieldType, tuple[str, Callable[[Any], Any]]] = {
    "string": ("a text", lambda value: text(value) if isinstance(value, str | bool | int | float) else None),
    "number": ("a number", read_number),
    "integer": ("a whole number", _integer),
    "boolean": ("true or false", _boolean),
    "object": ("an object", lambda value: value if isinstance(value, dict) else None),
    "datetime": ("a date (ISO 8601, or seconds or milliseconds since 1970)", _datetime),
}
