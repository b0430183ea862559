"""How commands find a running Waybill: `<data>/server.json`, readable by its owner only.

chDB lets one process at a time open its directory. While `waybill up` runs it owns the store, and other commands ask it
over HTTP; with nothing running they open the store themselves. This module alone decides which.

A lock on `<data>/server.lock`, `delivery.lock` and so on shows whether that process runs. A pid would not: the kernel
releases a lock however the process ends, and a container gives the next process the same pid.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import httpx
import orjson

from console.errors import Failure
from flows.engine.files import write_atomically
from sinks.clickhouse.store import Store, open_store

View = Callable[[str, dict[str, Any]], list[dict[str, Any]]]
ASK_TIMEOUT_SECONDS = 60.0
LOCK_WAIT_SECONDS = 1.0  # `find_server` holds the lock for a moment; a running process holds it longer

SERVER, DELIVERY, RECORDING, ALERTING = "server", "delivery", "recording", "alerting"


class AlreadyRunning(Failure):
    """Another process runs on this data directory."""


class NotAnswering(Failure):
    """A running Waybill did not respond as expected; the text explains what to do."""


@dataclass(frozen=True, slots=True)
class ServerFile:
    """Address of a running Waybill, and the token that its API takes."""

    address: str
    token: str
    pid: int


@contextmanager
def exclusive(data: Path, *roles: str) -> Iterator[None]:
    """Hold the locks of some roles on this data directory, by default of all. Raises `AlreadyRunning`."""
    with ExitStack() as stack:
        for role in roles or (SERVER, DELIVERY, RECORDING, ALERTING):
            _acquire(stack.enter_context(open_lock(data / f"{role}.lock")), data)
            if role == SERVER:
                remove = partial((data / "server.json").unlink, missing_ok=True)
                remove()  # a crash may have left it
                stack.callback(remove)
        yield


def open_lock(path: Path) -> IO[bytes]:
    """Open a lock file, creating it for its owner only."""
    return open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")


def _acquire(lock: IO[bytes], data: Path) -> None:
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while not try_lock(lock):
        if time.monotonic() > deadline:
            holder = lock.read(20).decode("ascii", "replace")
            raise AlreadyRunning(f"process {holder} already runs on {data}: stop it, or choose another --data")
        time.sleep(0.02)
    lock.truncate()
    lock.write(str(os.getpid()).encode())
    lock.flush()


def write_server_file(data: Path, server: ServerFile) -> None:
    """Publish the server. At no moment is the file readable by others."""
    write_atomically(data / "server.json", orjson.dumps(asdict(server)))


def find_server(data: Path) -> ServerFile | None:
    """Return the server that runs on this data directory; None if none does, even if a crash has left its file."""
    try:
        server = ServerFile(**orjson.loads((data / "server.json").read_bytes()))
        with (data / f"{SERVER}.lock").open("rb") as lock:
            return None if try_lock(lock, fcntl.LOCK_SH) else server
    except (FileNotFoundError, TypeError, ValueError):
        return None
    except PermissionError:
        raise NotAnswering(
            f"{data / 'server.json'} belongs to another user: run this as the user of `waybill up`."
        ) from None


def server_of(data: Path) -> ServerFile | None:
    """`find_server`, for commands that then open the store. Raises ValueError when there is no data directory."""
    if not data.is_dir():  # opening the store would create one wherever a mistyped path points
        raise ValueError(f"there is no data directory {data}: check --data, or start `waybill up` to create it")
    return find_server(data)


def try_lock(file: IO[bytes], kind: int = fcntl.LOCK_EX) -> bool:
    """Take the lock if no other process has it; closing the file releases it."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def open_views(data: Path, store_url: str) -> Iterator[View]:
    """Give a function that reads views, from the running server or from the store itself.

    Raises `NotAnswering`, `sinks.clickhouse.store.StoreError`, and ValueError when there is no data directory.
    """
    server = server_of(data)
    if server is not None:
        with httpx.Client(
            base_url=server.address,
            headers={"Authorization": f"Bearer {server.token}"},
            timeout=ASK_TIMEOUT_SECONDS,
            trust_env=False,
        ) as client:
            yield lambda name, parameters: _ask(client, server, name, parameters)
        return
    with closing(open_store(store_url)) as store:
        yield view_of(store)


def view_of(store: Store) -> View:
    """Return the function that reads views of a store."""
    return lambda name, parameters: store.view(name, **parameters)


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
