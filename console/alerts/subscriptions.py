"""Subscriptions: rules of kind failed-events that people of any role make for themselves."""

from typing import Literal

from console.access import Caller
from console.alerts.rule_text import read_rule
from console.alerts.rules import NoSuchRule, Rules
from model.alerts.rule import EMAIL_PREFIX, IN_APP, FailedEvents
from model.alerts.version import RuleOwner, RuleVersion
from model.config.problems import quoted
from model.workspace.permissions import Action

Medium = Literal["in-app", "email"]
_CHANNELS: dict[Medium, str] = {"in-app": IN_APP, "email": f"{EMAIL_PREFIX}me"}


def subscribe(rules: Rules, destination: str, medium: Medium, who: Caller) -> RuleVersion:
    """Notify ``who`` of every hour with failed events, on ``medium`` besides those they already use.

    Raises what `Rules.create` and `Rules.edit` raise, and ValueError for an invalid destination.
    """
    channel = _CHANNELS[medium]
    known = _own(rules, destination, who)
    if known is None:
        name = f"Failed events of {destination}"
        rule = read_rule({"kind": "failed-events", "name": name, "destination": destination, "channels": [channel]})
        return rules.create(rule, who, Action.SUBSCRIBE)
    if channel in known.rule.channels:
        return known
    more = known.rule.model_copy(update={"channels": (*known.rule.channels, channel)})
    return rules.edit(known.rule_id, known.version, more, who, Action.SUBSCRIBE)


def unsubscribe(rules: Rules, destination: str, medium: Medium | None, who: Caller) -> RuleVersion:
    """Stop notifying ``who``, on one medium or on all. Raises `NoSuchRule` when they are not subscribed."""
    known = _own(rules, destination, who)
    if known is None or (medium and _CHANNELS[medium] not in known.rule.channels):
        by = f" by {medium}" if medium else ""
        raise NoSuchRule(f"you are not notified{by} of failed events of {quoted(destination)}")
    left = tuple(channel for channel in known.rule.channels if medium and channel != _CHANNELS[medium])
    if not left:
        return rules.delete(known.rule_id, known.version, who, Action.SUBSCRIBE)
    less = known.rule.model_copy(update={"channels": left})
    return rules.edit(known.rule_id, known.version, less, who, Action.SUBSCRIBE)


def _own(rules: Rules, destination: str, who: Caller) -> RuleVersion | None:
    for version in rules.all():
        rule = version.rule
        if isinstance(rule, FailedEvents) and version.owner is RuleOwner.USER and version.creator == who.name:
            if rule.destination == destination:
                return version
    return None
