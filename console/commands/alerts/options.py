"""Options that define a rule, and the definition made of them that the API takes."""

from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import typer

from console.alerts.rule_text import parse_rule
from console.period import parse_period

Kind = Literal["source-volume", "delivery-rate", "failed-events"]


class RuleOptions(TypedDict):
    """The options of `create` and `edit`, named as in a definition; None when not given."""

    name: Annotated[str | None, typer.Option(help="Name for people; the title of every message.")]
    source: Annotated[str | None, typer.Option(help="The source whose events the rule watches.")]
    destination: Annotated[str | None, typer.Option(help="The destination whose deliveries the rule watches.")]
    mapping: Annotated[str | None, typer.Option(help="Only this mapping of the connection; needs --source.")]
    change_percent: Annotated[str | None, typer.Option(help="source-volume: fire on a change larger than this.")]
    direction: Annotated[str | None, typer.Option(help="source-volume: up, down or both.")]
    minimum_events: Annotated[int | None, typer.Option(help="source-volume: do not fire on fewer events than this.")]
    baseline: Annotated[
        str | None, typer.Option(help="source-volume: compare with the day before (day) or a week ago (week).")
    ]
    below_percent: Annotated[str | None, typer.Option(help="delivery-rate: fire on a success rate below this.")]
    minimum_deliveries: Annotated[
        int | None, typer.Option(help="delivery-rate: do not fire on fewer deliveries than this.")
    ]
    first_attempts_below_percent: Annotated[
        str | None,
        typer.Option(help="delivery-rate: fire within minutes on a success rate of first attempts below this."),
    ]
    minimum_first_attempts: Annotated[
        int | None, typer.Option(help="delivery-rate: do not fire on fewer first attempts in 5 minutes than this.")
    ]
    channel: Annotated[
        list[str] | None,
        typer.Option(help="in-app, email:me, email:ADDRESS or an id of alerts.channels; can be given several times."),
    ]
    remind_after: Annotated[str | None, typer.Option(help="Remind while the rule fires: 24h, 7d, or never.")]


def definition(
    file: Path | None, *, channel: list[str] | None = None, remind_after: str | None = None, **given: Any
) -> dict[str, Any]:
    """Return the definition in a file, changed by the options that were given (not None)."""
    rule = parse_rule(file.read_bytes(), str(file)) if file is not None else {}
    rule |= {name: value for name, value in given.items() if value is not None}
    if channel:
        rule["channels"] = channel
    if remind_after is not None:
        rule["remind_after_seconds"] = None if remind_after == "never" else parse_period(remind_after).seconds
    return rule


def named(rule: dict[str, Any]) -> dict[str, Any]:
    """Give a definition without a name one that says what the rule watches."""
    names: dict[str, str] = {
        "source-volume": f"Volume of {rule.get('source')}",
        "delivery-rate": f"Delivery to {rule.get('destination')}",
        "failed-events": f"Failed events of {rule.get('destination')}",
    }
    name = names.get(str(rule.get("kind")))
    return rule if name is None else {"name": name, **rule}
