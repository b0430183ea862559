"""A client of the routes about alerts: over HTTP if a server runs, else of an API in this process, over the store."""

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
from console.command_line import installed
from console.data_dir import ASK_TIMEOUT_SECONDS, SERVER, NotAnswering, ServerFile, exclusive, find_server
from model.workspace.permissions import Role
from sinks.clickhouse.store import open_store

Method = Literal["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class AlertsClient:
    """``connect``: makes a client of httpx for one request; ``where``: who answers, for error texts."""

    connect: Callable[[], httpx.AsyncClient]
    where: str

    def ask(self, method: Method, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """Return the answer. Raises ValueError with what is wrong with the question, and `NotAnswering`."""
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
        said = answer.get("error")
        if said and response.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
            raise ValueError(said)
        raise NotAnswering(f"{self.where} answered {response.status_code}: {said or response.text[:300]}")

    async def _send(self, method: Method, path: str, body: Any, query: dict[str, Any]) -> httpx.Response:
        given = {name: str(value) for name, value in query.items() if value not in {None, ""}}
        # Not orjson: to it an argument that is no UTF-8 is an error of another kind than to httpx.
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        async with self.connect() as client:
            return await client.request(method, f"alerts/{path}", content=content, params=given)


@contextmanager
def open_alerts(workspace_file: Path, data: Path) -> Iterator[AlertsClient]:
    """Give a client of whoever answers for this data directory.

    Raises ValueError when there is no data directory, what opening installation and store raises, and `AlreadyRunning`.
    """
    if not data.is_dir():  # opening the store would make one wherever a mistyped path points
        raise ValueError(f"there is no data directory {data}: check --data, or start `waybill up` to make one")
    server = find_server(data)
    if server is not None:
        yield AlertsClient(lambda: _connect_to(server), f"`waybill up` (process {server.pid}) at {server.address}")
        return
    # Imported here: a command that asks a server does not need the API.
    from console.api.app import create_api
    from console.api.services import open_services

    with (
        installed(workspace_file, data) as installation,
        exclusive(data, SERVER),  # only one process at a time changes rules
        closing(open_store(installation.store_url)) as store,
    ):
        me = Caller(local_author(), Role.OWNER)
        services = open_services(installation, store, lambda request: me)
        services.rules.sync_workspace_rules()
        transport = httpx.ASGITransport(create_api(services))
        yield AlertsClient(lambda: httpx.AsyncClient(transport=transport, base_url="http://waybill/"), "Waybill")


def _connect_to(server: ServerFile) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"{server.address}/api/",
        headers={"Authorization": f"Bearer {server.token}", AUTHOR_HEADER: quote(local_author())},
        timeout=ASK_TIMEOUT_SECONDS,
        trust_env=False,
    )
