"""How commands find a running `waybill up`: `<data>/server.json`, readable by its owner only.

chDB lets one process at a time open its directory. While `waybill up` runs it owns the store, and other commands ask it
over HTTP; with nothing running they open the store themselves. This is the one place that decides which.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from sinks.store import Store, open_store

View = Callable[[str, dict[str, Any]], list[dict[str, Any]]]
ASK_TIMEOUT_SECONDS = 60.0


class NotAnswering(Exception):
    """A running Waybill did not answer as expected; the text says what to do."""


@dataclass(frozen=True, slots=True)
class ServerFile:
    """Where a running Waybill answers, and the token that lets one ask."""

    address: str
    token: str
    pid: int


def write_server_file(data: Path, server: ServerFile) -> None:
    """Publish the server; the file is never readable by others, not even for a moment."""
    beside = data / "server.json.new"
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(orjson.dumps(asdict(server)))
    os.replace(beside, data / "server.json")


def remove_server_file(data: Path) -> None:
    """Withdraw it."""
    (data / "server.json").unlink(missing_ok=True)


def find_server(data: Path) -> ServerFile | None:
    """The server that runs on this data directory; None if there is none (a file left behind by a crash counts not)."""
    try:
        server = ServerFile(**orjson.loads((data / "server.json").read_bytes()))
        os.kill(server.pid, 0)
    except (FileNotFoundError, ProcessLookupError, TypeError, ValueError):
        return None
    except PermissionError:
        raise NotAnswering(
            f"{data / 'server.json'} belongs to another user: run this as the user of `waybill up`."
        ) from None
    return server


@contextmanager
def open_views(data: Path, store_url: str) -> Iterator[View]:
    """Give a function that reads views, from the running server or from the store itself."""
    server = find_server(data)
    if server is not None:
        with httpx.Client(
            base_url=server.address,
            headers={"Authorization": f"Bearer {server.token}"},
            timeout=ASK_TIMEOUT_SECONDS,
            trust_env=False,
        ) as client:
            yield lambda name, parameters: _ask(client, server, name, parameters)
        return
    store: Store = open_store(store_url)
    try:
        yield lambda name, parameters: store.view(name, **parameters)
    finally:
        store.close()


def _ask(client: httpx.Client, server: ServerFile, name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        response = client.post(f"/api/views/{name}", json=parameters)
    except httpx.TransportError as error:
        raise NotAnswering(
            f"`waybill up` (process {server.pid}) holds the store but does not answer at {server.address}: {error}. "
            "Look at its terminal; if it hangs, stop it and ask again."
        ) from None
    if response.status_code != httpx.codes.OK:
        raise NotAnswering(f"{server.address} answered {response.status_code}: {response.text[:300]}")
    rows: list[dict[str, Any]] = response.json()["rows"]
    return rows
