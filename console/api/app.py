"""The API as one FastAPI application, to be mounted at /api; its OpenAPI document describes all of it."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp, Receive, Scope, Send

from console.alerts.rules import Outdated
from console.api import alerts, event_tester, views
from console.api.delivery import routes as delivery
from console.api.delivery.routes import SegmentRoute
from console.api.errors import HANDLERS
from console.api.routing import requires
from console.api.services import Services
from model.version import VERSION
from model.workspace.permissions import Action

_DESCRIPTION = (
    "What arrived, what did not, and why. The delivery overview and delivery metrics answer as Segment's Public API"
    " does."
)
_router = APIRouter(route_class=SegmentRoute)


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """Make the document once; without the 422 that FastAPI adds to routes that answer 400 instead."""
        if self.openapi_schema is None:
            document = get_openapi(
                title=self.title,
                version=self.version,
                description=self.description,
                servers=self.servers,
                routes=self.routes,
            )
            for operation in (one for methods in document["paths"].values() for one in methods.values()):
                if "400" in operation["responses"]:
                    operation["responses"].pop("422", None)
            for schema in ("HTTPValidationError", "ValidationError"):
                document["components"]["schemas"].pop(schema, None)
            self.openapi_schema = document
        return self.openapi_schema


def create_api(services: Services) -> FastAPI:
    """Make the application. Every path needs an identified caller whose role may do the path's action."""
    api = _Api(
        title="Waybill",
        version=VERSION,
        description=_DESCRIPTION,
        servers=[{"url": "/api"}],
        openapi_url=None,  # `openapi_document` serves it, to callers only
        docs_url=None,  # the pages of FastAPI load scripts of others
        redoc_url=None,
        strict_content_type=False,
        # Its spans and logs would have paths and error texts, which can name events.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        exception_handlers={**HANDLERS, Outdated: alerts.answer_outdated},
    )
    api.state.services = services
    api.add_middleware(_HeadAsGet)
    for router in (delivery.router, alerts.router, views.router, event_tester.router, _router):
        api.include_router(router)
    return api


@_router.get("/openapi.json", include_in_schema=False, dependencies=[requires(Action.READ)])
def openapi_document(request: Request) -> dict[str, Any]:
    """The OpenAPI document of the whole API."""
    document: dict[str, Any] = request.app.openapi()
    return document


class _HeadAsGet:
    """Lets GET routes answer HEAD; the server leaves out the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope, receive, send)
