"""What a rule measures: its counts against its threshold, in integers. States and messages are in other modules.

Each function takes whether the rule already fires, because the minimum then no longer applies: an episode ends when
the numbers are within the threshold, not when there are too few of them.
"""

from dataclasses import dataclass
from typing import Protocol

from model.alerts.alert_event import ComparedNumbers
from model.alerts.measures import FIVE_MINUTES_MS
from model.alerts.rule import DeliveryRate, FailedEvents, SourceVolume, scope_of
from model.alerts.text import duration
from model.alerts.windows import Windows
from model.durations import DAY_MS, HOUR_MS, MINUTE_MS

WEEK_MS = 7 * DAY_MS
OUTAGE_SLOTS = 6  # half an hour without an event


class History(Protocol):
    """Counts from before the windows."""

    def received(self, source: str, from_ms: int, to_ms: int) -> int | None:
        """Accepted events of a source in a period; None: unknown, and the rule keeps its state."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(ComparedNumbers):
    """One comparison, and whether it crosses the threshold."""

    outside: bool


def measure_volume(rule: SourceVolume, windows: Windows, history: History, *, firing: bool) -> Measurement | None:
    """Compare 24 hours of a source with those before, or with those of a week ago. None: too little is known."""
    end_ms = windows.day_end_ms
    back_ms = DAY_MS if rule.baseline == "day" else WEEK_MS
    first_ms = windows.first_event_ms(rule.source)
    known_ms = 2 * DAY_MS if rule.baseline == "day" else DAY_MS
    if first_ms is None or end_ms - first_ms < back_ms + DAY_MS or end_ms - windows.begun_ms < known_ms:
        return None
    now, before = windows.volume(rule.source)
    if rule.baseline == "week":
        week_ago = history.received(rule.source, end_ms - WEEK_MS - DAY_MS, end_ms - WEEK_MS)
        if week_ago is None:
            return None
        before = week_ago
    outside = _is_outside(rule, now, before, firing=firing)
    if not (outside or firing):
        return None
    return Measurement(
        outside=outside,
        from_ms=end_ms - DAY_MS,
        to_ms=end_ms,
        operator=">" if _differs(rule, now, before) else "<=",
        numerator=now,
        denominator=before,
        threshold_bp=rule.change_percent,
        minimum=rule.minimum_events,
        baseline_from_ms=end_ms - back_ms - DAY_MS,
        baseline_to_ms=end_ms - back_ms,
        notes=tuple(_volume_notes(rule, windows, now, before, outside=outside)),
    )


def _is_outside(rule: SourceVolume, now: int, before: int, *, firing: bool) -> bool:
    if firing and now == before == 0:
        return (
            rule.direction != "up"
        )  # still no events, as on the day before: a rule that fired on a fall does not recover
    if (rule.direction == "up" and now < before) or (rule.direction == "down" and now > before):
        return False
    if not firing and max(now, before) < rule.minimum_events:
        return False
    return _differs(rule, now, before)


def _differs(rule: SourceVolume, now: int, before: int) -> bool:
    return abs(now - before) * 10_000 > rule.change_percent * before


def _volume_notes(rule: SourceVolume, windows: Windows, now: int, before: int, *, outside: bool) -> list[str]:
    if now == before == 0:
        return ["No event came in either period." + (" This does not count as a recovery." if outside else "")]
    if not outside:
        other_way = f"The change is now in the other direction; this rule is only about changes {rule.direction}."
        return [other_way] if _differs(rule, now, before) else []
    notes = []
    if before == 0:
        notes.append("There was no event in the baseline period.")
    elif now > before and rule.baseline == "day":
        left_now, left_before, left_slots = _without_outages(*windows.volume_slots(rule.source))
        if left_slots and not _is_outside(rule, left_now, left_before, firing=False):
            lasted = duration(left_slots * FIVE_MINUTES_MS)
            notes.append(
                f"The rise follows an outage on the day before: without the {lasted} that had no events, "
                "the two periods are within the threshold."
            )
    if max(now, before) < rule.minimum_events:
        notes.append(
            "There are now fewer events than the minimum; the rule fires until the change is within the threshold."
        )
    return notes


def _without_outages(now: list[int], before: list[int]) -> tuple[int, int, int]:
    """Both sums without the outages (stretches with no events before and some now), and the slots left out."""
    sums = [0, 0]
    left_out = start = 0
    while start < len(before):
        end = start + 1
        while end < len(before) and (before[end] > 0) == (before[start] > 0):
            end += 1
        came = sum(now[start:end])
        if before[start] <= 0 and end - start >= OUTAGE_SLOTS and came > 0:
            left_out += end - start
        else:
            sums[0] += came
            sums[1] += sum(before[start:end])
        start = end
    return sums[0], sums[1], left_out


def measure_rate(rule: DeliveryRate, windows: Windows, *, firing: bool) -> Measurement | None:
    """Compare the success rate of deliveries that ended in 24 hours with the threshold. None: the rule is quiet."""
    delivered, not_delivered, filtered = windows.rate(scope_of(rule))
    total = delivered + not_delivered
    below = delivered * 10_000 < rule.below_percent * total
    outside = below and (firing or total >= rule.minimum_deliveries)
    if not (outside or firing):
        return None
    notes = []
    if not total:
        notes.append("No delivery ended in these 24 hours: there is nothing to measure.")
    elif outside and total < rule.minimum_deliveries:
        notes.append(
            "There are now fewer deliveries than the minimum; the rule fires until the rate is within the threshold."
        )
    if windows.begun_ms > windows.day_end_ms - DAY_MS:
        notes.append("Alerting has counted for less than 24 hours: earlier deliveries are not included.")
    return Measurement(
        outside=outside,
        from_ms=windows.day_end_ms - DAY_MS,
        to_ms=windows.day_end_ms,
        operator="<" if outside else ">=",
        numerator=delivered,
        denominator=total,
        threshold_bp=rule.below_percent,
        minimum=rule.minimum_deliveries,
        excluded=(("filtered", filtered),),
        notes=tuple(notes),
    )


def measure_first_attempts(rule: DeliveryRate, windows: Windows, *, firing: bool) -> Measurement | None:
    """Compare the success rate of first attempts, over 5 minutes and over an hour, with the threshold.

    An open circuit breaker makes no first attempts: having none is a recovery only if no delivery ended in 24 hours.
    """
    scope, bound = scope_of(rule), rule.first_attempts_below_percent or 0
    ok, failed, hour_ok, hour_failed = windows.first_attempts(scope)
    total, hour_total = ok + failed, hour_ok + hour_failed
    enough = total >= rule.minimum_first_attempts
    below = ok * 10_000 < bound * total
    hour_below = hour_ok * 10_000 < bound * hour_total
    if not firing and not (enough and below and hour_below):
        return None
    notes = []
    if not firing:
        outside = True
    elif hour_total:
        back = [name for name, is_back in (("5 minutes", enough and not below), ("hour", not hour_below)) if is_back]
        outside = not back
        notes += [f"Recovered: the rate of the {' and that of the '.join(back)}."] if back else []
    else:
        rate = windows.rate(scope)
        outside = rate.delivered + rate.not_delivered > 0
        notes.append(
            "There were no first attempts in this hour, as when the circuit breaker is open: that is no recovery."
            if outside
            else "There were no attempts in this hour and no delivery ended in 24 hours: there is nothing to measure."
        )
    return Measurement(
        outside=outside,
        from_ms=windows.end_ms - 5 * MINUTE_MS,
        to_ms=windows.end_ms,
        operator="<" if below else ">=",
        numerator=ok,
        denominator=total,
        threshold_bp=bound,
        minimum=rule.minimum_first_attempts,
        hour=(hour_ok, hour_total),
        notes=tuple(notes),
    )


def measure_failed(rule: FailedEvents, windows: Windows, *, firing: bool) -> Measurement | None:
    """Count deliveries discarded or expired in the last hour. None: there were none, and the rule does not fire."""
    failed = windows.not_delivered_in_hour(scope_of(rule))
    if not (failed or firing):
        return None
    return Measurement(
        outside=failed > 0,
        from_ms=windows.end_ms - HOUR_MS,
        to_ms=windows.end_ms,
        operator=">=" if failed else "<",
        numerator=failed,
    )
