"""`waybill alerts mute`, `unmute`, `ack`, `history`, `inbox`, `test-channel`, `subscribe` and `unsubscribe`."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from console.alerts.subscriptions import Medium
from console.commands.alerts import render
from console.commands.alerts.client import AlertsClient
from console.commands.alerts.command import Answer, RuleId, api_command, path_of
from console.period import parse_period, parse_time
from flows.engine.clock import wall_clock_ms

Limit = Annotated[int, typer.Option(min=1, max=1_000, help="How many at most.")]
Back = Annotated[str, typer.Option(help="How far back: 24h, 14d.")]
Topic = Literal["failed-events"]  # what can be subscribed to
FailedDestination = Annotated[str, typer.Option(help="The destination whose deliveries failed.")]


@api_command(render.changed_rule("Muted"))
def mute(
    client: AlertsClient,
    rule_id: RuleId,
    for_: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 7d.")] = "",
    until: Annotated[str, typer.Option(help="Until when (UTC, or with an offset).")] = "",
) -> Answer:
    """Send no notifications of a rule for a while. Changes are recorded; if the rule still fires then, it notifies."""
    return client.ask("POST", f"{path_of(rule_id)}/mute", {"until_ms": until_ms(for_, until, wall_clock_ms())})


@api_command(render.changed_rule("Unmuted"))
def unmute(client: AlertsClient, rule_id: RuleId) -> Answer:
    """Send notifications of a rule again."""
    return client.ask("POST", f"{path_of(rule_id)}/unmute", {})


@api_command(render.changed_rule("Acknowledged"))
def ack(client: AlertsClient, rule_id: RuleId) -> Answer:
    """Acknowledge a rule that fires: no reminders until it recovers."""
    return client.ask("POST", f"{path_of(rule_id)}/acknowledge", {})


@api_command(render.history)
def history(
    client: AlertsClient,
    rule: Annotated[str, typer.Option(help="Only this rule, by id.")] = "",
    source: Annotated[str, typer.Option(help="Only rules of this source.")] = "",
    destination: Annotated[str, typer.Option(help="Only rules of this destination.")] = "",
    period: Back = "14d",
    limit: Limit = 50,
) -> Answer:
    """Show when rules fired and recovered, and whether anybody was notified."""
    from_ms, to_ms = parse_period(period).until(wall_clock_ms())
    scope = {"rule_id": rule, "source": source, "destination": destination}
    return client.ask("GET", "history", from_ms=from_ms, to_ms=to_ms, limit=limit, **scope)


@api_command(render.inbox)
def inbox(client: AlertsClient, period: Back = "7d", limit: Limit = 50) -> Answer:
    """Show the notifications in the app, to everybody and to you."""
    from_ms, to_ms = parse_period(period).until(wall_clock_ms())
    return client.ask("GET", "inbox", from_ms=from_ms, to_ms=to_ms, limit=limit)


@api_command(render.channel_test, succeeded=lambda answer: bool(answer["taken"]))
def test_channel(
    client: AlertsClient,
    channel: Annotated[str, typer.Argument(help="in-app, email:me, email:ADDRESS or an id of alerts.channels.")],
) -> Answer:
    """Send a test message. Exit 1: the channel did not accept it."""
    return client.ask("POST", "test-channel", {"channel": channel})


@api_command(render.changed_rule("Subscribed to failed-events:"))
def subscribe(
    client: AlertsClient,
    topic: Annotated[Topic, typer.Argument(help="What to be notified of.")],
    destination: FailedDestination,
    channel: Annotated[Medium, typer.Option(help="How to be notified.")] = "in-app",
) -> Answer:
    """Be notified of every hour in which deliveries to a destination failed; nobody else is."""
    return client.ask("POST", "subscriptions", {"destination": destination, "channel": channel})


@api_command(render.changed_rule("Unsubscribed from failed-events:"))
def unsubscribe(
    client: AlertsClient,
    topic: Annotated[Topic, typer.Argument(help="What to stop being notified of.")],
    destination: FailedDestination,
    channel: Annotated[Medium | None, typer.Option(help="Only this way of notifying; default: all.")] = None,
) -> Answer:
    """Stop being notified of failed deliveries to a destination."""
    return client.ask("DELETE", "subscriptions", destination=destination, channel=channel)


def until_ms(for_: str, until: str, now_ms: int) -> int:
    """Read the end of a mute from one of two options, as Unix ms."""
    if bool(for_) == bool(until):
        raise typer.BadParameter("give either --for 2h or --until 2026-11-22T08:00")
    if for_:
        return now_ms + parse_period(for_).seconds * 1_000
    end_ms = parse_time(until, "--until")
    assert end_ms is not None
    if end_ms <= now_ms:
        now = f"{datetime.fromtimestamp(now_ms / 1_000, UTC):%Y-%m-%dT%H:%M}"
        raise typer.BadParameter(f"{until!r} is in the past; it is {now} UTC", param_hint="--until")
    return end_ms
