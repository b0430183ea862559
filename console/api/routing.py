"""What every route of the API does first: identify the caller, then read the body, then let FastAPI validate it.

Every endpoint names the action that its caller needs: ``who: Annotated[Caller, requires(Action.READ)]``, or
``dependencies=[requires(Action.READ)]`` where the endpoint does not use the caller.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import orjson
from fastapi import Depends, Request, Response, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from pydantic import BaseModel, ConfigDict

from console.access import Caller
from console.api.errors import Fault, Refused
from console.api.services import Services
from model.workspace.permissions import Action, may

BODY_LIMIT_BYTES = 64 * 1024


class ApiRoute(APIRoute):
    """A route that nobody unknown gets anything from."""

    segment_errors: ClassVar[bool] = False
    """Whether errors have Segment's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler, which would read the body before it resolves any dependency."""
        handle = super().get_route_handler()

        async def handle_identified(request: Request) -> Response:
            services: Services = request.app.state.services
            request.state.caller = services.identify(request)
            if request.state.caller is None:
                raise Refused(401, "the token of server.json or of a user of the workspace is needed")
            return await handle(_JsonRequest(self.read_scope(request), request.receive))

        return handle_identified

    def read_scope(self, request: Request) -> dict[str, Any]:
        """Return the scope for FastAPI. Without a content type it takes any body for JSON, as clients expect."""
        headers = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
        return {**request.scope, "headers": headers}


class Body(BaseModel):
    """A request body. Unknown fields and values of another type are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )


class _JsonRequest(Request):
    async def body(self) -> bytes:
        """Read the body, at most BODY_LIMIT_BYTES."""
        if not hasattr(self, "_body"):
            chunks: list[bytes] = []
            size_bytes = 0
            async for chunk in self.stream():
                chunks.append(chunk)
                size_bytes += len(chunk)
                if size_bytes > BODY_LIMIT_BYTES:
                    raise Refused(413, f"the body is larger than {BODY_LIMIT_BYTES} bytes")
            self._body = b"".join(chunks)
        return self._body

    async def json(self) -> Any:
        """Parse the body; bounded in depth, and neither NaN nor invalid UTF-8 is accepted."""
        return orjson.loads(await self.body())


class _IdentifiedCaller(SecurityBase):
    """Describes in the OpenAPI document how `ApiRoute` identifies the caller, and returns the caller."""

    scheme_name = "token"
    model = HTTPBearer(
        description="The token of a user of the workspace (`waybill token`), or that of server.json.",
    )

    async def __call__(self, request: Request) -> Caller:
        caller: Caller = request.state.caller
        return caller


@dataclass(frozen=True, slots=True)
class Requires:
    """Lets in callers whose role may do ``action``; FastAPI calls it for each request."""

    action: Action

    async def __call__(self, who: Annotated[Caller, Security(_IdentifiedCaller())]) -> Caller:
        """Return the caller."""
        if not may(who.role, self.action):
            raise Refused(403, f"role {who.role} may not {self.action}; ask an owner")
        return who


def requires(action: Action) -> Any:
    """Declare what the caller of a route needs."""
    return Depends(Requires(action))


_FAULTS = {
    400: "The parameters are invalid, or name what does not exist.",
    401: "The token is missing or unknown.",
    403: "The role of the token may not do this, or somebody else made the rule.",
    404: "Nothing has this id.",
    409: "Somebody changed the rule; `current` is its newest version.",
    413: f"The body is larger than {BODY_LIMIT_BYTES} bytes.",
    422: "The parameters are invalid, or the period cannot be answered.",
    503: "The store or the topics are not available, or did not answer in time.",
}


def faults(*statuses: int, model: type[BaseModel] = Fault) -> dict[int | str, dict[str, Any]]:
    """Describe the error responses of routes for the OpenAPI document."""
    return {status: {"model": model, "description": _FAULTS[status]} for status in statuses}
