"""How the command line asks the API about alerts: the running server's, or with nothing running its own, in this
process over the store itself. Either way the same code answers.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import httpx
import orjson

from console.access import AUTHOR_HEADER, local_author
from console.data_dir import ASK_TIMEOUT_SECONDS, NotAnswering, ServerFile, find_server

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

    Raises ValueError when there is no data directory, and what opening installation and store raises.
    """
    if not data.is_dir():  # opening the store would make one wherever a mistyped path points
        raise ValueError(f"there is no data directory {data}: check --data, or start `waybill up` to make one")
    server = find_server(data)
    if server is not None:
        yield AlertsClient(lambda: _connect_to(server), f"`waybill up` (process {server.pid}) at {server.address}")
        return
    from console.commands.alerts.in_process import in_process_app  # the whole API, which asking needs nothing of

    with in_process_app(workspace_file, data) as app:
        yield AlertsClient(
            lambda: httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://waybill/"), "Waybill"
        )


def _connect_to(server: ServerFile) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"{server.address}/api/",
        headers={"Authorization": f"Bearer {server.token}", AUTHOR_HEADER: quote(local_author())},
        timeout=ASK_TIMEOUT_SECONDS,
        trust_env=False,
    )
