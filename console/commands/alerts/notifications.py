"""`waybill alerts mute`, `unmute`, `ack`, `history`, `inbox`, `subscribe`, `unsubscribe`: what is told, and to whom."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from console.alerts.subscriptions import Medium
from console.command_line import DATA, WORKSPACE, AsJson, DataDirectory, WorkspaceFile
from console.commands.alerts import render as drawing
from console.commands.alerts.common import asking, path_of, printed, show_rule
from console.commands.alerts.options import RuleId, period_ms, until_ms
from flows.engine.clock import wall_clock_ms


class Topic(StrEnum):
    """What can be subscribed to."""

    FAILED_EVENTS = "failed-events"


def mute(
    rule_id: RuleId,
    for_: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 7d.")] = "",
    until: Annotated[str, typer.Option(help="Until when (UTC, or with an offset).")] = "",
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Tell nothing of a rule for a while. What happens is recorded, and told afterwards if it still fires."""
    end_ms = until_ms(for_, until, wall_clock_ms())
    with asking(workspace, data) as client:
        answer = client.ask("POST", f"{path_of(rule_id)}/mute", {"until_ms": end_ms})
    show_rule(answer, "Muted", json)


def unmute(
    rule_id: RuleId, workspace: WorkspaceFile = WORKSPACE, data: DataDirectory = DATA, json: AsJson = False
) -> None:
    """Tell of a rule again."""
    with asking(workspace, data) as client:
        answer = client.ask("POST", f"{path_of(rule_id)}/unmute", {})
    show_rule(answer, "Unmuted", json)


def ack(
    rule_id: RuleId, workspace: WorkspaceFile = WORKSPACE, data: DataDirectory = DATA, json: AsJson = False
) -> None:
    """Take notice of a rule that fires: no reminders until it recovers."""
    with asking(workspace, data) as client:
        answer = client.ask("POST", f"{path_of(rule_id)}/acknowledge", {})
    show_rule(answer, "Acknowledged", json)


def history(
    rule: Annotated[str, typer.Option(help="Only this rule, by id.")] = "",
    source: Annotated[str, typer.Option(help="Only rules of this source.")] = "",
    destination: Annotated[str, typer.Option(help="Only rules of this destination.")] = "",
    period: Annotated[str, typer.Option(help="How far back: 24h, 14d.")] = "14d",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many at most.")] = 50,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Show when rules fired and recovered, and whether it was told."""
    from_ms, to_ms = period_ms(period, wall_clock_ms())
    asked = {"from_ms": from_ms, "to_ms": to_ms, "limit": limit, "source": source, "destination": destination}
    with asking(workspace, data) as client:
        answer = client.ask("GET", "history", rule_id=rule, **asked)
    if not printed(answer, json):
        drawing.render_history(answer["history"], Console())


def inbox(
    period: Annotated[str, typer.Option(help="How far back: 24h, 14d.")] = "7d",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many at most.")] = 50,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Show what was told in the app, to everybody and to you."""
    from_ms, to_ms = period_ms(period, wall_clock_ms())
    with asking(workspace, data) as client:
        answer = client.ask("GET", "inbox", from_ms=from_ms, to_ms=to_ms, limit=limit)
    if not printed(answer, json):
        drawing.render_inbox(answer["messages"], Console())


def subscribe(
    topic: Annotated[Topic, typer.Argument(help="What to be told of.")],
    destination: Annotated[str, typer.Option(help="The destination it is about.")],
    channel: Annotated[Medium, typer.Option(help="How to be told.")] = "in-app",
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Be told of every hour in which deliveries to a destination failed; you alone."""
    with asking(workspace, data) as client:
        answer = client.ask("POST", "subscriptions", {"destination": destination, "channel": channel})
    show_rule(answer, f"Subscribed to {topic}:", json)


def unsubscribe(
    topic: Annotated[Topic, typer.Argument(help="What to be told of no more.")],
    destination: Annotated[str, typer.Option(help="The destination it is about.")],
    channel: Annotated[Medium | None, typer.Option(help="Only no more on this one; not given: on none.")] = None,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Be told no more of failed deliveries to a destination."""
    with asking(workspace, data) as client:
        answer = client.ask("DELETE", "subscriptions", destination=destination, channel=channel)
    show_rule(answer, f"Unsubscribed from {topic}:", json)
