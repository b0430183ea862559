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
    on_stop_signal,
)
from console.errors import explain_errors
from console.processes.run import ProcessRole, run_flow
from console.processes.supervisor import FlowProcesses
from flows.runtime.logs import LogConfig, LogFormat, LogLevel, configure_logging
from flows.topics.sink import PARTS


def run(
    part: Annotated[ProcessRole, typer.Argument(help="What this process is to do.")],
    processes: Annotated[int, typer.Option(min=1, max=PARTS, help="Of delivery: how many share the work.")] = 1,
    port: Annotated[int | None, typer.Option(help="Of ingest: instead of the workspace's port.")] = None,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    log_format: LogFormatOption = LogFormat.TEXT,
    log_level: LogLevelOption = LogLevel.INFO,
) -> None:
    """Run one part of Waybill until Ctrl-C or SIGTERM, for topics on Kafka and a ClickHouse server.

    The processes of a flow start, stop and die together, and are started again when they die.
    """
    if processes > 1 and part is not ProcessRole.DELIVERY:
        raise typer.BadParameter(f"{part} is one process; only delivery is shared")
    logs = LogConfig(log_format, log_level)
    configure_logging(logs)
    stop = on_stop_signal()
    with explain_errors():
        if part is ProcessRole.INGEST:
            from console.processes.run_ingest import running_ingest  # a supervisor of a flow serves nothing

            with running_ingest(workspace, data, port) as address:
                announce(f"Waybill takes events at {address}/v1, Ctrl-C stops it.", logs)
                stop.wait()
            return
        code = run_flow(FlowProcesses(part, processes, workspace, data, logs), stop)
    raise typer.Exit(code)
