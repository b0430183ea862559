"""`waybill run`."""

import logging
from typing import Annotated

import typer
from rich.console import Console

from console.command_line import DATA, WORKSPACE, DataDirectory, WorkspaceFile
from console.errors import explain_errors
from console.foreground import asked_to_stop, log_to_stderr
from console.processes.run import Part, run_flow
from console.processes.supervisor import Unit
from flows.topics.sink import PARTS


def run(
    part: Annotated[Part, typer.Argument(help="What this process is to do.")],
    processes: Annotated[int, typer.Option(min=1, max=PARTS, help="Of delivery: how many share the work.")] = 1,
    port: Annotated[int | None, typer.Option(help="Of ingest: instead of the workspace's port.")] = None,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
) -> None:
    """Run one part of Waybill until Ctrl-C or SIGTERM, for topics on Kafka and a ClickHouse server.

    The processes of a flow start, stop and die together, and are started again when they die.
    """
    if processes > 1 and part is not Part.DELIVERY:
        raise typer.BadParameter(f"{part} is one process; only delivery is shared")
    log_to_stderr(logging.INFO)
    stop = asked_to_stop()
    console = Console(stderr=True)
    with explain_errors():
        if part is Part.INGEST:
            from console.processes.run_ingest import running_ingest  # a supervisor of a flow serves nothing

            with running_ingest(workspace, data, port) as address:
                console.print(f"Waybill takes events at [bold]{address}/v1[/], Ctrl-C stops it.")
                stop.wait()
            return
        code = run_flow(Unit(part, processes, workspace, data), stop)
    raise typer.Exit(code)
