"""The OpenAPI 3.1 document of the whole API, made from the models that read parameters and write answers."""

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from console.public_api.delivery_overview import OVERVIEW_READS
from console.public_api.errors import Errors
from console.public_api.examples import METRICS, OVERVIEW, PARAMETERS, TRACE
from console.public_api.openapi_alerts import ALERT_MODELS, alert_paths
from console.public_api.openapi_posts import POST_MODELS, post_paths
from console.public_api.parameters import MetricsParameters, Parameters
from console.public_api.shapes import DeliveryMetricsAnswer, DeliveryOverviewAnswer, TraceAnswer
from model.events.validation import MESSAGE_ID_LIMIT_CHARACTERS
from model.version import VERSION

_PREFIX = "#/components/schemas/"
_PARAMETER_MODELS: tuple[type[Parameters], ...] = (
    *dict.fromkeys(read.parameters for read in OVERVIEW_READS),
    MetricsParameters,
)
_ANSWERS: tuple[type[BaseModel], ...] = (DeliveryOverviewAnswer, DeliveryMetricsAnswer, TraceAnswer, Errors)
_REFUSALS = {
    "401": "The token is missing or not known.",
    "403": "The token's role may not look.",
    "404": "Nothing has this id.",
    "422": "Parameters that cannot be read, or a period that cannot be answered.",
    "503": "The store does not answer now, or not within a minute.",
}


@cache
def document() -> dict[str, Any]:
    """Return the document. It is the same for every deployment of this version."""
    models = (*_PARAMETER_MODELS, *_ANSWERS, *POST_MODELS, *ALERT_MODELS)
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=_PREFIX + "{model}")
    components = schemas["$defs"]
    parameters = {model: _query_parameters(components.pop(model.__name__)) for model in _PARAMETER_MODELS}
    paths = {
        f"/delivery-overview/{read.name}": _get(
            read.summary, read.name, parameters[read.parameters], DeliveryOverviewAnswer, OVERVIEW
        )
        for read in OVERVIEW_READS
    }
    destination = _path_parameter("destinationId", "The destination's id in the workspace file.", 256, "crm")
    message = _path_parameter("messageId", "The event's messageId.", MESSAGE_ID_LIMIT_CHARACTERS, "order-1001")
    paths["/destinations/{destinationId}/delivery-metrics"] = _get(
        "Summary of one destination",
        "delivery-metrics",
        [destination, *parameters[MetricsParameters]],
        DeliveryMetricsAnswer,
        METRICS,
    )
    paths["/trace/{messageId}"] = _get("What happened to one event", "trace", [message], TraceAnswer, TRACE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Waybill",
            "version": VERSION,
            "description": "What arrived, what did not, and why. The delivery overview and delivery metrics answer as"
            " Segment's Public API does.",
        },
        "servers": [{"url": "/api"}],
        "security": [{"token": []}],
        "paths": {**paths, **alert_paths(_PREFIX), **post_paths(_PREFIX)},
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of a user of the workspace (`waybill token`), or that of server.json.",
                }
            },
        },
    }


def _get(
    summary: str, name: str, parameters: list[dict[str, Any]], answer: type[BaseModel], example: dict[str, Any]
) -> dict[str, Any]:
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "parameters": parameters,
            "responses": {
                "200": _content("The answer.", answer, example),
                **{status: _content(description, Errors) for status, description in _REFUSALS.items()},
            },
        }
    }


def _content(description: str, model: type[BaseModel], example: dict[str, Any] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": _PREFIX + model.__name__}}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {"application/json": content}}


def _path_parameter(name: str, description: str, longest: int, example: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": longest}
    return {
        "name": name, "in": "path", "required": True, "description": description, "schema": schema, "example": example,
    }  # fmt: skip


def _query_parameters(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [_query_parameter(name, of, name in schema.get("required", ())) for name, of in schema["properties"].items()]


def _query_parameter(name: str, schema: dict[str, Any], required: bool) -> dict[str, Any]:
    parameter: dict[str, Any] = {"name": name, "in": "query", "required": required}
    schema = {key: value for key, value in schema.items() if key != "title"}
    if "description" in schema:
        parameter["description"] = schema.pop("description")
    if "anyOf" in schema:  # None is what a model has when a parameter is left out; no caller can write it
        schema.pop("default", None)
        [only] = [part for part in schema.pop("anyOf") if part != {"type": "null"}]
        schema |= only
    if schema.get("type") == "array":
        parameter |= {"style": "form", "explode": False}
    if name in {"filter", "pagination"}:
        parameter |= {"style": "deepObject", "explode": True}
        schema.pop("default", None)  # those of its parts say it
    if name in PARAMETERS:
        parameter["example"] = PARAMETERS[name]
    parameter["schema"] = schema
    return parameter
