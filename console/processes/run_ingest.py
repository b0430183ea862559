"""Ingest with the API as a process; the flows run in others."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from console.data_dir import SERVER, exclusive
from console.processes.run import check_shared
from console.server.app import serving
from flows.runtime.deployment import open_deployment
from flows.runtime.runner import freeze_gc
from flows.workspace.loader import load_workspace
from sinks.clickhouse.store import open_store


@contextmanager
def running_ingest(file: Path, data: Path, port: int | None) -> Iterator[str]:
    """Take events and answer questions; gives the address. Raises what `waybill up` raises, and ValueError."""
    workspace = load_workspace(file, os.environ)
    check_shared(workspace, data)
    deployment = open_deployment(workspace, data)
    with (
        closing(deployment.topics),
        exclusive(data, SERVER),
        closing(open_store(deployment.store_url, lazy=True)) as store,
        serving(deployment, store, port=port, watch_file=file) as address,
    ):
        freeze_gc()
        yield address
