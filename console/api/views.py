"""POST /views/{name}: the rows of a view of ``sql/views/``, one route per view."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from console.api.errors import Refused
from console.api.routing import ApiRoute, Body, faults, requires
from console.api.services import ServicesOfApp
from model.workspace.permissions import Action
from sinks.clickhouse.rows import LATEST_TIME_MS
from sinks.clickhouse.store import DEFAULTS
from sinks.clickhouse.views import VIEWS

# By ClickHouse type of a parameter. A view with a parameter of another type is for Waybill itself.
_TYPES: dict[str, Any] = {
    "UInt32": Annotated[int, Field(ge=0, le=2**32 - 1)],
    "Int64": Annotated[int, Field(ge=0, le=LATEST_TIME_MS)],
    "String": str,
    "Array(String)": list[str],
}
PUBLIC_VIEWS = {name: types for name, types in sorted(VIEWS.items()) if {*types.values()} <= {*_TYPES}}

router = APIRouter(
    route_class=ApiRoute, dependencies=[requires(Action.READ)], responses=faults(400, 401, 403, 413, 503)
)


class Rows(BaseModel):
    """The rows of a view by column; times are Unix ms."""

    rows: list[dict[str, Any]]


class _ViewParameters(Body):
    model_config = ConfigDict(use_attribute_docstrings=False)  # made here, so there is no source to search for them


def _add(name: str) -> None:
    fields: dict[str, Any] = {
        parameter: (_TYPES[kind], DEFAULTS.get(parameter, ...)) for parameter, kind in PUBLIC_VIEWS[name].items()
    }
    model = create_model(f"View_{name}", __base__=_ViewParameters, **fields)

    def read(parameters: Body, services: ServicesOfApp) -> Response:
        rows = services.view(name, parameters.model_dump())
        # Not through the response model: the rows are the store's, and there can be many.
        content = orjson.dumps({"rows": rows}, option=orjson.OPT_NON_STR_KEYS)
        return Response(content, media_type="application/json")

    read.__annotations__["parameters"] = model
    router.add_api_route(
        f"/views/{name}",
        read,
        methods=["POST"],
        response_model=Rows,
        summary=f"Read view {name} of sql/",
        operation_id=f"view-{name}",
    )


for _name in PUBLIC_VIEWS:
    _add(_name)


@router.post("/views/{name}", include_in_schema=False)
def no_such_view(name: str) -> None:
    """Refuse views that do not exist, and those for Waybill itself."""
    if name in VIEWS:
        raise Refused(400, f"view {name} is for Waybill itself")
    raise Refused(400, f"no view {name!r}; there are {', '.join(PUBLIC_VIEWS)}")
