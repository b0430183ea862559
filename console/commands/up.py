"""`waybill up`."""

import logging

import typer
from rich.console import Console

from console.command_line import DATA, WORKSPACE, DataDirectory, WorkspaceFile, installed
from console.errors import explain_errors
from console.foreground import asked_to_stop, log_to_stderr
from console.processes.up import run_all


def up(workspace: WorkspaceFile = WORKSPACE, data: DataDirectory = DATA) -> None:
    """Run the whole system (ingest, delivery, recording, alerting) in this process until Ctrl-C."""
    log_to_stderr(logging.INFO)
    stop = asked_to_stop()
    console = Console(stderr=True)
    with (
        explain_errors(),
        installed(workspace, data) as installation,
        run_all(installation, watch_file=workspace) as running,
    ):
        console.print(f"Waybill takes events at [bold]{running.address}/v1[/], Ctrl-C stops it.")
        while not stop.wait(1):
            if failure := running.failure():
                console.print(f"[bold red]{failure}[/]")
                raise typer.Exit(2)
        console.print("Stopping: finishing calls under way …")
