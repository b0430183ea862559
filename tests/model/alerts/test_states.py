from dataclasses import replace
from typing import Any

import orjson
import pytest

from model.alerts.alert_event import AlertEvent, Suppression
from model.alerts.evaluator import checks_of, evaluate, evaluate_minute
from model.alerts.measures import FIVE_MINUTES_MS
from model.alerts.notification import Change
from model.alerts.records import from_record, to_record
from model.alerts.state import NEVER_FIRED, Check, RuleState, StateKey
from model.alerts.version import RuleChange, RuleVersion, newest
from model.alerts.windows import Windows
from model.durations import DAY_MS, HOUR_MS, MINUTE_MS
from tests.kit.alert_samples import NOW, T0, Known, delivery, in_force, version, volumes, windows_of

UP, FINE = volumes(2_000, 1_000), volumes(1_000, 1_000)


def at(windows: Windows, end_ms: int) -> Windows:
    """The same numbers at another moment."""

    class Moved(Windows):
        def volume(self, source: str) -> Any:
            return windows.volume(source)

    moved = Moved(T0)
    moved.note_first_event("web", T0)
    moved.advance_to(end_ms)
    return moved


def step(
    windows: Windows, state: RuleState = NEVER_FIRED, rule: RuleVersion | None = None, late_ms: int = 0
) -> tuple[RuleState, AlertEvent | None]:
    return evaluate(rule or version(), Check.DAY, state, windows, Known(), windows.end_ms + MINUTE_MS + late_ms)


def notified(found: tuple[RuleState, AlertEvent | None]) -> tuple[Change, bool, str]:
    made = found[1]
    assert made is not None
    return made.change, made.notified, made.suppressed_reason


def test_one_alert_event_for_each_change_and_none_between() -> None:
    state, made = step(at(FINE, NOW))
    assert (state, made) == (NEVER_FIRED, None)
    state, fired = step(at(UP, NOW))
    assert fired is not None and (fired.change, fired.notified, fired.since_ms, fired.episode) == (
        Change.FIRED, True, NOW, fired.id
    )  # fmt: skip
    later = NOW + FIVE_MINUTES_MS
    assert step(at(UP, later), state) == (state, None)
    state, recovered = step(at(FINE, later), state)
    assert recovered is not None and (recovered.change, recovered.notified) == (Change.RECOVERED, True)
    assert (recovered.episode, recovered.since_ms, recovered.at_ms) == (fired.id, NOW, later)
    assert state == RuleState(since_ms=later)
    assert step(at(FINE, later + FIVE_MINUTES_MS), state) == (state, None)


def test_the_same_minute_evaluated_twice_gives_the_same() -> None:
    first = step(at(UP, NOW))
    assert step(at(UP, NOW)) == first
    assert first[1] is not None and len(first[1].id) == 32
    assert step(at(UP, NOW), first[0]) == (first[0], None)
    again = step(at(UP, NOW + FIVE_MINUTES_MS))[1]
    assert again is not None and again.id != first[1].id


def test_the_windows_of_a_day_are_compared_once_in_five_minutes() -> None:
    assert step(at(UP, NOW + MINUTE_MS)) == (NEVER_FIRED, None)


def test_it_is_told_again_while_it_fires_and_nobody_has_acknowledged_it() -> None:
    rule = version(rule={"remind_after_seconds": 7_200})
    state, _ = step(at(UP, NOW), rule=rule)
    assert step(at(UP, NOW + 2 * HOUR_MS - FIVE_MINUTES_MS), state, rule)[1] is None
    state, reminder = step(at(UP, NOW + 2 * HOUR_MS), state, rule)
    assert reminder is not None and (reminder.change, reminder.notified, reminder.since_ms) == (
        Change.REMINDER,
        True,
        NOW,
    )
    assert step(at(UP, NOW + 4 * HOUR_MS - FIVE_MINUTES_MS), state, rule)[1] is None
    assert notified(step(at(UP, NOW + 4 * HOUR_MS), state, rule)) == (Change.REMINDER, True, "")
    acknowledged = version(2, rule={"remind_after_seconds": 7_200}, acknowledged_ms=NOW + 3 * HOUR_MS)
    assert step(at(UP, NOW + 4 * HOUR_MS), state, acknowledged)[1] is None
    assert notified(step(at(FINE, NOW + 5 * HOUR_MS), state, acknowledged)) == (Change.RECOVERED, True, "")


