"""`waybill alerts list`, `create`, `edit`, `delete` and `backtest`: the rules themselves."""

from pathlib import Path
from typing import Annotated, Any

import typer

from console.commands.alerts import render
from console.commands.alerts.client import AlertsClient
from console.commands.alerts.command import Answer, RuleId, api_command, path_of
from console.commands.alerts.options import Kind, RuleOptions, definition, named
from console.reports.render_parts import printable

RuleFile = Annotated[Path | None, typer.Option(help="The rule as YAML or JSON; options change it.")]


@api_command(render.rules)
def list_(
    client: AlertsClient,
    source: Annotated[str, typer.Option(help="Only rules of this source.")] = "",
    destination: Annotated[str, typer.Option(help="Only rules of this destination.")] = "",
) -> Answer:
    """Show the alert rules, and which of them fire."""
    return client.ask("GET", "rules", source=source, destination=destination)


@api_command(render.changed_rule("Created"), options=RuleOptions)
def create(
    client: AlertsClient,
    kind: Annotated[Kind | None, typer.Option(help="What it watches.")] = None,
    *,
    disabled: Annotated[bool, typer.Option("--disabled", help="Create the rule without evaluating it yet.")] = False,
    file: RuleFile = None,
    **options: Any,
) -> Answer:
    """Create a rule, from options or from a file."""
    rule = definition(file, kind=kind, enabled=False if disabled else None, **options)
    return client.ask("POST", "rules", named(rule))


@api_command(render.changed_rule("Changed"), options=RuleOptions)
def edit(
    client: AlertsClient,
    rule_id: RuleId,
    *,
    enable: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it is evaluated.")] = None,
    version: Annotated[
        int | None,
        typer.Option(
            help="The version that the change is based on; refused if there is a newer one. Default: the newest."
        ),
    ] = None,
    file: RuleFile = None,
    **options: Any,
) -> Answer:
    """Change a rule. What is not given stays as it is."""
    current = client.ask("GET", path_of(rule_id))["rule"]
    rule = current["rule"] | definition(file, enabled=enable, **options)
    return client.ask("PUT", path_of(rule_id), {"version": version or current["version"], "rule": rule})


@api_command(render.changed_rule("Deleted"))
def delete(
    client: AlertsClient,
    rule_id: RuleId,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> Answer:
    """Delete a rule. Its history stays."""
    current = client.ask("GET", path_of(rule_id))["rule"]
    if not yes and not typer.confirm(f"Delete {printable(current['rule']['name'])}?", err=True):
        raise typer.Exit(2)
    return client.ask("DELETE", path_of(rule_id), version=current["version"])


@api_command(render.backtest)
def backtest(
    client: AlertsClient,
    rule_id: Annotated[str, typer.Argument(metavar="[ID]", help="An existing rule; or give --file.")] = "",
    file: Annotated[Path | None, typer.Option(help="A new rule, as YAML or JSON.")] = None,
    days: Annotated[int, typer.Option(min=1, max=90, help="How far back.")] = 14,
) -> Answer:
    """Show when a rule would have fired. Nobody is notified."""
    if bool(rule_id) == (file is not None):
        raise typer.BadParameter("give either the id of a rule or --file")
    rule = {"rule_id": rule_id} if file is None else {"rule": named(definition(file))}
    return client.ask("POST", "backtest", {**rule, "days": days})
