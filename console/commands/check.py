"""`waybill check`: the problems of the workspace file, or its connections if there are none."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.command_line import DATA, WORKSPACE, AsJson, DataDirectory, WorkspaceFile, print_json
from console.data_dir import open_views
from console.errors import Failure, explain_errors
from console.operations import explain as explaining
from console.operations.event_file import read_event, source_of
from console.reports.render_parts import folding_table
from flows.engine.clock import wall_clock_ms
from flows.runtime.deployment import store_url
from flows.workspace.compiled import compile_workspace
from flows.workspace.discards import count_pending, discards
from flows.workspace.loader import load_workspace, read_workspace_file
from model.config.problems import Diagnostic, DiagnosticSeverity
from model.workspace.connections import Connection
from model.workspace.workspace import Workspace
from sinks.clickhouse.store import StoreError

SHOWN_PROBLEMS = 100
_SECTIONS = {
    "DESTINATION_REMOVED": "destinations",
    "DESTINATION_DISABLED": "destinations",
    "SOURCE_REMOVED": "sources",
    "CONNECTION_REMOVED": "connections",
    "CONNECTION_DISABLED": "connections",
    "MAPPING_REMOVED": "connections",
}
_STYLES = {DiagnosticSeverity.ERROR: "bold red", DiagnosticSeverity.WARNING: "yellow"}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Result of a check. ``workspace`` is None when one of the problems is an error."""

    file: str
    workspace: Workspace | None
    problems: tuple[Diagnostic, ...]


def check(
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    explain: Annotated[
        Path | None, typer.Option(help="An event as an app sends it (JSON; - for standard input).")
    ] = None,
    source: Annotated[str, typer.Option(help="The source the event comes from, if there are several.")] = "",
    json: AsJson = False,
) -> None:
    """Show all problems of the workspace file, or its connections. Exit 1 when the file cannot be used.

    Pending deliveries that the file would discard are a warning, with their number.

    With --explain: show what would happen to an event on each connection. Nothing is sent; insert functions do run.
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
    result = with_discards(check_file(workspace, os.environ), data)
    if json:
        print_json(to_json(result))
    else:
        render(result, Console())
    raise typer.Exit(0 if result.workspace else 1)


def check_file(path: Path, environ: Mapping[str, str]) -> CheckResult:
    """Check a workspace file. Never raises, whatever the file holds and even if there is none."""
    reading = read_workspace_file(path, environ)
    return CheckResult(str(path), reading.workspace, reading.problems)


def with_discards(result: CheckResult, data: Path) -> CheckResult:
    """Add warnings for pending deliveries in a data directory that this file would discard.

    Never raises for a store that cannot be read: a file can be checked anywhere.
    """
    workspace = result.workspace
    if workspace is None or not data.is_dir():
        return result
    configuration = compile_workspace(workspace)
    warning = partial(Diagnostic, file=result.file, severity=DiagnosticSeverity.WARNING)
    if workspace.store.url is None and not (data / "store").is_dir():  # opening the store would create one
        return result
    try:
        with open_views(data, store_url(workspace, data)) as view:
            found = discards(configuration, count_pending(view, configuration, wall_clock_ms()))
    except (Failure, StoreError, ValueError) as error:
        message = f"pending deliveries in {data} could not be counted: {error}"
        warnings = [warning(message=message, remedy="Check again later")]
    else:
        warnings = [
            warning(path=_SECTIONS[discard.code], message=discard.message, remedy=discard.remedy) for discard in found
        ]
    return CheckResult(result.file, workspace, (*result.problems, *warnings))


def render(result: CheckResult, console: Console) -> None:
    """Print the problems, the table of connections of a usable workspace, and a line of summary."""
    # Text, never markup: the file may hold anything, square brackets included.
    for problem in result.problems[:SHOWN_PROBLEMS]:
        heading = Text(problem.place, style="bold")
        heading.append(f" {problem.severity}", style=_STYLES[problem.severity])
        heading.append(f" {problem.path}" if problem.path else "")
        console.print(heading, soft_wrap=True)
        console.print(Text(f"    {problem.text}"))
    if len(result.problems) > SHOWN_PROBLEMS:
        console.print(f"… and {len(result.problems) - SHOWN_PROBLEMS} more problems; --json lists them all")
    if result.workspace:
        console.print(_connections_table(result.workspace))
    console.print(_summary(result), soft_wrap=True)


def to_json(result: CheckResult) -> dict[str, Any]:
    """Return the result as JSON-ready data; no secrets are in it."""
    return {
        "file": result.file,
        "valid": result.workspace is not None,
        "problems": [asdict(problem) for problem in result.problems],
        "connections": [
            {
                "source": connection.source,
                "destination": connection.destination,
                "enabled": enabled,
                "reportable": not reason,
                "reason": reason,
            }
            for connection, enabled, reason in (_connections(result.workspace) if result.workspace else [])
        ],
    }


def _connections(workspace: Workspace) -> list[tuple[Connection, bool, str]]:
    """Return each connection, whether it is enabled, and why it is not reportable ('' when it is)."""
    enabled = {part.id: part.enabled for part in workspace.destinations}
    sources = {part.id: part.enabled for part in workspace.sources}
    reasons = {(c.source, c.destination): reason for c, reason in workspace.not_reportable()}
    return [
        (c, c.enabled and sources[c.source] and enabled[c.destination], reasons.get((c.source, c.destination), ""))
        for c in workspace.connections
    ]


def _connections_table(workspace: Workspace) -> Table:
    table = folding_table("Source", "Destination", "Sent to", "Event Delivery", title="Connections")
    reached = workspace.http_destinations()
    types = {destination.id: destination.type for destination in workspace.destinations}
    for connection, enabled, reason in _connections(workspace):
        destination = reached.get(connection.destination)
        if reason:
            state = Text(f"not reportable here: {reason}", style="yellow")
        else:
            state = Text("reported", style="green") if enabled else Text("disabled", style="dim")
        sent_to = destination.origin if destination else types[connection.destination]
        table.add_row(Text(connection.source), Text(connection.destination), Text(sent_to), state)
    return table


def _summary(result: CheckResult) -> Text:
    severities = [problem.severity for problem in result.problems]
    errors, warnings = (severities.count(s) for s in (DiagnosticSeverity.ERROR, DiagnosticSeverity.WARNING))
    counts = f"{_plural(errors, 'error')}, {_plural(warnings, 'warning')}"
    if result.workspace is None:
        return Text(f"{result.file} cannot be used: {counts}", style="bold red")
    parts = (
        _plural(len(result.workspace.sources), "source"),
        _plural(len(result.workspace.destinations), "destination"),
        _plural(len(result.workspace.connections), "connection"),
    )
    return Text(f"{result.file} is valid: {', '.join(parts)}; {counts}", style="bold green")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
