"""The state machine of a check: ok, firing, ok. Pure, and the same for rules of people and of Waybill itself.

Each change makes one alert event, and a firing rule makes reminders. An alert event that notifies nobody is recorded
with the reason. If muting or a backlog suppressed it and the rule still fires later, a reminder notifies instead; a
suppressed reminder is not made.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

from model.alerts.alert_event import AlertEvent, ComparedNumbers, Suppression, alert_event_id
from model.alerts.measurement import Measurement
from model.alerts.notification import Change
from model.alerts.state import Check, RuleState
from model.durations import HOUR_MS

LATE_MS = HOUR_MS
_OF_COMPARISON = [field.name for field in fields(ComparedNumbers)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleContext:
    """A version of a rule, or one of Waybill's own rules. Fields are those of `AlertEvent`.

    definition: digest of what the rule compares. acknowledged_ms: when somebody acknowledged it; 0: nobody has.
    """

    rule_id: str
    rule_version: int
    rule_name: str
    kind: str
    source: str
    destination: str
    mapping: str
    channels: tuple[str, ...]
    author: str
    remind_after_seconds: int | None
    muted_until_ms: int = 0
    acknowledged_ms: int = 0
    definition: str = ""


_OF_RULE = {field.name for field in fields(RuleContext)} & {field.name for field in fields(AlertEvent)}


def step(
    context: RuleContext, check: Check, state: RuleState, measured: Measurement, at_ms: int, now_ms: int
) -> tuple[RuleState, AlertEvent | None]:
    """Apply a measurement: return the new state (the same object if unchanged) and the alert event to record."""
    muted, late = at_ms < context.muted_until_ms, now_ms - at_ms > LATE_MS
    suppressed = Suppression.MUTED if muted else Suppression.LATE if late else ""
    if not state.firing and measured.outside:
        made = _alert_event(context, check, Change.FIRED, at_ms, state, measured, suppressed)
        firing = RuleState(
            firing=True,
            since_ms=at_ms,
            episode=made.id,
            notified_ms=0 if suppressed else at_ms,
            suppressed=suppressed,
            definition=context.definition,
        )
        return firing, made
    if not state.firing:
        return state, None
    if not measured.outside:
        if state.definition != context.definition:
            measured = replace(measured, notes=(*measured.notes, "The rule was edited while it fired."))
        suppressed = suppressed or ("" if state.notified_ms else Suppression.NEVER_NOTIFIED)
        made = _alert_event(context, check, Change.RECOVERED, at_ms, state, measured, suppressed)
        return RuleState(since_ms=at_ms), made
    if suppressed or context.acknowledged_ms >= state.since_ms or not _is_due(context, state, at_ms):
        return state, None
    if not state.notified_ms:
        why = "muted" if state.suppressed == Suppression.MUTED else "found in a backlog"
        measured = replace(
            measured, notes=(*measured.notes, f"No notification was sent when it started to fire: it was {why}.")
        )
    made = _alert_event(context, check, Change.REMINDER, at_ms, state, measured, "")
    return replace(state, notified_ms=at_ms), made


def close_episode(
    context: RuleContext, check: Check, state: RuleState, at_ms: int, why: str
) -> tuple[RuleState, AlertEvent | None]:
    """Close an episode that can no longer recover. The alert event is recorded and notifies nobody."""
    if not state.firing:
        return state, None
    nothing = Measurement(outside=False, from_ms=0, to_ms=0, notes=(why,))
    made = _alert_event(context, check, Change.RECOVERED, at_ms, state, nothing, Suppression.ENDED)
    return RuleState(since_ms=at_ms), made


def _is_due(context: RuleContext, state: RuleState, at_ms: int) -> bool:
    if not state.notified_ms:
        return True
    after_seconds = context.remind_after_seconds
    return after_seconds is not None and at_ms - state.notified_ms >= after_seconds * 1_000


def _alert_event(
    context: RuleContext,
    check: Check,
    change: Change,
    at_ms: int,
    state: RuleState,
    measured: Measurement,
    suppressed: str,
) -> AlertEvent:
    id_ = alert_event_id(context.rule_id, check, at_ms, change)
    fields_of_event: dict[str, Any] = {name: getattr(context, name) for name in _OF_RULE}
    fields_of_event |= {name: getattr(measured, name) for name in _OF_COMPARISON}
    return AlertEvent(
        id=id_,
        check=check,
        change=change,
        at_ms=at_ms,
        since_ms=state.since_ms if state.firing else at_ms,
        episode=state.episode or id_,
        notified=not suppressed,
        suppressed_reason=suppressed,
        **fields_of_event,
    )
