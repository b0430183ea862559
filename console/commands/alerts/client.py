"""How the command line asks the alerts API: over HTTP where a server runs, or else in this process over the store.
The same code answers in both cases.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import httpx
import orjson

from console.access import AUTHOR_HEADER, Caller, local_author
from console.command_line import opened_deployment
from console.data_dir import ASK_TIMEOUT_SECONDS, SERVER, NotAnswering, exclusive, server_of
from model.workspace.permissions import Role
from sinks.clickhouse.store import open_store


@dataclass(frozen=True, slots=True)
class AlertsClient:
    """``connect``: makes an HTTP client for one request. ``where``: who answers, for error texts."""

    connect: Callable[[], httpx.AsyncClient]
    where: str

    def ask(
        self, method: Literal["GET", "POST", "PUT", "DELETE"], path: str, body: Any = None, **query: Any
    ) -> dict[str, Any]:
        """Return the answer. Raises ValueError when the API refuses the request, and `NotAnswering`."""
        try:
            response = asyncio.run(self._send(method, path, body, query))
        except UnicodeEncodeError:
            raise ValueError("ids and names are text in UTF-8") from None
        except httpx.TransportError as error:
            raise NotAnswering(
                f"{self.where} does not answer: {error}. Look at its terminal; if it hangs, stop it and ask again."
            ) from None
        try:
            answer: dict[str, Any] = orjson.loads(response.content)
        except ValueError:
            answer = {}
        if response.status_code == httpx.codes.OK:
            return answer
        reason = answer.get("error")
        if reason and response.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
            raise ValueError(reason)
        raise NotAnswering(f"{self.where} answered {response.status_code}: {reason or response.text[:300]}")

    async def _send(self, method: str, path: str, body: Any, query: dict[str, Any]) -> httpx.Response:
        given = {name: str(value) for name, value in query.items() if value not in {None, ""}}
        # Not orjson: for an argument that is not UTF-8 it raises another error than httpx does.
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        async with self.connect() as client:
            return await client.request(method, f"alerts/{path}", content=content, params=given)


@contextmanager
def open_alerts(workspace_file: Path, data: Path) -> Iterator[AlertsClient]:
    """Give a client of the server that runs on a data directory, or of the API in this process when none does.

    Raises ValueError when there is no data directory, what opening deployment and store raises, and `AlreadyRunning`.
    """
    server = server_of(data)
    if server is not None:
        settings: dict[str, Any] = {
            "base_url": f"{server.address}/api/",
            "headers": {"Authorization": f"Bearer {server.token}", AUTHOR_HEADER: quote(local_author())},
            "timeout": ASK_TIMEOUT_SECONDS,
            "trust_env": False,
        }
        where = f"`waybill up` (process {server.pid}) at {server.address}"
        yield AlertsClient(lambda: httpx.AsyncClient(**settings), where)
        return
    # Slow to import, and a running server needs none of it.
    from console.api.app import create_api
    from console.api.services import open_services

    with (
        opened_deployment(workspace_file, data) as deployment,
        exclusive(data, SERVER),  # one process at a time changes rules
        closing(open_store(deployment.store_url)) as store,
    ):
        me = Caller(local_author(), Role.OWNER)
        services = open_services(deployment, store, lambda request: me)
        services.rules.sync_workspace_rules()
        transport = httpx.ASGITransport(create_api(services))
        yield AlertsClient(lambda: httpx.AsyncClient(transport=transport, base_url="http://waybill/"), "Waybill")