def test_an_acknowledgement_ends_with_its_episode() -> None:
    rule = version(2, rule={"remind_after_seconds": 3_600}, acknowledged_ms=NOW - HOUR_MS)
    state, _ = step(at(UP, NOW), rule=rule)
    assert notified(step(at(UP, NOW + HOUR_MS), state, rule)) == (Change.REMINDER, True, "")


def test_without_reminders_it_is_told_once() -> None:
    rule = version(rule={"remind_after_seconds": None})
    state, _ = step(at(UP, NOW), rule=rule)
    assert step(at(UP, NOW + 40 * DAY_MS), state, rule)[1] is None


def test_muted_it_is_recorded_and_told_when_the_mute_ends_if_it_still_fires() -> None:
    rule = version(2, muted_until_ms=NOW + HOUR_MS, rule={"remind_after_seconds": None})
    state, made = step(at(UP, NOW), rule=rule)
    assert made is not None and (made.notified, made.suppressed_reason) == (False, Suppression.MUTED)
    assert step(at(UP, NOW + HOUR_MS - FIVE_MINUTES_MS), state, rule)[1] is None
    state, made = step(at(UP, NOW + HOUR_MS), state, rule)
    assert made is not None and (made.change, made.notified) == (Change.REMINDER, True)
    assert "it was muted" in made.notes[-1]
    assert step(at(UP, NOW + 2 * HOUR_MS), state, rule)[1] is None


def test_what_nobody_heard_of_recovers_in_silence() -> None:
    rule = version(2, muted_until_ms=NOW + FIVE_MINUTES_MS)
    state, _ = step(at(UP, NOW), rule=rule)
    assert notified(step(at(FINE, NOW + FIVE_MINUTES_MS), state, rule)) == (
        Change.RECOVERED,
        False,
        Suppression.NEVER_NOTIFIED,
    )


def test_a_recovery_while_muted_is_recorded_only() -> None:
    state, _ = step(at(UP, NOW))
    muted = version(2, muted_until_ms=NOW + HOUR_MS)
    found = step(at(FINE, NOW + FIVE_MINUTES_MS), state, muted)
    assert notified(found) == (Change.RECOVERED, False, Suppression.MUTED)


def test_found_in_a_backlog_it_is_recorded_and_told_once_the_backlog_is_gone_if_it_still_fires() -> None:
    assert notified(step(at(UP, NOW), late_ms=HOUR_MS - MINUTE_MS)) == (Change.FIRED, True, "")
    state, made = step(at(UP, NOW), late_ms=HOUR_MS)
    assert made is not None and (made.notified, made.suppressed_reason) == (False, Suppression.LATE)
    assert step(at(UP, NOW + FIVE_MINUTES_MS), state, late_ms=HOUR_MS)[1] is None
    made = step(at(UP, NOW + FIVE_MINUTES_MS), state)[1]
    assert made is not None and (made.change, made.notified) == (Change.REMINDER, True)
    assert "found in a backlog" in made.notes[-1]


def test_an_edit_while_firing_keeps_the_state_and_the_recovery_says_that_it_was_edited() -> None:
    state, _ = step(at(UP, NOW))
    renamed = version(2, rule={"name": "Other name"}, change=RuleChange.EDITED)
    assert step(at(UP, NOW + FIVE_MINUTES_MS), state, renamed) == (state, None)
    _, made = step(at(FINE, NOW + FIVE_MINUTES_MS), state, renamed)
    assert made is not None and made.notes == ()
    wider = version(3, rule={"change_percent": 500}, change=RuleChange.EDITED)
    _, made = step(at(UP, NOW + FIVE_MINUTES_MS), state, wider)
    assert made is not None and (made.change, made.notified, made.rule_version) == (Change.RECOVERED, True, 3)
    assert made.notes == ("The rule was edited while it fired.",)


