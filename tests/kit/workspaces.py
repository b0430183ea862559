"""Workspaces for tests, made as from a file but without one."""

from typing import Any

import orjson

from model.workspace.workspace import Workspace


def webhook(name: str, **settings: Any) -> dict[str, Any]:
    return {"id": name, "type": "webhook", "url": f"http://{name}.test/", **settings}


def connection(source: str, destination: str, **settings: Any) -> dict[str, Any]:
    return {"source": source, "destination": destination, **settings}


def workspace(
    destinations: list[dict[str, Any]],
    connections: list[dict[str, Any]] | None = None,
    *,
    environ: dict[str, str] | None = None,
    **sections: Any,
) -> Workspace:
    """A workspace whose sources are those its connections name; without connections all destinations get ``web``."""
    if connections is None:
        connections = [connection("web", destination["id"]) for destination in destinations]
    sources = dict.fromkeys(["web", *(entry["source"] for entry in connections)])
    data = {
        "version": 1,
        "sources": [{"id": source, "write_keys": [f"key-{source}"]} for source in sources],
        "destinations": destinations,
        "connections": connections,
        **sections,
    }
    return Workspace.model_validate_json(orjson.dumps(data), context={"environ": environ or {}})
