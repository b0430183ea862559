"""Runs one part of Waybill as a process, on topics and a store that processes can share."""

import os
import threading
from pathlib import Path
from typing import Literal

from console.data_dir import exclusive
from console.processes.supervisor import FlowProcesses, supervise
from flows.runtime.deployment import store_url
from flows.workspace.loader import load_workspace
from model.workspace.workspace import Workspace

ProcessRole = Literal["ingest", "delivery", "recording", "alerting"]  # the parts that can run as a process


def run_flow(unit: FlowProcesses, stop: threading.Event) -> int:
    """Run a flow until ``stop``; returns the exit code. Raises `AlreadyRunning`, ValueError and `WorkspaceInvalid`."""
    workspace = load_workspace(unit.workspace, os.environ)
    if unit.flow in {"recording", "alerting"}:
        check_shared(workspace, unit.data)
    unit.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with exclusive(unit.data, unit.flow):
        return supervise(unit, stop)


def check_shared(workspace: Workspace, data: Path) -> None:
    """Raise ValueError for a store that only one process can open."""
    url = store_url(workspace, data)
    if url.startswith("chdb:"):
        raise ValueError(
            f"one process at a time can open the store {url}: use `waybill up`, which is one process, "
            "or set store.url to a ClickHouse server"
        )
