"""`waybill demo`."""

from typing import Annotated

import typer
from rich.console import Console

from console.command_line import AsJson, print_json
from console.demo.demo import run_demo
from console.errors import explain_errors
from console.reports import render as report_drawing
from flows.runtime.logs import LogConfig, LogLevel, configure_logging


def demo(
    events: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many events to send.")] = 5_000,
    json: AsJson = False,
) -> None:
    """Send events through the whole system to three simulated destinations and show the report.

    Exit 0 only when every delivery is accounted for: none unexplained, none pending.
    """
    configure_logging(LogConfig(level=LogLevel.ERROR))
    with explain_errors():
        report = run_demo(events, Console(stderr=True))
    if json:
        print_json(report.to_json())
    else:
        report_drawing.render(report, Console())
    complete = report.unexplained == 0 and report.pending == 0 and report.ingest.accepted >= events
    raise typer.Exit(0 if complete else 1)
