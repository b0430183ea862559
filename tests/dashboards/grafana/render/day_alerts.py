"""The alerts of the day in `day`: its rules, evaluated minute by minute, and the messages that were made of it."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from model.alerts.alert_event import AlertEvent
from model.alerts.evaluator import evaluate_minute
from model.alerts.messages import notification_of
from model.alerts.notification import Change
from model.alerts.rule import DeliveryRate, FailedEvents, Rule, SourceVolume
from model.alerts.state import RuleState, StateKey
from model.alerts.system import DestinationStatus, setup
from model.alerts.version import RuleChange, RuleOwner, RuleVersion
from model.alerts.windows import Windows
from model.durations import MINUTE_MS
from model.recording.facts import Fact
from model.recording.rollup import LogMinute
from model.recording.rows import rollup_values
from tests.dashboards.grafana.render.day import HOUR, HOURS, TOKEN_GONE, WORDS
from tests.kit.recording import ONE

Rows = dict[str, list[dict[str, Any]]]
NOTIFIED_FROM = 26 * HOUR  # before the end; the windows know too little of what was earlier
REFUSED = 14 * HOUR


def alerts_of_a_day(facts: Sequence[Fact], to_ms: int) -> Rows:
    """Rows of the tables of alerting."""
    versions = list(_versions(to_ms))
    alert_events = _alert_events(facts, {version.rule_id: version for version in versions}, to_ms)
    states: dict[StateKey, AlertEvent] = {StateKey(one.rule_id, one.check): one for one in alert_events}
    return {
        "alert_rules": [version.as_row() for version in versions],
        "alert_events": [one.as_row() for one in alert_events],
        "alert_states": [_state(one) for one in states.values()],
        "alert_messages": [row for one in alert_events if one.notified for row in _messages(one, to_ms)],
        "alert_channels": list(_channels(to_ms)),
    }


def _versions(to_ms: int) -> Iterable[RuleVersion]:
    rate, volume = DeliveryRate, SourceVolume
    rules: dict[str, Rule] = {
        "workspace:crm": rate(
            kind="delivery-rate", name="CRM takes what we send", destination="crm", below_percent=95,
            first_attempts_below_percent=90, minimum_first_attempts=5, channels=("in-app", "team", "pager"),
        ),
        "b1": rate(
            kind="delivery-rate", name="Mail arrives", destination="mail", source="web", below_percent=97,
            channels=("in-app", "team"),
        ),
        "b2": volume(
            kind="source-volume", name="The iOS app sends as usual", source="ios", change_percent=10,
            direction="down", channels=("in-app", "email:ops@example.com"),
        ),
        "b3": volume(kind="source-volume", name="The shop sends as usual", source="web", change_percent=15),
        "b4": FailedEvents(kind="failed-events", name="Anything lost on the way to the warehouse",
                           destination="warehouse", channels=("in-app", "email:me")),
        "b5": rate(kind="delivery-rate", name="Ads", destination="ads", below_percent=90, channels=("team",)),
    }  # fmt: skip
    for number, (rule_id, rule) in enumerate(rules.items()):
        file = rule_id.startswith("workspace:")
        made: dict[str, Any] = {
            "rule_id": rule_id, "rule": rule, "author": "workspace" if file else "ada",
            "creator": "workspace" if file else "ada", "owner": RuleOwner.WORKSPACE if file else RuleOwner.USER,
        }  # fmt: skip
        yield RuleVersion(**made, version=1, at_ms=to_ms - (20 + number) * 24 * HOUR, change=RuleChange.CREATED)
        if rule_id == "b1":
            made |= {"author": "grace", "change": RuleChange.ACKNOWLEDGED, "acknowledged_ms": to_ms - 40 * MINUTE_MS}
            yield RuleVersion(**made, version=2, at_ms=to_ms - 40 * MINUTE_MS)
        if rule_id == "b5":
            made |= {"author": "grace", "change": RuleChange.MUTED, "muted_until_ms": to_ms + 5 * HOUR}
            yield RuleVersion(**made, version=2, at_ms=to_ms - HOUR)


def _alert_events(facts: Sequence[Fact], newest: dict[str, RuleVersion], to_ms: int) -> list[AlertEvent]:
    windows = Windows(to_ms - HOURS * HOUR)
    states: dict[StateKey, RuleState] = {}
    found: list[AlertEvent] = []
    for minute_ms, of_minute in groupby(facts, key=lambda fact: fact.at_ms // MINUTE_MS * MINUTE_MS):
        counted = LogMinute(minute_ms)
        for fact in of_minute:
            counted.add(fact, ONE)
        windows.advance_to(minute_ms + MINUTE_MS)
        windows.add(rollup_values(series, counts) | {"minute_ms": minute_ms} for series, counts in counted.rows())
        if windows.end_ms > to_ms - NOTIFIED_FROM:
            changed, alert_events = evaluate_minute(newest, states, windows, _NoHistory(), windows.end_ms)
            states |= changed
            found += alert_events
    said = DestinationStatus("ads", to_ms - TOKEN_GONE, "setup", "401", WORDS["401"])
    _, needs_person = setup(said, RuleState(), ("in-app", "team"), to_ms - TOKEN_GONE)
    return sorted([*found, *filter(None, [needs_person])], key=lambda one: one.at_ms)


class _NoHistory:
    def received(self, source: str, from_ms: int, to_ms: int) -> None:
        """Nobody asks: no rule compares with the week before."""


def _state(one: AlertEvent) -> dict[str, Any]:
    return {
        "rule_id": one.rule_id, "check": str(one.check), "at": one.at_ms, "numerator": one.numerator,
        "denominator": one.denominator, "threshold_bp": one.threshold_bp,
        "status": "ok" if one.change is Change.RECOVERED else "firing",
        "since": one.at_ms if one.change is Change.RECOVERED else one.since_ms,
    }  # fmt: skip


def _messages(one: AlertEvent, to_ms: int) -> Iterable[dict[str, Any]]:
    notification = notification_of(one)
    for channel in dict.fromkeys(("in-app", *one.channels)):
        kind, _, address = channel.partition(":")
        refused = channel == "pager" and one.at_ms >= to_ms - REFUSED
        yield {
            "message_id": f"{one.id[:24]}-{channel}", "alert_event_id": one.id, "rule_id": one.rule_id,
            "rule_name": one.rule_name, "change": str(one.change), "channel": kind,
            "recipient": address and f"{address[0]}…@example.com", "state": "dropped" if refused else "sent",
            "attempts": 1, "at": one.at_ms + 800, "code": "404" if refused else "",
            "message": "no_service" if refused else "", "title": notification.title, "summary": notification.summary,
            "link": "", "version": 1,
        }  # fmt: skip


def _channels(to_ms: int) -> Iterable[dict[str, Any]]:
    ok = {"state": "ok", "since": to_ms - 20 * 24 * HOUR, "at": to_ms, "code": "", "message": ""}
    yield from ({"channel": channel, **ok} for channel in ("email", "team"))
    since_ms = to_ms - 10 * HOUR + 3 * MINUTE_MS
    yield {"channel": "pager", "state": "disabled", "since": since_ms, "at": since_ms, "code": "404",
           "message": "no_service"}  # fmt: skip
