"""The API over a store without rows, for what does not depend on numbers."""

from types import SimpleNamespace
from typing import Any, cast

from fastapi import FastAPI

from console.api.app import create_api
from flows.workspace.live import CurrentWorkspace
from model.workspace.permissions import hash_of
from sinks.clickhouse.store import Store
from tests.kit.alert_rules import Kit
from tests.kit.workspaces import connection, webhook, workspace

ROWS: dict[str, list[dict[str, Any]]] = {
    "delivery_metrics": [
        dict.fromkeys(("delivered", "discarded", "expired", "filtered", "attempts_failed"), 0)
        | dict.fromkeys(("p50_latency_ms", "p95_latency_ms", "p99_latency_ms"))
    ]
}
TOKENS = {"read": "read-token", "write": "write-token", "owner": "file-token"}


def bearer(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[role]}"}


def _stub_api() -> FastAPI:
    def view(name: str, **parameters: Any) -> list[dict[str, Any]]:
        return ROWS.get(name, [])

    users = [{"id": role, "role": role, "token_hashes": [hash_of(TOKENS[role])]} for role in ("read", "write")]
    live = CurrentWorkspace(workspace([webhook("crm")], [connection("web", "crm")], users=users))
    topics = SimpleNamespace(partitions=lambda topic: 1, bounds=lambda topic, partition: (0, 0))
    kit = Kit(cast(Store, SimpleNamespace(name="stub", view=view, insert=lambda table, rows: [])))
    return create_api(kit.services(live, TOKENS["owner"], topics))


API = _stub_api()
