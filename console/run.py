"""One part of Waybill as a process: ingest with the API, or a flow. For topics and a store that processes can share."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path

from console.server_file import SERVER, sole_process
from console.serving import serving
from console.supervisor import Unit, supervise
from flows.installation import Installation, migrate_store, open_installation, store_url
from flows.runner import collect_less_garbage
from flows.workspace_file import load_workspace
from model.workspace import Workspace
from sinks.store import Store, StoreUnavailable, open_store

TRY_AGAIN_SECONDS = 1.0


class Part(StrEnum):
    """What a process can be."""

    INGEST = "ingest"
    DELIVERY = "delivery"
    RECORDING = "recording"
    ALERTING = "alerting"


@contextmanager
def running_ingest(file: Path, data: Path, port: int | None) -> Iterator[str]:
    """Take events and answer questions; gives the address. Raises what `waybill up` raises, and ValueError."""
    workspace = load_workspace(file, os.environ)
    _check_shared(workspace, data)
    installation = open_installation(workspace, data)
    with (
        closing(installation.topics),
        sole_process(data, SERVER),
        closing(open_store(installation.store_url, may_be_away=True)) as store,
        serving(installation, store, port=port, watch_file=file) as address,
    ):
        collect_less_garbage()
        yield address


def run_flow(unit: Unit, stop: threading.Event) -> int:
    """Keep a flow running until ``stop``; the exit code. Raises `AlreadyRunning`, `WorkspaceInvalid` and ValueError."""
    workspace = load_workspace(unit.workspace, os.environ)
    if unit.flow in {Part.RECORDING, Part.ALERTING}:
        _check_shared(workspace, unit.data)
    unit.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with sole_process(unit.data, unit.flow):
        return supervise(unit, stop)


def migrate_waiting(installation: Installation, store: Store, wait_seconds: float) -> int:
    """Migrate, trying again for ``wait_seconds`` while the store is away. Returns how many migrations were applied."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return migrate_store(installation, store)
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(TRY_AGAIN_SECONDS)


def _check_shared(workspace: Workspace, data: Path) -> None:
    url = store_url(workspace, data)
    if url.startswith("chdb:"):
        raise ValueError(
            f"the store {url} is open to one process at a time: use `waybill up`, which is one process, "
            "or set store.url to a ClickHouse server"
        )
