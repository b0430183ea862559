"""`waybill alerts list`, `create`, `edit` and `delete`: the rules themselves."""

from typing import Annotated

import typer
from rich.console import Console

from console.command_line import DATA, WORKSPACE, AsJson, DataDirectory, WorkspaceFile
from console.commands.alerts import render as drawing
from console.commands.alerts.common import asking, path_of, printed, show_rule
from console.commands.alerts.options import (
    Baseline,
    BelowPercent,
    ChangePercent,
    ChannelList,
    Destination,
    Direction,
    FirstBelowPercent,
    Kind,
    Mapping,
    MinimumDeliveries,
    MinimumEvents,
    MinimumFirst,
    Name,
    Remind,
    RuleFile,
    RuleId,
    Source,
    definition,
    named,
)
from console.reports.render_parts import printable
from flows.engine.clock import wall_clock_ms


def list_(
    source: Annotated[str, typer.Option(help="Only rules of this source.")] = "",
    destination: Annotated[str, typer.Option(help="Only rules of this destination.")] = "",
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Show the rules there are, and which of them fire."""
    with asking(workspace, data) as client:
        answer = client.ask("GET", "rules", source=source, destination=destination)
    if not printed(answer, json):
        drawing.render_rules(answer["rules"], wall_clock_ms(), Console())


def create(
    kind: Annotated[Kind | None, typer.Option(help="What it watches.")] = None,
    name: Name = None,
    source: Source = None,
    destination: Destination = None,
    mapping: Mapping = None,
    change_percent: ChangePercent = None,
    direction: Direction = None,
    minimum_events: MinimumEvents = None,
    baseline: Baseline = None,
    below_percent: BelowPercent = None,
    minimum_deliveries: MinimumDeliveries = None,
    first_attempts_below_percent: FirstBelowPercent = None,
    minimum_first_attempts: MinimumFirst = None,
    channel: ChannelList = None,
    remind_after: Remind = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Make it, but do not evaluate it yet.")] = False,
    file: RuleFile = None,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Make a rule, from options or from a file."""
    with asking(workspace, data) as client:
        rule = definition(
            file,
            kind=kind,
            name=name,
            source=source,
            destination=destination,
            mapping=mapping,
            change_percent=change_percent,
            direction=direction,
            minimum_events=minimum_events,
            baseline=baseline,
            below_percent=below_percent,
            minimum_deliveries=minimum_deliveries,
            first_attempts_below_percent=first_attempts_below_percent,
            minimum_first_attempts=minimum_first_attempts,
            channels=channel or None,
            remind_after_seconds=remind_after,
            enabled=False if disabled else None,
        )
        answer = client.ask("POST", "rules", named(rule))
    show_rule(answer, "Made", json)


def edit(
    rule_id: RuleId,
    name: Name = None,
    source: Source = None,
    destination: Destination = None,
    mapping: Mapping = None,
    change_percent: ChangePercent = None,
    direction: Direction = None,
    minimum_events: MinimumEvents = None,
    baseline: Baseline = None,
    below_percent: BelowPercent = None,
    minimum_deliveries: MinimumDeliveries = None,
    first_attempts_below_percent: FirstBelowPercent = None,
    minimum_first_attempts: MinimumFirst = None,
    channel: ChannelList = None,
    remind_after: Remind = None,
    enable: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it is evaluated.")] = None,
    version: Annotated[
        int | None,
        typer.Option(help="The version you looked at; refused if there is a newer one. Not given: the newest."),
    ] = None,
    file: RuleFile = None,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Change a rule: what is not given stays as it is."""
    with asking(workspace, data) as client:
        current = client.ask("GET", path_of(rule_id))["rule"]
        changes = definition(
            file,
            name=name,
            source=source,
            destination=destination,
            mapping=mapping,
            change_percent=change_percent,
            direction=direction,
            minimum_events=minimum_events,
            baseline=baseline,
            below_percent=below_percent,
            minimum_deliveries=minimum_deliveries,
            first_attempts_below_percent=first_attempts_below_percent,
            minimum_first_attempts=minimum_first_attempts,
            channels=channel or None,
            remind_after_seconds=remind_after,
            enabled=enable,
        )
        body = {"version": version or current["version"], "rule": {**current["rule"], **changes}}
        answer = client.ask("PUT", path_of(rule_id), body)
    show_rule(answer, "Changed", json)


def delete(
    rule_id: RuleId,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Delete a rule. What it did stays in the history."""
    with asking(workspace, data) as client:
        current = client.ask("GET", path_of(rule_id))["rule"]
        if not yes and not typer.confirm(f"Delete {printable(current['rule']['name'])}?", err=True):
            raise typer.Exit(2)
        answer = client.ask("DELETE", path_of(rule_id), version=current["version"])
    show_rule(answer, "Deleted", json)
