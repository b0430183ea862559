"""Requests and responses of the routes about alerts, with their limits. Times are Unix ms."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, RootModel
from pydantic.json_schema import SkipJsonSchema

from console.access import Caller
from console.alerts.backtest import LONGEST_BACKTEST_DAYS
from console.alerts.rule_text import read_rule
from console.alerts.subscriptions import Medium
from console.api.errors import Fault, Refused
from console.api.routing import Body
from model.alerts.rule import EMAIL_PREFIX, RULE, AnyRule, Rule, scope_of
from model.alerts.version import RuleVersion
from model.workspace.permissions import Role
from sinks.clickhouse.rows import LATEST_TIME_MS

ROWS_LIMIT = 1_000
NAME_LIMIT_CHARS = 256
States = Mapping[str, dict[str, Any]]


def _rule(definition: Any) -> Rule:
    try:
        return read_rule(definition)
    except ValueError as error:
        raise Refused(400, str(error)) from None


TimeMs = Annotated[int, Field(ge=0, le=LATEST_TIME_MS)]
Version = Annotated[int, Field(ge=1, le=2**32 - 1)]
Name = Annotated[str, Field(max_length=NAME_LIMIT_CHARS)]


class AlertRule(RootModel[Annotated[Rule, PlainValidator(_rule, json_schema_input_type=AnyRule)]]):
    """What somebody wants to be notified of."""


class Edit(Body):
    """A changed rule."""

    version: Version
    """The version that was changed; refused when it is not the newest."""
    rule: AlertRule
    """The whole rule."""


class Mute(Body):
    """How long nobody is notified."""

    until_ms: TimeMs


class Subscription(Body):
    """Notify the caller of every hour in which deliveries to a destination failed."""

    destination: Name
    """The destination's id."""
    channel: Medium
    """in-app, or email to the address of the caller."""


class Backtest(Body):
    """A rule to try on the past: an existing one, or a new one."""

    rule_id: Name = ""
    """An existing rule; or:"""
    rule: AlertRule | SkipJsonSchema[None] = None
    """The whole rule."""
    days: int = Field(default=14, ge=1, le=LONGEST_BACKTEST_DAYS)
    """How far back."""


class ChannelTest(Body):
    """A channel to try."""

    channel: Name
    """in-app, email:me, email:ADDRESS, or an id of alerts.channels."""


class Nothing(Body):
    """No parameters."""


class _Query(Body):
    model_config = ConfigDict(strict=False)  # a query string has numbers as text


class RulesQuery(_Query):
    """Which rules."""

    source: Name = ""
    """Only those of this source."""
    destination: Name = ""
    """Only those of this destination."""


class DeleteQuery(_Query):
    """Which version is deleted."""

    version: Version
    """The version that the caller knows; refused when it is not the newest."""


class PeriodQuery(_Query):
    """Which period."""

    from_ms: TimeMs = 0
    """Unix ms, included."""
    to_ms: TimeMs = LATEST_TIME_MS
    """Unix ms, not included."""
    limit: int = Field(default=100, ge=1, le=ROWS_LIMIT)
    """How many at most, newest first."""


class HistoryQuery(PeriodQuery, RulesQuery):
    """Which changes of rules."""

    rule_id: Name = ""
    """Only this rule."""


class UnsubscribeQuery(_Query):
    """The subscription to end."""

    destination: Name
    """The destination's id."""
    channel: Medium | SkipJsonSchema[None] = None
    """Only on this channel; not given: on all."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class ShownRule(_Answer):
    """The newest version of a rule with its state, as a caller sees it. 0 is never."""

    id: str
    version: int
    rule: dict[str, Any]
    """The rule; mail addresses are abbreviated, except for its creator and owners."""
    source: str
    destination: str
    mapping: str
    owner: str
    """user, or workspace: a rule of the workspace file."""
    creator: str
    author: str
    """Who made this version."""
    change: str
    at_ms: int
    muted_until_ms: int
    acknowledged_ms: int
    deleted: bool
    status: str | None
    """firing or ok; null before the first evaluation. The fields below belong to it."""
    since_ms: int | None
    check: str | None
    numerator: int | None
    denominator: int | None
    threshold_bp: int | None


_OF_VERSION = ShownRule.model_fields.keys() & {field.name for field in fields(RuleVersion)} - {"rule"}
_OF_STATE = {name: name for name in ("status", "check", "numerator", "denominator", "threshold_bp")} | {
    "since_ms": "since"
}


class RuleAnswer(_Answer):
    """A rule."""

    rule: ShownRule


class RulesAnswer(_Answer):
    """Rules."""

    rules: list[ShownRule]


class HistoryAnswer(_Answer):
    """The rows of view alert_history."""

    history: list[dict[str, Any]]


class InboxAnswer(_Answer):
    """The rows of view alert_inbox: messages to everybody, and to the caller."""

    messages: list[dict[str, Any]]


class ChannelsAnswer(_Answer):
    """Every channel, with its row of view alert_channel_health."""

    channels: list[dict[str, Any]]


class Conflict(Fault):
    """An edit of an old version."""

    current: ShownRule
    """The newest version."""


def states_by_rule(rows: Iterable[dict[str, Any]]) -> States:
    """Choose, of the rows of view alert_states_now, one for each rule: the check that fires, else the last changed."""
    chosen: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["status"] == "firing", row["at"])):
        chosen[row["rule_id"]] = row
    return chosen


def shown_rule(version: RuleVersion, states: States, who: Caller) -> ShownRule:
    """Return the newest version of a rule with its state."""
    definition = RULE.dump_python(version.rule, mode="json")
    if who.role is not Role.OWNER and version.creator != who.name:
        definition["channels"] = [_hidden(channel) for channel in definition["channels"]]
    state = states.get(version.rule_id, {})
    known: dict[str, Any] = {name: getattr(version, name) for name in _OF_VERSION}
    known |= {name: state.get(column) for name, column in _OF_STATE.items()}
    source, destination, mapping = scope_of(version.rule)
    return ShownRule(
        id=version.rule_id,
        rule=definition,
        source=source,
        destination=destination,
        mapping=mapping,
        **known,
    )


def _hidden(channel: str) -> str:
    name, at, host = channel.removeprefix(EMAIL_PREFIX).partition("@")
    return f"{EMAIL_PREFIX}{name[:1]}…@{host}" if at else channel
