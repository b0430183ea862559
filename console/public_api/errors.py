"""What a caller is told when something is wrong: Segment's shape of errors, with the place and the remedy."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

FIELD_LIMIT_CHARS = 100  # of a parameter's name, which the caller chose
ERRORS_LIMIT = 20


class ErrorType(StrEnum):
    """What kind of thing is wrong."""

    VALIDATION = "validation"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    METHOD = "method-not-allowed"
    SERVER = "server"


STATUSES = {
    ErrorType.VALIDATION: 422,
    ErrorType.UNAUTHORIZED: 401,
    ErrorType.FORBIDDEN: 403,
    ErrorType.NOT_FOUND: 404,
    ErrorType.METHOD: 405,
    ErrorType.SERVER: 503,
}


class RequestError(BaseModel):
    """One thing that is wrong."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    type: ErrorType
    """What kind of thing."""
    message: str
    """What is wrong and what to do."""
    field: str | None = None
    """The parameter at fault; left out when it is none of them."""
    status: int
    """The HTTP status."""


class Errors(BaseModel):
    """The answer to a request that cannot be fulfilled."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    errors: list[RequestError]
    """All that is wrong, as far as it was looked at."""


class Refused(Exception):
    """A request that cannot be fulfilled."""

    def __init__(self, kind: ErrorType, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.errors = Errors(errors=[RequestError(type=kind, message=message, field=field, status=STATUSES[kind])])

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.errors.errors[0].status


def refused_parameters(error: ValidationError, known: Sequence[str]) -> Refused:
    """Tell what is wrong with parameters; ``known``: those there are."""
    found = [
        RequestError(
            type=ErrorType.VALIDATION,
            message=_message(problem["type"], problem["msg"], problem["loc"], known),
            field=_field(problem["loc"]),
            status=STATUSES[ErrorType.VALIDATION],
        )
        for problem in error.errors(include_url=False, include_input=False, include_context=False)[:ERRORS_LIMIT]
    ]
    refused = Refused(ErrorType.VALIDATION, found[0].message)
    refused.errors = Errors(errors=found)
    return refused


def _field(place: tuple[int | str, ...]) -> str:
    return ".".join(map(str, place))[:FIELD_LIMIT_CHARS]


def _message(kind: str, message: str, place: tuple[Any, ...], known: Sequence[str]) -> str:
    if kind == "missing":
        return f"{_field(place)} is needed"
    if kind == "extra_forbidden":
        of = f"; known are {', '.join(known)}" if len(place) == 1 else ""
        return f"{_field(place)} is not known here{of}"
    return f"{_field(place)}: {message.removeprefix('Value error, ')}"
