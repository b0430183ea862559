"""`waybill check`."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console import check as checking
from console.command_line import DATA, WORKSPACE, AsJson, DataDirectory, WorkspaceFile, print_json
from console.errors import explain_errors
from console.operations import explain as explaining
from console.operations.event_file import read_event, source_of
from flows.engine.clock import wall_clock_ms
from flows.workspace.compiled import compile_workspace
from flows.workspace.loader import load_workspace


def check(
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    explain: Annotated[
        Path | None, typer.Option(help="An event as an app sends it (JSON; - for standard input).")
    ] = None,
    source: Annotated[str, typer.Option(help="The source the event is from, if there are several.")] = "",
    json: AsJson = False,
) -> None:
    """Show everything that is wrong with the workspace file, or what goes where. Exit 1 when it cannot be used.

    What waits in the data directory and would be discarded by the file is a warning, with its number.

    With --explain: what would happen to an event on every connection. Nothing is sent; insert functions do run.
    """
    if explain is not None:
        with explain_errors():
            configuration = compile_workspace(load_workspace(workspace, os.environ))
            from_source = source_of(configuration.workspace, source)
            event = read_event(explain, from_source, wall_clock_ms())
            explained = explaining.explain_event(configuration, event)
        if json:
            print_json(explaining.to_json(event, explained))
        else:
            explaining.render(event, explained, configuration.redactor, Console())
        return
    result = checking.with_discards(checking.check(workspace, os.environ), data)
    if json:
        print_json(checking.to_json(result))
    else:
        checking.render(result, Console())
    raise typer.Exit(result.exit_code)
