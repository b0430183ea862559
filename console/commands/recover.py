"""`waybill recover`."""

from typing import Annotated

import typer
from rich.console import Console

from console import recover as recovering
from console.command_line import DATA, WORKSPACE, AsJson, DataDirectory, WorkspaceFile, installed, print_json
from console.data_dir import exclusive
from console.errors import explain_errors


def recover(
    flow: Annotated[
        str, typer.Argument(help="The flow whose recovery directory was lost: delivery, recording, alerting.")
    ],
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    json: AsJson = False,
) -> None:
    """Start a flow again whose recovery directory was lost, at the last position it published."""
    with explain_errors(), installed(workspace, data) as installation, exclusive(data):
        plan = recovering.plan(installation, flow)
        if not json:
            recovering.render(plan, Console())
        if not yes and not typer.confirm("Start there?", err=True):
            raise typer.Exit(2)
        recovering.apply(installation, plan)
    if json:
        print_json(plan.to_json())
