import logging
import pickle
from typing import Any

import pytest

from flows.topics.interface import Record
from model.alerts.alert_event import AlertEvent, Suppression
from model.alerts.notification import Change
from model.durations import DAY_MS, HOUR_MS, MINUTE_MS
from tests.kit.alert_samples import delivery
from tests.kit.alerting import (
    START,
    Evaluating,
    Knowing,
    bundle,
    example_workspace,
    rule,
    said,
    through_pickle,
)


def discarded(number: int, count: int = 1) -> dict[str, Any]:
    return delivery(START + number * MINUTE_MS, "discarded", count)


def changes(found: list[AlertEvent]) -> list[tuple[str, str, int]]:
    """Of each alert_event: rule, change, and the minute at whose end it was."""
    return [(made.rule_id, str(made.change), (made.at_ms - START) // MINUTE_MS - 1) for made in found]


def test_a_minute_is_evaluated_once_when_every_partition_has_spoken_of_it() -> None:
    evaluating = Evaluating(Knowing(rule("r1")), partitions=2)
    assert evaluating.take(bundle(0, discarded(0), partition=0)) == []
    assert evaluating.minute_seen == 0  # nothing is known yet, and a partition that says nothing leaves it so
    [fired] = evaluating.take(bundle(0, discarded(0, 2), partition=1))
    assert changes([fired]) == [("r1", "fired", 0)] and fired.numerator == 3
    assert evaluating.take(bundle(0, discarded(0), partition=1), bundle(0, discarded(0), partition=0)) == []
    assert evaluating.minute_seen == 1


def test_records_that_cannot_be_read_are_passed_and_said(caplog: pytest.LogCaptureFixture) -> None:
    evaluating = Evaluating(Knowing(rule("r1")))
    broken = Record(0, 7, START, b"0", b'{"v":1,"append_minute_ms":0,"partition":0,"rows":{}}')
    found = evaluating.take(broken, bundle(0, {"status": "discarded"}, discarded(0)))
    assert changes(found) == [("r1", "fired", 0)]
    assert "topic minutes 0/7" in caplog.text


def test_a_rule_counts_from_the_moment_it_was_made_and_goes_as_it_was_edited() -> None:
    made = rule("r1", at_ms=START + 2 * MINUTE_MS)
    off = rule("r1", 2, at_ms=START + 4 * MINUTE_MS + 1, enabled=False)
    on = rule("r1", 3, at_ms=START + 6 * MINUTE_MS, name="Again")
    minutes = [bundle(number, discarded(number)) for number in range(8)]
    expected = [("r1", "fired", 1), ("r1", "recovered", 4), ("r1", "fired", 5)]
    at_once, one_by_one = Evaluating(Knowing(made, off, on)), Evaluating(Knowing(made, off, on))
    together = at_once.take(*minutes)
    assert changes(together) == expected
    assert together[1].suppressed_reason == Suppression.ENDED and together[2].rule_name == "Again"
    assert [found for minute in minutes for found in one_by_one.take(minute)] == together


def test_while_the_store_is_away_the_rules_known_go_on_also_after_a_restart() -> None:
    known = Knowing(rule("r1"))
    evaluating = Evaluating(known)
    evaluating.take(bundle(0))
    known.away = True
    known.kept.append(rule("r2"))
    assert changes(evaluating.take(bundle(1, discarded(1)))) == [("r1", "fired", 1)]
    evaluating.logic = evaluating.make(through_pickle(evaluating.logic.snapshot()))
    evaluating.now_ms = START + 63 * MINUTE_MS
    assert changes(evaluating.take(*(bundle(number) for number in range(2, 62)))) == [("r1", "recovered", 61)]
    known.away = False
    assert changes(evaluating.take(bundle(62, discarded(62)))) == [("r1", "fired", 62), ("r2", "fired", 62)]


def test_first_events_are_asked_for_until_they_are_known() -> None:
    known = Knowing()
    known.firsts = {"web": START - 30 * DAY_MS}
    known.away = True
    evaluating = Evaluating(known)
    evaluating.take(bundle(0), bundle(1))
    assert known.asked_for_firsts == 2
    known.away = False
    evaluating.take(bundle(2), bundle(3))
    assert known.asked_for_firsts == 3
    snapshot = through_pickle(evaluating.logic.snapshot())
    evaluating.logic = evaluating.make(snapshot)
    evaluating.take(bundle(4))
    assert known.asked_for_firsts == 3
    assert snapshot["windows"]["first_event_ms"] == known.firsts


def test_what_is_reached_more_than_an_hour_late_is_recorded_and_not_told() -> None:
    evaluating = Evaluating(Knowing(rule("r1")))
    evaluating.now_ms = START + MINUTE_MS + HOUR_MS
    [in_time] = evaluating.take(bundle(0, discarded(0)))
    assert in_time.notified
    late = Evaluating(Knowing(rule("r1")))
    late.now_ms = evaluating.now_ms + 1
    [too_late] = late.take(bundle(0, discarded(0)))
    assert not too_late.notified and too_late.suppressed_reason == Suppression.LATE and too_late.id == in_time.id


class Destination:
    """What is said of destination crm, minute by minute; `changes` is what comes of it."""

    def __init__(self) -> None:
        self.evaluating = Evaluating(Knowing())
        self.number = -1

    def minute(self, *states: dict[str, Any], after: int = 1) -> list[AlertEvent]:
        self.number += after
        self.evaluating.now_ms = START + (self.number + 2) * MINUTE_MS
        return self.evaluating.take(bundle(self.number, states=states))

    def says(self, state: str, ms: int = 10, after: int = 1) -> list[AlertEvent]:
        at_ms = START + (self.number + after) * MINUTE_MS + ms
        return self.minute(said("crm", state, at_ms, "401" if state == "setup" else "", ""), after=after)

    def restart(self) -> None:
        snapshot = through_pickle(self.evaluating.logic.snapshot())
        self.evaluating.logic = self.evaluating.make(snapshot)


def test_a_destination_that_needs_a_person_is_told_once_a_day_until_it_takes_deliveries_again() -> None:
    crm = Destination()
    [fired] = crm.says("setup")
    assert (fired.rule_id, fired.change, fired.notified, fired.code) == ("setup:crm", Change.FIRED, True, "401")
    crm.restart()
    assert crm.says("setup") == [] and crm.says("open") == [] and crm.minute() == []
    [reminder] = crm.minute(after=24 * 60)
    assert (reminder.change, reminder.episode, reminder.code) == (Change.REMINDER, fired.id, "401")
    crm.restart()
    assert crm.minute() == []
    [recovered] = crm.says("ok")
    assert (recovered.change, recovered.episode, recovered.notified) == (Change.RECOVERED, fired.id, True)
    assert crm.minute(after=24 * 60) == []
    [again] = crm.says("setup")
    assert again.change is Change.FIRED and again.episode != fired.episode


def test_a_destination_that_recovers_is_not_told_of_once_more() -> None:
    crm = Destination()
    crm.says("setup")
    assert [made.change for made in crm.says("ok", after=24 * 60 + 1)] == [Change.RECOVERED]


def test_of_a_destination_the_last_change_is_the_newest() -> None:
    crm = Destination()
    crm.says("setup")
    [reminder] = crm.minute(after=24 * 60)
    # Said by a clock that is a little behind that of the log.
    [recovered] = crm.says("ok", ms=-20)
    assert recovered.at_ms >= reminder.at_ms and recovered.change is Change.RECOVERED


def test_a_destination_that_was_removed_from_the_workspace_is_watched_no_more() -> None:
    crm = Destination()
    crm.says("setup")
    crm.evaluating.workspace = example_workspace(["mail"])
    [ended] = crm.minute()
    assert (ended.change, ended.notified, ended.suppressed_reason) == (Change.RECOVERED, False, Suppression.ENDED)
    assert crm.says("setup") == [] and crm.minute() == []
    assert crm.evaluating.logic.snapshot()["states"] == []


@pytest.mark.parametrize("state", [None, 5, [], {}, {"destination": "crm"}, said("crm", "setup", START, "", None)])  # type: ignore[arg-type]
def test_a_state_that_cannot_be_read_holds_up_no_other(state: Any, caplog: pytest.LogCaptureFixture) -> None:
    evaluating = Evaluating(Knowing(rule("r1")))
    states = [state, said("mail", "setup", START)]
    found = evaluating.take(bundle(0, discarded(0), states=states))
    assert changes(found) == [("setup:mail", "fired", -1), ("r1", "fired", 0)]
    assert "cannot be read" in caplog.text


def test_destinations_that_need_a_person_are_told_on_the_channels_for_that() -> None:
    evaluating = Evaluating(Knowing(), configured=example_workspace(always=["ops"]))
    [fired] = evaluating.take(bundle(0, states=[said("crm", "setup", START)]))
    assert fired.channels == ("in-app", "ops")


def test_a_snapshot_stays_as_it_was_when_more_is_evaluated(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    evaluating = Evaluating(Knowing(rule("r1")), partitions=2)
    evaluating.take(bundle(0, discarded(0), partition=0))
    snapshot = evaluating.logic.snapshot()
    before = pickle.dumps(snapshot)
    evaluating.take(bundle(0, discarded(0), states=[said("crm", "setup", START)], partition=1), bundle(1))
    assert pickle.dumps(snapshot) == before


def test_a_snapshot_of_another_version_is_refused() -> None:
    evaluating = Evaluating(Knowing())
    with pytest.raises(ValueError, match="version 2"):
        evaluating.make(evaluating.logic.snapshot() | {"v": 2})
