"""`waybill report`."""

import os
from typing import Annotated

import typer
from rich.console import Console

from console.command_line import DATA, WORKSPACE, AsJson, DataDirectory, WorkspaceFile, print_json
from console.data_dir import open_views
from console.errors import explain_errors
from console.period import parse_period
from console.reports import render as report_drawing
from console.reports import report as reporting
from flows.engine.clock import wall_clock_ms
from flows.runtime.deployment import store_url
from flows.workspace.compiled import compile_workspace
from flows.workspace.discards import count_pending, discards
from flows.workspace.loader import load_workspace


def report(
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    period: Annotated[str, typer.Option(help="How far back: 15m, 24h, 7d.")] = "1h",
    source: Annotated[str, typer.Option(help="Only this source.")] = "",
    destination: Annotated[str, typer.Option(help="Only this destination.")] = "",
    errors: Annotated[bool, typer.Option("--errors", help="All details of each error.")] = False,
    json: AsJson = False,
) -> None:
    """Show what was delivered, what was not and why, latency, trend and balance. Exit 1: something is unexplained."""
    length = parse_period(period)
    with explain_errors():
        settings = load_workspace(workspace, os.environ)
        with open_views(data, store_url(settings, data)) as view:
            configuration = compile_workspace(settings)
            from_ms, to_ms = length.until(wall_clock_ms())
            shown = reporting.build_report(
                view,
                from_ms,
                to_ms,
                source=source,
                destination=destination,
                not_reportable=[
                    reporting.NotReportable(connection.source, connection.destination, reason)
                    for connection, reason in settings.not_reportable()
                ],
                discards=discards(configuration, count_pending(view, configuration, wall_clock_ms())),
            )
    if json:
        print_json(shown.to_json())
    else:
        report_drawing.render(shown, Console(), with_error_details=errors)
    raise typer.Exit(1 if shown.unexplained else 0)
