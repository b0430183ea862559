"""The text of an alert event: the comparison with its operator and numbers, and what the reader needs to act.

The views show the same numbers for the same window. Percentages are rounded so that they never contradict the
operator: 94.999 % is 94.99 % when it is below 95 %, and a change of 4.001 % is 4.01 % when it is more than 4 %.
"""

from collections.abc import Iterator

from model.alerts.alert_event import AlertEvent
from model.alerts.notification import Change, Notification
from model.alerts.state import Check
from model.alerts.text import duration, exact, moment, percent

_VOLUME = "source-volume"


def notification_of(alert_event: AlertEvent) -> Notification:
    """Write an alert event as a notification, without errors and links (`flows.alerting.enrichment` adds them)."""
    return Notification(
        id=alert_event.id,
        change=alert_event.change,
        rule_id=alert_event.rule_id,
        rule_name=alert_event.rule_name,
        title=alert_event.rule_name,
        summary=summary_of(alert_event),
        at_ms=alert_event.at_ms,
        from_ms=alert_event.from_ms,
        to_ms=alert_event.to_ms,
        facts=tuple(_facts(alert_event)),
    )


def summary_of(alert_event: AlertEvent) -> str:
    """The comparison in one line: ``delivered 940 of 1,000 = 94.00 % < 95 %``."""
    if alert_event.check is Check.SETUP:
        if alert_event.change is Change.RECOVERED:
            return "takes deliveries again" if not alert_event.notes else "is no longer watched"
        found = " ".join(filter(None, (alert_event.code, alert_event.message)))
        return f"takes nothing until a person acts{': ' if found else ''}{found}"
    if alert_event.check is Check.BLIND:
        if alert_event.change is Change.RECOVERED:
            return "counts arrive again"
        return f"no counts for {duration(alert_event.to_ms - alert_event.from_ms)}: no alert can fire"
    if not alert_event.operator:
        return "no longer watched"
    if alert_event.check is Check.HOUR:
        given_up = f"{alert_event.numerator:,} not delivered in one hour"
        return f"{given_up} >= 1" if alert_event.numerator else f"{given_up}: all is delivered again"
    if alert_event.kind == _VOLUME:
        return _volume(alert_event)
    what = "first attempts delivered" if alert_event.check is Check.FAST else "delivered"
    return f"{what} {_rate(alert_event.numerator, alert_event.denominator, alert_event.threshold_bp)}"


def _volume(alert_event: AlertEvent) -> str:
    now, before, bound = alert_event.numerator, alert_event.denominator, alert_event.threshold_bp
    counted = f"accepted {now:,} after {before:,}"
    if before == 0:
        return f"{counted}; {now:,} >= {alert_event.minimum:,}" if now >= alert_event.minimum else counted
    change = -(-abs(now - before) * 10_000 // before)  # rounded up
    sign = "-" if now < before else "+" if now > before else ""
    operator = ">" if abs(now - before) * 10_000 > bound * before else "<="
    return f"{counted} = {sign}{exact(change)}; {exact(change)} {operator} {percent(bound)}"


def _rate(part: int, whole: int, bound: int) -> str:
    if not whole:
        return "0 of 0"
    operator = "<" if part * 10_000 < bound * whole else ">="
    return f"{part:,} of {whole:,} = {exact(part * 10_000 // whole)} {operator} {percent(bound)}"


def _facts(alert_event: AlertEvent) -> Iterator[tuple[str, str]]:
    for label, name in (
        ("Source", alert_event.source),
        ("Destination", alert_event.destination),
        ("Mapping", alert_event.mapping),
    ):
        if name:
            yield label, name
    if alert_event.baseline_to_ms:
        yield "Compared with", f"{moment(alert_event.baseline_from_ms)} to {moment(alert_event.baseline_to_ms)} UTC"
    if alert_event.check is Check.FAST and alert_event.operator:
        yield "Last hour", _rate(*alert_event.hour, alert_event.threshold_bp)
    if alert_event.minimum and alert_event.change is not Change.RECOVERED:
        yield "Minimum", f"{alert_event.minimum:,}"
    for label, count in alert_event.excluded:
        yield "Excluded", f"{count:,} {label}"
    if alert_event.change is not Change.FIRED:
        lasted = duration(alert_event.at_ms - alert_event.since_ms)
        yield (
            "Firing since" if alert_event.change is Change.REMINDER else "Fired",
            (f"{moment(alert_event.since_ms)} UTC, {'for ' if alert_event.change is Change.RECOVERED else ''}{lasted}"),
        )
    for note in alert_event.notes:
        yield "Note", note
