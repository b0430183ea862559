"""The part of the OpenAPI document about `console.server.internal_api`: reading a view, and testing a destination."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sinks.clickhouse.rows import LATEST_TIME_MS
from sinks.clickhouse.store import DEFAULTS
from sinks.clickhouse.views import VIEWS

# What a parameter of each ClickHouse type may be; a view with a parameter of another type is for the recording flow.
VIEW_TYPES: dict[str, dict[str, Any]] = {
    "UInt32": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    "Int64": {"type": "integer", "minimum": 0, "maximum": LATEST_TIME_MS},
    "String": {"type": "string"},
    "Array(String)": {"type": "array", "items": {"type": "string"}},
}
_REFUSALS = {
    "400": "Parameters that cannot be read, or that are refused.",
    "401": "The token is missing or not known.",
    "403": "The token's role may not do this.",
    "413": "The body is too large, or its length is not said.",
    "503": "The store or the topics do not answer now.",
}


class EventToSend(BaseModel):
    """What to send, and where."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    destination: str
    """The destination's id."""
    source: str = ""
    """The source's id; not given: one that is connected to the destination."""
    mapping: str = ""
    """Only this mapping; not given: all."""
    message_id: str = ""
    """Send this event again, as it was received; not given: `event`."""
    event: dict[str, Any] = Field(default_factory=dict)
    """The event; not given: a sample."""
    apply_filters: bool = False
    """Whether the connection's filters have a say."""
    apply_insert_function: bool = False
    """Whether the connection's function has a say."""


class Rows(BaseModel):
    """The rows of a view by column; times are Unix ms."""

    rows: list[dict[str, Any]]


class Fault(BaseModel):
    """What is wrong and what to do."""

    error: str


POST_MODELS: tuple[type[BaseModel], ...] = (EventToSend, Rows, Fault)


def post_paths(prefix: str) -> dict[str, Any]:
    """Return the paths; ``prefix`` stands before the names of models."""
    paths = {
        f"/views/{view}": _post(
            prefix,
            f"view-{view}",
            f"Read view {view} of sql/",
            _view_body(types),
            {"$ref": f"{prefix}Rows"},
        )
        for view, types in sorted(VIEWS.items())
        if {*types.values()} <= {*VIEW_TYPES}
    }
    body = {"$ref": f"{prefix}EventToSend"}
    paths["/test-event"] = _post(prefix, "test-event", "Send a real event to a destination", body, {"type": "object"})
    return paths


def _view_body(types: dict[str, str]) -> dict[str, Any]:
    properties = {name: dict(VIEW_TYPES[kind]) for name, kind in types.items()}
    for name in DEFAULTS.keys() & types.keys():
        properties[name]["default"] = DEFAULTS[name]
    needed = [name for name in types if name not in DEFAULTS]
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


def _post(prefix: str, name: str, summary: str, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    refused = {"application/json": {"schema": {"$ref": f"{prefix}Fault"}}}
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": {
                "200": {"description": "The answer.", "content": {"application/json": {"schema": answer}}},
                **{status: {"description": text, "content": refused} for status, text in _REFUSALS.items()},
            },
        }
    }
