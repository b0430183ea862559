"""`waybill alerts backtest` and `test-channel`: whether a rule and a channel would do."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console.alerts.backtest import LONGEST_BACKTEST_DAYS
from console.command_line import DATA, WORKSPACE, AsJson, DataDirectory, WorkspaceFile
from console.commands.alerts import render as drawing
from console.commands.alerts.common import asking, printed
from console.commands.alerts.options import definition, named


def backtest(
    rule_id: Annotated[str, typer.Argument(metavar="[ID]", help="A rule that there is, or --file.")] = "",
    file: Annotated[Path | None, typer.Option(help="A rule that is to be, as YAML or JSON.")] = None,
    days: Annotated[int, typer.Option(min=1, max=LONGEST_BACKTEST_DAYS, help="How far back.")] = 14,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Show when a rule would have fired. Nobody is told."""
    if bool(rule_id) == (file is not None):
        raise typer.BadParameter("give either the id of a rule or --file")
    with asking(workspace, data) as client:
        tried = {"rule_id": rule_id} if file is None else {"rule": named(definition(file))}
        answer = client.ask("POST", "backtest", {**tried, "days": days})
    if not printed(answer, json):
        drawing.render_backtest(answer, Console())


def test_channel(
    channel: Annotated[str, typer.Argument(help="in-app, email:me, email:ADDRESS or an id of alerts.channels.")],
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Send a test message. Exit 1: the channel did not take it."""
    with asking(workspace, data) as client:
        answer = client.ask("POST", "test-channel", {"channel": channel})
    if not printed(answer, json):
        drawing.render_test(answer, Console())
    raise typer.Exit(0 if answer["taken"] else 1)
