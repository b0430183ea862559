"""`waybill trace`."""

import os
from typing import Annotated

import typer
from rich.console import Console

from console.command_line import DATA, WORKSPACE, AsJson, DataDirectory, WorkspaceFile, is_text, print_json
from console.data_dir import open_views
from console.errors import explain_errors
from console.reports import trace as tracing
from flows.engine.clock import wall_clock_ms
from flows.runtime.deployment import store_url
from flows.workspace.loader import load_workspace


def trace(
    message_id: Annotated[str, typer.Argument(help="The messageId of an event.")],
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Show what happened to one event: received, routed, each attempt, outcome. Exit 1: no such event is recorded."""
    if not is_text(message_id):
        raise typer.BadParameter("a messageId is text in UTF-8")
    with explain_errors(), open_views(data, store_url(load_workspace(workspace, os.environ), data)) as view:
        trace_ = tracing.build_trace(view, message_id, wall_clock_ms())
    if json:
        print_json(trace_.to_json())
    else:
        tracing.render(trace_, Console())
    raise typer.Exit(0 if trace_.steps else 1)
