"""Error responses: what is wrong, the parameter, and what to do.

Routes that follow Segment's Public API, and paths that do not exist, answer in Segment's shape
`{"errors": [{type, message, field, status}]}`; `console.api.routing.ApiRoute` answers `{"error": message}`.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from console.alerts.rules import NoSuchRule, NotAllowed
from flows.topics.interface import TopicError
from sinks.clickhouse.store import StoreError, ViewRefused

FIELD_LIMIT_CHARS = 100  # of a parameter's name, which the caller chose
ERRORS_LIMIT = 20
_TYPES = {401: "unauthorized", 403: "forbidden", 404: "not-found", 405: "method-not-allowed", 503: "server"}


class _Response(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class RequestError(_Response):
    """One thing that is wrong."""

    type: str
    """validation, unauthorized, forbidden, not-found, method-not-allowed or server."""
    message: str
    """What is wrong and what to do."""
    field: str | None = None
    """The parameter at fault; left out when it is none of them."""
    status: int
    """The HTTP status."""


class Errors(_Response):
    """An error response in Segment's shape."""

    errors: list[RequestError]
    """All errors that were found."""


class Fault(_Response):
    """An error response."""

    error: str
    """What is wrong and what to do."""


class Refused(HTTPException):
    """A request that is answered with an error. ``field``: the parameter at fault."""

    def __init__(self, status: int, message: str, field: str | None = None) -> None:
        super().__init__(status, message, {"WWW-Authenticate": "Bearer"} if status == 401 else None)
        self.field = field


def error_response(request: Request, errors: Sequence[Refused]) -> Response:
    """Make the response, in the shape of the route that was asked."""
    status = errors[0].status_code
    content: dict[str, Any]
    if getattr(request.scope.get("route"), "segment_errors", True):
        found = [
            RequestError(type=_TYPES.get(status, "validation"), message=error.detail, field=error.field, status=status)
            for error in errors
        ]
        content = Errors(errors=found).model_dump(exclude_none=True)
    else:
        content = {"error": "\n".join(error.detail for error in errors)}
    return Response(orjson.dumps(content), status, errors[0].headers, "application/json")


async def _refused(request: Request, error: HTTPException) -> Response:
    """Answer for `Refused`, and for the router's own errors."""
    if not isinstance(error, Refused):
        if error.status_code == 405:
            allowed = ", ".join(_allowed_methods(request))
            error = Refused(405, f"use {allowed} here")
            error.headers = {"Allow": allowed}
        elif error.status_code == 404:
            error = Refused(404, "there is no such path; /api/openapi.json lists those that exist")
        else:
            error = Refused(error.status_code, error.detail)
    return error_response(request, [error])


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of every route with this path."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    """Answer for parameters and bodies that do not match their models."""
    route = request.scope["route"]
    status = 422 if route.segment_errors else 400
    problems = [_problem(problem, route) for problem in error.errors()[:ERRORS_LIMIT]]
    return error_response(request, [Refused(status, message, field) for message, field in problems])


def _problem(problem: dict[str, Any], route: APIRoute) -> tuple[str, str | None]:
    """Return the message and the field."""
    kind, place, text = problem["type"], problem["loc"][0], problem["msg"].removeprefix("Value error, ")
    path = problem["loc"][1:]
    if kind == "json_invalid":
        return f"the body is not JSON: {problem['ctx']['error']}", None
    if not path:
        return "the body must be a JSON object", None
    field = ".".join(part for step in path for part in str(step).replace("]", "").split("["))[:FIELD_LIMIT_CHARS]
    if kind == "missing":
        return f"{field} is needed", field
    if kind == "extra_forbidden":
        known = _known(route, place) if len(path) == 1 else []
        return f"{field} is not known here" + (f"; known are {', '.join(known)}" if known else ""), field
    return f"{field}: {text}", field


def _known(route: APIRoute, place: str) -> list[str]:
    """Return the names that the route's query or body can have."""
    fields = route.dependant.query_params if place == "query" else [route.body_field]
    models: list[Any] = [field.field_info.annotation for field in fields if field is not None]
    return [info.alias or name for model in models for name, info in model.model_fields.items()]


def _answering(status: int) -> Any:
    async def answer(request: Request, error: Exception) -> Response:
        return error_response(request, [Refused(status, str(error))])

    return answer


async def _value_error(request: Request, error: Exception) -> Response:
    """Answer for what a body names and is not there. Any other ValueError is a bug, whose text is not for callers."""
    if request.scope["route"].segment_errors or isinstance(error, UnicodeError | ValidationError):
        raise error
    return error_response(request, [Refused(400, str(error))])


HANDLERS: dict[Any, Any] = {
    HTTPException: _refused,
    RequestValidationError: _invalid,
    NotAllowed: _answering(403),
    NoSuchRule: _answering(404),
    ValueError: _value_error,
    ViewRefused: _answering(400),
    StoreError: _answering(503),
    TopicError: _answering(503),
}
