"""`waybill redrive`."""

from typing import Annotated

import typer
from rich.console import Console

from console.command_line import (
    DATA,
    WORKSPACE,
    AsJson,
    DataDirectory,
    WorkspaceFile,
    is_text,
    opened_deployment,
    print_json,
)
from console.errors import explain_errors
from console.operations import redrive as redriving
from flows.operations.redrive_ledger import RedrivePlan


def redrive(
    destination: Annotated[str, typer.Option(help="The destination that did not receive them.")],
    code: Annotated[
        list[str] | None, typer.Option(help="Only what failed with this code; can be given several times.")
    ] = None,
    from_: Annotated[str, typer.Option("--from", help="Only what failed at this time or later (UTC).")] = "",
    to: Annotated[str, typer.Option(help="Only what failed before this time (UTC).")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent.")] = False,
    rate: Annotated[int, typer.Option(min=1, max=100_000, help="Deliveries a second.")] = 200,
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Send again what was discarded or expired, unless it was delivered since. Shows the count first.

    Exit 2: not confirmed, or stopped before all were queued.
    """
    if not all(is_text(given) for given in (destination, *(code or ()))):
        raise typer.BadParameter("destinations and codes are text in UTF-8")
    shown = Console(stderr=json)

    def confirmed(plan: RedrivePlan) -> bool:
        redriving.render_plan(plan, choice, rate, shown)
        if dry_run or not plan.total:
            return False
        if not yes and not typer.confirm(f"Send {plan.total} to {destination} again?", err=True):
            raise typer.Exit(2)
        return True

    with explain_errors(), redriving.redrive_lock(data), opened_deployment(workspace, data) as deployment:
        choice = redriving.choose(deployment.workspace, destination, code or (), from_, to)
        console = Console(stderr=True)
        result = redriving.run(deployment, choice, rate_per_second=rate, agreed=confirmed, console=console)
        if result.redrive_id:
            redriving.render_result(result, data, shown)
    if json:
        print_json(result.to_json())
    raise typer.Exit(2 if result.stopped else 0)
