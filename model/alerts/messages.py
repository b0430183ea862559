"""The text of a transition: the comparison with its operator and numbers, and what the reader needs to act.

The views show the same numbers for the same window. Percentages are rounded so that they never contradict the
operator: 94.999 % is 94.99 % when it is below 95 %, and a change of 4.001 % is 4.01 % when it is more than 4 %.
"""

from collections.abc import Iterator, Sequence

from model.alerts.notice import Change, ErrorGroup, Notice
from model.alerts.state import Check
from model.alerts.text import duration, exact, moment, percent
from model.alerts.transition import Transition

MOST_ERROR_GROUPS = 3
_VOLUME = "source-volume"


def notice_of(transition: Transition, groups: Sequence[ErrorGroup] = (), link: str = "") -> Notice:
    """Write a transition as a notice, with the three largest of its window's error groups while it fires."""
    largest = sorted(groups, key=lambda group: -group.deliveries)[:MOST_ERROR_GROUPS]
    return Notice(
        id=transition.id,
        change=transition.change,
        rule_id=transition.rule_id,
        rule_name=transition.rule_name,
        title=transition.rule_name,
        summary=summary_of(transition),
        at_ms=transition.at_ms,
        from_ms=transition.from_ms,
        to_ms=transition.to_ms,
        facts=tuple(_facts(transition)),
        error_groups=() if transition.change is Change.RECOVERED else tuple(largest),
        link=link,
    )


def summary_of(transition: Transition) -> str:
    """The comparison in one line: ``delivered 940 of 1,000 = 94.00 % < 95 %``."""
    if transition.check is Check.SETUP:
        if transition.change is Change.RECOVERED:
            return "takes deliveries again" if not transition.notes else "is no longer watched"
        found = " ".join(filter(None, (transition.code, transition.message)))
        return f"takes nothing until a person acts{': ' if found else ''}{found}"
    if transition.check is Check.BLIND:
        if transition.change is Change.RECOVERED:
            return "counts arrive again"
        return f"no counts for {duration(transition.to_ms - transition.from_ms)}: no alert can fire"
    if not transition.operator:
        return "no longer watched"
    if transition.check is Check.HOUR:
        given_up = f"{transition.numerator:,} not delivered in one hour"
        return f"{given_up} >= 1" if transition.numerator else f"{given_up}: all is delivered again"
    if transition.kind == _VOLUME:
        return _volume(transition)
    what = "first attempts delivered" if transition.check is Check.FAST else "delivered"
    return f"{what} {_rate(transition.numerator, transition.denominator, transition.threshold_bp)}"


def _volume(transition: Transition) -> str:
    now, before, bound = transition.numerator, transition.denominator, transition.threshold_bp
    counted = f"accepted {now:,} after {before:,}"
    if before == 0:
        return f"{counted}; {now:,} >= {transition.minimum:,}" if now >= transition.minimum else counted
    change = -(-abs(now - before) * 10_000 // before)  # rounded up
    sign = "-" if now < before else "+" if now > before else ""
    operator = ">" if abs(now - before) * 10_000 > bound * before else "<="
    return f"{counted} = {sign}{exact(change)}; {exact(change)} {operator} {percent(bound)}"


def _rate(part: int, whole: int, bound: int) -> str:
    if not whole:
        return "0 of 0"
    operator = "<" if part * 10_000 < bound * whole else ">="
    return f"{part:,} of {whole:,} = {exact(part * 10_000 // whole)} {operator} {percent(bound)}"


def _facts(transition: Transition) -> Iterator[tuple[str, str]]:
    for label, name in (
        ("Source", transition.source),
        ("Destination", transition.destination),
        ("Mapping", transition.mapping),
    ):
        if name:
            yield label, name
    if transition.baseline_to_ms:
        yield "Compared with", f"{moment(transition.baseline_from_ms)} to {moment(transition.baseline_to_ms)} UTC"
    if transition.check is Check.FAST and transition.operator:
        yield "Last hour", _rate(*transition.hour, transition.threshold_bp)
    if transition.minimum and transition.change is not Change.RECOVERED:
        yield "Minimum", f"{transition.minimum:,}"
    for label, count in transition.excluded:
        yield "Excluded", f"{count:,} {label}"
    if transition.change is not Change.FIRED:
        lasted = duration(transition.at_ms - transition.since_ms)
        yield (
            "Firing since" if transition.change is Change.REMINDER else "Fired",
            (f"{moment(transition.since_ms)} UTC, {'for ' if transition.change is Change.RECOVERED else ''}{lasted}"),
        )
    for note in transition.notes:
        yield "Note", note
