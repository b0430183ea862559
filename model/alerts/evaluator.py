"""Evaluates rules over windows. Pure: the same versions, states and windows give the same alert events.

The newest version of a rule applies. A rule edited while it fires keeps its state; a rule deleted or disabled while it
fires closes its episode.
"""

from collections.abc import Mapping
from hashlib import blake2b

from model.alerts.alert_event import AlertEvent
from model.alerts.measurement import (
    History,
    Measurement,
    measure_failed,
    measure_first_attempts,
    measure_rate,
    measure_volume,
)
from model.alerts.measures import FIVE_MINUTES_MS
from model.alerts.rule import RULE, DeliveryRate, FailedEvents, Rule, SourceVolume, scope_of
from model.alerts.state import NEVER_FIRED, Check, RuleState, StateKey
from model.alerts.state_machine import RuleContext, close_episode, step
from model.alerts.version import RuleVersion
from model.alerts.windows import Windows

RULE_CHECKS = (Check.DAY, Check.FAST, Check.HOUR)
_NOT_COMPARED = {"name", "channels", "remind_after_seconds", "enabled"}


def evaluate_minute(
    newest: Mapping[str, RuleVersion],
    states: Mapping[StateKey, RuleState],
    windows: Windows,
    history: History,
    now_ms: int,
) -> tuple[dict[StateKey, RuleState], list[AlertEvent]]:
    """Evaluate every check of every rule at the end of the windows.

    ``newest``: from `model.alerts.version.newest`, deleted rules included, so that their episodes close. Returns the
    states that changed and the alert events to record.
    """
    changed: dict[StateKey, RuleState] = {}
    alert_events: list[AlertEvent] = []
    for rule_id, version in newest.items():
        checks = checks_of(version.rule)
        for check in RULE_CHECKS:
            key = StateKey(rule_id, check)
            before = states.get(key)
            if before is None and check not in checks:
                continue
            state, alert_event = evaluate(version, check, before or NEVER_FIRED, windows, history, now_ms)
            if state is not (before or NEVER_FIRED):
                changed[key] = state
            if alert_event is not None:
                alert_events.append(alert_event)
    return changed, alert_events


def evaluate(
    version: RuleVersion, check: Check, state: RuleState, windows: Windows, history: History, now_ms: int
) -> tuple[RuleState, AlertEvent | None]:
    """Evaluate one check of a rule: the state after it (the same object when nothing changed) and what to record.

    ``now_ms`` is the wall clock; it only decides what is too late to notify anybody of.
    """
    rule = version.rule
    if version.deleted or not rule.enabled or check not in checks_of(rule):
        return close_episode(_context(version), check, state, windows.end_ms, _why(version))
    if check is Check.DAY and windows.end_ms % FIVE_MINUTES_MS:
        return state, None  # its windows have not moved since it was evaluated
    measured = _find(rule, check, windows, history, firing=state.firing)
    if measured is None or (not measured.outside and not state.firing):
        return state, None
    return step(_context(version), check, state, measured, measured.to_ms, now_ms)


def checks_of(rule: Rule) -> tuple[Check, ...]:
    """The checks a rule has."""
    if isinstance(rule, FailedEvents):
        return (Check.HOUR,)
    fast = isinstance(rule, DeliveryRate) and rule.first_attempts_below_percent is not None
    return (Check.DAY, Check.FAST) if fast else (Check.DAY,)


def _find(rule: Rule, check: Check, windows: Windows, history: History, *, firing: bool) -> Measurement | None:
    if isinstance(rule, SourceVolume):
        return measure_volume(rule, windows, history, firing=firing)
    if isinstance(rule, FailedEvents):
        return measure_failed(rule, windows, firing=firing)
    of = measure_first_attempts if check is Check.FAST else measure_rate
    return of(rule, windows, firing=firing)


def _why(version: RuleVersion) -> str:
    if version.deleted:
        return "The rule was deleted while it fired."
    return "The rule was edited while it fired." if version.rule.enabled else "The rule was disabled while it fired."


def _context(version: RuleVersion) -> RuleContext:
    rule = version.rule
    source, destination, mapping = scope_of(rule)
    compared = RULE.dump_json(rule, exclude=_NOT_COMPARED)
    return RuleContext(
        rule_id=version.rule_id,
        rule_version=version.version,
        rule_name=rule.name,
        kind=rule.kind,
        source=source,
        destination=destination,
        mapping=mapping,
        channels=rule.channels,
        author=version.creator,
        remind_after_seconds=rule.remind_after_seconds,
        muted_until_ms=version.muted_until_ms,
        acknowledged_ms=version.acknowledged_ms,
        definition=blake2b(compared, digest_size=8).hexdigest(),
    )
