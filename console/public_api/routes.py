"""The paths of the public API and who answers them.

GET /delivery-overview/{step}                 the six steps of the pipeline
GET /destinations/{id}/delivery-metrics       summary of one destination
GET /trace/{messageId}                        the story of one event
GET /openapi.json                             all of this API in OpenAPI 3.1
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.data_dir import View
from console.public_api.delivery_metrics import read_metrics
from console.public_api.delivery_overview import OVERVIEW_READS, OverviewRead, read_overview
from console.public_api.errors import ErrorType, Refused, refused_parameters
from console.public_api.openapi import document
from console.public_api.parameters import MetricsParameters, Parameters
from console.public_api.periods import MetricsPeriod, usual_period
from console.public_api.query_text import read_query
from console.reports.trace import build_trace
from flows.workspace.live import CurrentWorkspace
from model.events.validation import MESSAGE_ID_LIMIT_CHARACTERS
from model.workspace.permissions import Action, Role, may
from model.workspace.workspace import Workspace
from sinks.clickhouse.store import StoreError

Given = TypeVar("Given", bound=Parameters)
RoleOf = Callable[[Request], Role | None]


class PublicApi:
    """Answers from the views, for the workspace in force; ``clock`` in Unix ms."""

    def __init__(self, view: View, live: CurrentWorkspace, role_of: RoleOf, clock: Callable[[], int]) -> None:
        self._view = view
        self._live = live
        self._role_of = role_of
        self._clock = clock

    def routes(self) -> list[Route]:
        """Return the paths."""
        reads = [
            self._route(f"/delivery-overview/{read.name}", partial(self._overview, read)) for read in OVERVIEW_READS
        ]
        return [
            *reads,
            self._route("/destinations/{destination_id}/delivery-metrics", self._metrics),
            self._route("/trace/{message_id:path}", self._trace),
            self._route("/openapi.json", lambda request: document()),
        ]

    def _route(self, path: str, answer: Callable[[Request], dict[str, Any]]) -> Route:
        async def handle(request: Request) -> Response:
            try:
                self._let_in(request)
                return _json(await run_in_threadpool(answer, request), 200)
            except Refused as refused:
                return _refusal(refused)
            except StoreError as error:
                return _refusal(Refused(ErrorType.SERVER, str(error)))

        return Route(path, handle, methods=["GET"])

    def _let_in(self, request: Request) -> None:
        role = self._role_of(request)
        if role is None:
            raise Refused(
                ErrorType.UNAUTHORIZED,
                "the token of server.json or of a user of the workspace is needed: Authorization: Bearer <token>",
            )
        if not may(role, Action.READ):
            raise Refused(ErrorType.FORBIDDEN, f"role {role} may not {Action.READ}; ask an owner")

    def _overview(self, read: OverviewRead, request: Request) -> dict[str, Any]:
        parameters = _parameters(request, read.parameters)
        _know_source(self._live.current, parameters.source_id)
        if (destination := getattr(parameters, "destination_config_id", None)) is not None:
            _kind_of(self._live.current, destination, "destinationConfigId")
        period = self._checked(MetricsPeriod(parameters.start_time, parameters.end_time, parameters.granularity))
        return read_overview(read, parameters, period, self._view, self._clock).to_json()

    def _metrics(self, request: Request) -> dict[str, Any]:
        parameters = _parameters(request, MetricsParameters)
        destination = request.path_params["destination_id"]
        kind = _kind_of(self._live.current, destination, "destinationId")
        if parameters.source_id is not None:
            _know_source(self._live.current, parameters.source_id)
        period = self._checked(
            usual_period(parameters.start_time, parameters.end_time, parameters.granularity, self._clock())
        )
        return read_metrics(self._view, parameters.source_id or "", destination, kind, period).to_json()

    def _trace(self, request: Request) -> dict[str, Any]:
        _parameters(request, Parameters)
        message_id = request.path_params["message_id"]
        if len(message_id) <= MESSAGE_ID_LIMIT_CHARACTERS:
            trace = build_trace(self._view, message_id, self._clock())
            if trace.steps:
                return {"data": {"trace": trace.to_json()}}
        raise Refused(ErrorType.NOT_FOUND, "nothing is known of this messageId", "messageId")

    def _checked(self, period: MetricsPeriod) -> MetricsPeriod:
        period.check(self._clock(), self._live.current.retention.store)
        return period


async def no_such_path(request: Request, error: Exception) -> Response:
    """Answer for paths and methods there are none of; made for exceptions of Starlette's router."""
    headers = error.headers if isinstance(error, HTTPException) else None
    if headers and "Allow" in headers:
        refused = Refused(ErrorType.METHOD, f"use {headers['Allow']} here")
    else:
        refused = Refused(ErrorType.NOT_FOUND, "there is no such path; /api/openapi.json tells which there are")
    response = _refusal(refused)
    response.headers.update(headers or {})
    return response


def _parameters(request: Request, model: type[Given]) -> Given:
    try:
        return model.model_validate(read_query(request.query_params.multi_items()))
    except ValidationError as error:
        raise refused_parameters(error, [str(f.alias or name) for name, f in model.model_fields.items()]) from None


def _know_source(workspace: Workspace, source: str) -> None:
    if source not in {known.id for known in workspace.sources}:
        raise Refused(ErrorType.NOT_FOUND, "sourceId: the workspace has no source with this id", "sourceId")


def _kind_of(workspace: Workspace, destination: str, field: str) -> str:
    for known in workspace.destinations:
        if known.id == destination:
            return known.type
    raise Refused(ErrorType.NOT_FOUND, f"{field}: the workspace has no destination with this id", field)


def _refusal(refused: Refused) -> Response:
    response = _json(refused.errors, refused.status)
    if refused.status == 401:  # noqa: PLR2004
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _json(body: BaseModel | dict[str, Any], status: int) -> Response:
    content = body.model_dump(exclude_none=True) if isinstance(body, BaseModel) else body
    return Response(orjson.dumps(content), status, media_type="application/json")