@pytest.mark.parametrize(
    ("later", "said"),
    [
        (version(2, deleted=True, change=RuleChange.DELETED), "deleted"),
        (version(2, rule={"enabled": False}, change=RuleChange.EDITED), "disabled"),
        (version(2, rule={"kind": "failed-events"}, change=RuleChange.EDITED), "edited"),
    ],
)
def test_deleted_or_disabled_while_firing_its_episode_ends_and_nothing_is_told(later: RuleVersion, said: str) -> None:
    state, _ = step(at(UP, NOW))
    state, made = step(at(UP, NOW + MINUTE_MS), state, later)
    assert made is not None and (made.change, made.notified, made.suppressed_reason) == (
        Change.RECOVERED,
        False,
        Suppression.ENDED,
    )
    assert made.notes == (f"The rule was {said} while it fired.",)
    assert not state.firing
    assert step(at(UP, NOW + FIVE_MINUTES_MS), state, later) == (state, None)


def test_each_kind_has_its_checks() -> None:
    rate = {"kind": "delivery-rate", "below_percent": 95}
    assert checks_of(version().rule) == (Check.DAY,)
    assert checks_of(version(rule=rate).rule) == (Check.DAY,)
    assert checks_of(version(rule=rate | {"first_attempts_below_percent": 90}).rule) == (Check.DAY, Check.FAST)
    assert checks_of(version(rule={"kind": "failed-events"}).rule) == (Check.HOUR,)


def test_a_minute_evaluates_every_check_of_every_rule_and_gives_what_changed() -> None:
    rate = {"kind": "delivery-rate", "below_percent": 95, "first_attempts_below_percent": 90}
    rules = {
        "r1": version(rule=rate),
        "r2": replace(version(rule={"kind": "failed-events"}), rule_id="r2"),
        "r3": replace(version(), rule_id="r3"),
        "r4": replace(version(rule=rate), rule_id="r4", deleted=True),
    }
    windows = windows_of([delivery(NOW - MINUTE_MS, "discarded", 500, first=500)])
    states, made = evaluate_minute(rules, {}, windows, Known(), NOW + MINUTE_MS)
    keys = [StateKey("r1", Check.DAY), StateKey("r1", Check.FAST), StateKey("r2", Check.HOUR)]
    assert list(states) == [StateKey(each.rule_id, each.check) for each in made] == keys
    assert evaluate_minute(rules, states, windows, Known(), NOW + MINUTE_MS) == ({}, [])
    gone = {rule_id: replace(rule, deleted=True) for rule_id, rule in rules.items()}
    after, ended = evaluate_minute(gone, states, windows, Known(), NOW + MINUTE_MS)
    assert [each.suppressed_reason for each in ended] == [Suppression.ENDED] * 3 and list(after) == keys


def test_the_newest_version_made_by_then_is_in_force() -> None:
    versions = [version(at_ms=T0), version(2, at_ms=T0 + 10), version(3, at_ms=T0 + 20, deleted=True)]
    assert in_force(versions, T0 - 1) == {}
    assert in_force(reversed(versions), T0 + 19) == {"r1": versions[1]}
    assert in_force(versions, T0 + 20) == {}
    assert newest(versions, T0 + 20) == {"r1": versions[2]}


def test_states_and_alert_events_survive_as_plain_data() -> None:
    state, made = step(at(UP, NOW))
    assert made is not None
    assert from_record(RuleState, orjson.loads(orjson.dumps(to_record(state)))) == state
    full = replace(made, excluded=(("filtered", 3),), notes=("One.", "Two."), hour=(1, 2))
    assert from_record(AlertEvent, orjson.loads(orjson.dumps(to_record(full)))) == full
    for kind, record in ((RuleState, to_record(state)), (AlertEvent, to_record(made))):
        with pytest.raises(ValueError, match="version 9; this Waybill reads 1"):
            from_record(kind, {**record, "v": 9})


def test_a_alert_event_is_one_row_without_units_in_its_names() -> None:
    made = step(at(UP, NOW))[1]
    assert made is not None
    row = made.as_row()
    assert (row["at"], row["window_from"], row["window_to"], row["baseline_to"]) == (
        NOW,
        NOW - DAY_MS,
        NOW,
        NOW - DAY_MS,
    )
    assert (row["numerator"], row["denominator"], row["threshold_bp"], row["operator"]) == (2_000, 1_000, 400, ">")
    assert (row["notified"], row["suppressed_reason"], row["check"], row["change"]) == (True, "", "day", "fired")
    assert all(isinstance(value, str | int | list | dict) for value in row.values())
