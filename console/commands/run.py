"""`waybill run`."""

from typing import Annotated

import typer

from console.command_line import (
    DATA,
    WORKSPACE,
    DataDirectory,
    LogFormatOption,
    LogLevelOption,
    WorkspaceFile,
    announce,
    stop_signals,
)
from console.errors import explain_errors
from console.processes.run import ProcessRole, run_flow
from console.processes.supervisor import FlowProcesses
from flows.runtime.logs import LogConfig, LogFormat, LogLevel, configure_logging
from flows.topics.sink import PARTS


def run(
    part: Annotated[ProcessRole, typer.Argument(help="What this process runs.")],
    processes: Annotated[int, typer.Option(min=1, max=PARTS, help="delivery: how many processes share the work.")] = 1,
    port: Annotated[int | None, typer.Option(help="ingest: instead of the port of the workspace file.")] = None,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    log_format: LogFormatOption = LogFormat.TEXT,
    log_level: LogLevelOption = LogLevel.INFO,
) -> None:
    """Run one part of Waybill until Ctrl-C or SIGTERM, for topics on Kafka and a ClickHouse server.

    The processes of a flow start and stop together; when one dies, all are restarted.
    """
    if processes > 1 and part != "delivery":
        raise typer.BadParameter(f"{part} is one process; only delivery can use several")
    logs = LogConfig(log_format, log_level)
    configure_logging(logs)
    with explain_errors(), stop_signals() as stop:
        if part == "ingest":
            from console.processes.up import running_ingest  # a supervisor of a flow needs none of it in memory

            with running_ingest(workspace, data, port) as address:
                announce(f"Waybill accepts events at {address}/v1. Ctrl-C stops it.", logs)
                stop.wait()
            return
        code = run_flow(FlowProcesses(part, processes, workspace, data, logs), stop)
    raise typer.Exit(code)
