"""The routes that follow Segment's Public API, and the trace of one event.

GET /delivery-overview/{step}                 the six steps of the pipeline
GET /destinations/{id}/delivery-metrics       summary of one destination
GET /trace/{messageId}                        the story of one event
"""

from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request

from console.api.delivery.metrics import read_metrics
from console.api.delivery.overview import OVERVIEW_READS, OverviewRead, read_overview
from console.api.delivery.parameters import MetricsParameters, OverviewParameters, Parameters, spell_query
from console.api.delivery.periods import MetricsPeriod, usual_period
from console.api.delivery.shapes import DeliveryMetricsAnswer, DeliveryOverviewAnswer, TraceAnswer
from console.api.errors import Errors, Refused
from console.api.routing import ApiRoute, faults, requires
from console.api.services import Services, ServicesOfApp
from console.reports.trace import build_trace
from model.events.validation import MESSAGE_ID_LIMIT_CHARACTERS
from model.workspace.permissions import Action


class SegmentRoute(ApiRoute):
    """A route whose query and errors are Segment's."""

    segment_errors: ClassVar[bool] = True

    def read_scope(self, request: Request) -> dict[str, Any]:
        """Return the scope with the query in one spelling."""
        query = urlencode(spell_query(request.query_params.multi_items())).encode()
        return {**super().read_scope(request), "query_string": query}


router = APIRouter(
    route_class=SegmentRoute,
    dependencies=[requires(Action.READ)],
    responses=faults(401, 403, 404, 422, 503, model=Errors),
)


def _add(read: OverviewRead) -> None:
    def overview(parameters: OverviewParameters, services: ServicesOfApp) -> DeliveryOverviewAnswer:
        _check_source(services, parameters.source_id)
        if parameters.destination_id is not None:
            _type_of(services, parameters.destination_id, "destinationConfigId")
        period = MetricsPeriod(parameters.start_time, parameters.end_time, parameters.granularity)
        period.check(services.clock(), services.deployment.workspace.retention.store)
        return read_overview(read, parameters, period, services.view, services.clock)

    overview.__annotations__["parameters"] = Annotated[read.parameters, Query()]
    router.add_api_route(
        f"/delivery-overview/{read.name}",
        overview,
        summary=read.summary,
        operation_id=read.name,
        response_model_exclude_none=True,
    )


for _read in OVERVIEW_READS:
    _add(_read)


@router.get(
    "/destinations/{destinationId}/delivery-metrics",
    summary="Summary of one destination",
    operation_id="delivery-metrics",
    response_model_exclude_none=True,
)
def delivery_metrics(
    destination: Annotated[str, Path(alias="destinationId", description="The destination's id in the workspace file.")],
    parameters: Annotated[MetricsParameters, Query()],
    services: ServicesOfApp,
) -> DeliveryMetricsAnswer:
    """What became of everything sent to a destination, and how fast it was."""
    kind = _type_of(services, destination, "destinationId")
    if parameters.source_id is not None:
        _check_source(services, parameters.source_id)
    period = usual_period(parameters.start_time, parameters.end_time, parameters.granularity, services.clock())
    period.check(services.clock(), services.deployment.workspace.retention.store)
    return read_metrics(services.view, parameters.source_id or "", destination, kind, period)


@router.get(
    "/trace/{messageId:path}",
    summary="What happened to one event",
    operation_id="trace",
    response_model=TraceAnswer,
)
def trace(
    message_id: Annotated[str, Path(alias="messageId", description="The event's messageId.")],
    nothing: Annotated[Parameters, Query()],
    services: ServicesOfApp,
) -> dict[str, Any]:
    """All steps of the events with one messageId, oldest first; times are Unix ms."""
    if len(message_id) <= MESSAGE_ID_LIMIT_CHARACTERS:
        found = build_trace(services.view, message_id, services.clock())
        if found.steps:
            return {"data": {"trace": found.to_json()}}
    raise Refused(404, "nothing is known of this messageId", "messageId")


def _check_source(services: Services, source: str) -> None:
    if source not in {known.id for known in services.deployment.workspace.sources}:
        raise Refused(404, "sourceId: the workspace has no source with this id", "sourceId")


def _type_of(services: Services, destination: str, field: str) -> str:
    for known in services.deployment.workspace.destinations:
        if known.id == destination:
            return known.type
    raise Refused(404, f"{field}: the workspace has no destination with this id", field)
