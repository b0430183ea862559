"""`waybill up`."""

import typer

from console.command_line import (
    DATA,
    WORKSPACE,
    DataDirectory,
    LogFormatOption,
    LogLevelOption,
    WorkspaceFile,
    announce,
    opened_deployment,
    stop_signals,
)
from console.errors import explain_errors
from console.processes.up import run_all
from flows.runtime.logs import LogConfig, LogFormat, LogLevel, configure_logging


def up(
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    log_format: LogFormatOption = LogFormat.TEXT,
    log_level: LogLevelOption = LogLevel.INFO,
) -> None:
    """Run the whole system (ingest, delivery, recording, alerting) in this process until Ctrl-C."""
    logs = LogConfig(log_format, log_level)
    configure_logging(logs)
    with (
        explain_errors(),
        stop_signals() as stop,
        opened_deployment(workspace, data) as deployment,
        run_all(deployment, watch_file=workspace) as running,
    ):
        announce(f"Waybill accepts events at {running.address}/v1. Ctrl-C stops it.", logs)
        while not stop.wait(1):
            if failure := running.failure():
                announce(failure, logs, "bold red")
                raise typer.Exit(2)
        announce("Stopping: finishing calls in flight …", logs)
