"""Options of the command line that say what a rule is, made into the definition that the API takes."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from console.alerts.rule_text import parse_rule
from console.period import parse_period, parse_time

RuleId = Annotated[str, typer.Argument(metavar="ID", help="Id of the rule, as `waybill alerts list` shows it.")]
Source = Annotated[str | None, typer.Option(help="The source whose events it is about.")]
Destination = Annotated[str | None, typer.Option(help="The destination whose deliveries it is about.")]
Mapping = Annotated[str | None, typer.Option(help="Only this mapping of the connection; needs --source.")]
Name = Annotated[str | None, typer.Option(help="Name for people; the title of every message.")]
ChannelList = Annotated[
    list[str] | None,
    typer.Option("--channel", help="in-app, email:me, email:ADDRESS or an id of alerts.channels; several times."),
]
Remind = Annotated[str | None, typer.Option(help="Tell again while it fires: 24h, 7d, or never.")]
ChangePercent = Annotated[str | None, typer.Option(help="source-volume: tell of a larger change than this.")]
Direction = Annotated[str | None, typer.Option(help="source-volume: up, down or both.")]
MinimumEvents = Annotated[int | None, typer.Option(help="source-volume: tell nothing of fewer events.")]
Baseline = Annotated[str | None, typer.Option(help="source-volume: compare with the day before, or a week ago.")]
BelowPercent = Annotated[str | None, typer.Option(help="delivery-rate: tell of a lower rate of success.")]
MinimumDeliveries = Annotated[int | None, typer.Option(help="delivery-rate: tell nothing of fewer deliveries.")]
FirstBelowPercent = Annotated[
    str | None, typer.Option("--first-attempts-below-percent", help="delivery-rate: of first attempts, in minutes.")
]
MinimumFirst = Annotated[
    int | None, typer.Option("--minimum-first-attempts", help="delivery-rate: tell nothing of fewer in 5 minutes.")
]
RuleFile = Annotated[Path | None, typer.Option("--file", help="The rule as YAML or JSON; options given change it.")]


class Kind(StrEnum):
    """Kinds of rules."""

    SOURCE_VOLUME = "source-volume"
    DELIVERY_RATE = "delivery-rate"
    FAILED_EVENTS = "failed-events"


def definition(file: Path | None, **given: Any) -> dict[str, Any]:
    """Put a definition together: what stands in the file, and the options that were given (not None)."""
    read = parse_rule(file.read_bytes(), str(file)) if file is not None else {}
    options = {name: value for name, value in given.items() if value is not None}
    if "remind_after_seconds" in options:
        options["remind_after_seconds"] = _remind_seconds(options["remind_after_seconds"])
    return {**read, **options}


def named(rule: dict[str, Any]) -> dict[str, Any]:
    """Give a rule without a name one that says what it is about."""
    about = rule.get("source" if rule.get("kind") == Kind.SOURCE_VOLUME else "destination")
    usual: dict[str, str] = {
        Kind.SOURCE_VOLUME: f"Volume of {about}",
        Kind.DELIVERY_RATE: f"Delivery to {about}",
        Kind.FAILED_EVENTS: f"Failed events of {about}",
    }
    name = usual.get(str(rule.get("kind")))
    return rule if "name" in rule or name is None else {**rule, "name": name}


def until_ms(for_: str, until: str, now_ms: int) -> int:
    """Read the end of a mute from one of two options, as Unix ms."""
    if bool(for_) == bool(until):
        raise typer.BadParameter("say either --for 2h or --until 2026-11-22T08:00")
    if for_:
        return now_ms + parse_period(for_).seconds * 1_000
    end_ms = parse_time(until, "--until")
    assert end_ms is not None
    if end_ms <= now_ms:
        now = f"{datetime.fromtimestamp(now_ms / 1_000, UTC):%Y-%m-%dT%H:%M}"
        raise typer.BadParameter(f"{until!r} is over; it is {now} UTC", param_hint="--until")
    return end_ms


def period_ms(text: str, now_ms: int) -> tuple[int, int]:
    """Read a period that ends now, as Unix ms [from, to)."""
    return parse_period(text).until(now_ms)


def _remind_seconds(text: str) -> int | None:
    return None if text == "never" else parse_period(text).seconds
