from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.durations import MINUTE_MS
from model.recording.facts import DestinationState, Fact, Outcome, Sample, State, WatermarkReport
from model.recording.latency import latency_bucket
from model.recording.replays import Decision, EarlierOutcome
from model.recording.rollup import OTHER, SERIES_LIMIT, LogMinute, RollupKey, bundle, rollup_keys
from model.recording.rows import rollup_values
from tests.kit.samples import (
    ONE_OF_EACH,
    T0,
    attempt_failed,
    duplicate,
    outcome,
    received,
    rejected,
    requeued,
    sample,
    watermark_report,
)

COUNTED = Decision(1)


def statuses(fact: Fact, decision: Decision = COUNTED) -> list[tuple[str, str, int]]:
    return [(series.status, series.code, count) for series, count, _ in rollup_keys(fact, decision)]


@pytest.mark.parametrize(
    ("fact", "counted"),
    [
        (received(), [("received", "", 1)]),
        (duplicate(), [("duplicate", "", 1)]),
        (rejected(count=7), [("rejected", "not_json", 7)]),
        (attempt_failed(), [("attempt_failed", "503", 1)]),
        (attempt_failed(resent=True), [("attempt_failed", "503", 1), ("possible_duplicate", "", 1)]),
        (requeued(), [("requeued", "OVER_SHARE", 1)]),
        (requeued(resent=True), [("requeued", "OVER_SHARE", 1)]),  # nothing was sent
        (outcome(), [("delivered", "", 1)]),
        (outcome(State.EXPIRED, code="503"), [("expired", "503", 1)]),
        (outcome(resent=True), [("delivered", "", 1), ("possible_duplicate", "", 1)]),
        (sample(), []),
        (watermark_report(), []),
    ],
)
def test_each_fact_is_counted_under_its_status(fact: Fact, counted: list[tuple[str, str, int]]) -> None:
    assert statuses(fact) == counted


@pytest.mark.parametrize("fact", [received(), duplicate(), outcome()])
def test_a_repetition_counts_nothing(fact: Fact) -> None:
    assert statuses(fact, Decision(0)) == []


def test_the_extra_send_of_a_repetition_still_shows() -> None:
    assert statuses(outcome(resent=True), Decision(0)) == [("possible_duplicate", "", 1)]


def test_an_outcome_taken_back_leaves_the_minute_it_was_counted_in() -> None:
    prior = EarlierOutcome(State.DISCARDED, "400", T0 - MINUTE_MS, 3)
    counted = rollup_keys(outcome(at_ms=T0 + 5), Decision(1, takes_back=prior))
    assert [(series.minute_ms, series.status, count, attempt) for series, count, attempt in counted] == [
        (T0, "delivered", 1, 1),
        (T0 - MINUTE_MS, "discarded", -1, 3),
    ]


def test_latency_is_of_delivered_ones_that_count_and_every_call_has_its_number() -> None:
    minute = LogMinute(T0)
    minute.add(outcome(at_ms=T0 + 250, attempt=2), COUNTED)
    minute.add(outcome(at_ms=T0 + 250, attempt=300), COUNTED)
    minute.add(outcome(at_ms=T0 + 250), Decision(0))
    minute.add(outcome(State.DISCARDED, code="400"), COUNTED)
    found = {series.status: counts for series, counts in minute.rows()}
    assert found["delivered"].latency == {latency_bucket(250): 2}
    assert found["delivered"].by_attempt == {2: 1, 255: 1}
    assert (found["discarded"].latency, found["discarded"].by_attempt) == ({}, {1: 1})


def test_totals_are_the_rows_without_what_is_for_breaking_down() -> None:
    minute = LogMinute(T0)
    for name in ("Order Completed", "Page Viewed"):
        minute.add(
            outcome(at_ms=T0 + 250, event_name=name, queue_ms=40, retry_wait_ms=3, limit_wait_ms=7, calls_ms=200),
            COUNTED,
        )
        minute.add(outcome(State.DISCARDED, code="400", event_name=name, queue_ms=9), COUNTED)
    found = {total.status: counts for total, counts in minute.changed_totals()}
    assert len(list(minute.rows())) == 4 and len(found) == 2
    delivered = found["delivered"]
    assert (delivered.count, delivered.latency, delivered.by_attempt) == (2, {latency_bucket(250): 2}, {1: 2})
    parts = (delivered.queue_ms, delivered.retry_wait_ms, delivered.limit_wait_ms, delivered.calls_ms)
    assert parts == (80, 6, 14, 400)
    assert (found["discarded"].count, found["discarded"].queue_ms) == (2, 0)
    assert list(minute.changed_totals()) == []


def test_totals_tell_when_the_first_and_the_last_that_did_not_arrive_ended() -> None:
    minute = LogMinute(T0)
    for after_ms in (300, 100, 200):
        minute.add(outcome(State.EXPIRED, code="503", at_ms=T0 + after_ms), COUNTED)
    minute.add(outcome(State.EXPIRED, code="503", at_ms=T0 + 1), Decision(0))  # repeats an earlier one
    minute.add(outcome(State.DELIVERED, at_ms=T0 + 2), COUNTED)
    found = {total.status: (counts.first_at_ms, counts.last_at_ms) for total, counts in minute.changed_totals()}
    assert found == {"expired": (T0 + 100, T0 + 300), "delivered": (0, 0)}


def test_only_rows_that_changed_are_given_again_with_all_they_count() -> None:
    minute = LogMinute(T0)
    minute.add(outcome(), COUNTED)
    minute.add(received(), COUNTED)
    assert len(list(minute.changed())) == 2
    minute.add(outcome(), COUNTED)
    assert [(series.status, counts.count) for series, counts in minute.changed()] == [("delivered", 2)]
    assert list(minute.changed()) == []


def test_past_the_limit_new_names_are_counted_as_other_and_nothing_is_lost() -> None:
    minute = LogMinute(T0)
    for number in range(SERIES_LIMIT + 500):
        minute.add(outcome(event_name=f"event {number}"), COUNTED)
    minute.add(outcome(event_name="event 0"), COUNTED)
    rows = dict(minute.rows())
    assert len(rows) == SERIES_LIMIT + 1
    other = [counts for series, counts in rows.items() if (series.event_name, series.app_version) == (OTHER, "")]
    assert [counts.count for counts in other] == [sum(other[0].latency.values())] == [500]
    assert sum(counts.count for counts in rows.values()) == SERIES_LIMIT + 501


facts = st.one_of(
    st.builds(
        outcome,
        st.sampled_from(State),
        event_name=st.sampled_from("abc"),
        code=st.sampled_from(["", "400"]),
        at_ms=st.integers(T0 - 5 * MINUTE_MS, T0 + 5 * MINUTE_MS),
        attempt=st.integers(0, 1_000),
        resent=st.booleans(),
    ),
    st.sampled_from(ONE_OF_EACH),
)


@given(st.lists(st.tuples(facts, st.integers(0, 3))))
def test_rows_add_up_to_the_same_however_the_log_is_split_into_append_minutes(said: list[tuple[Fact, int]]) -> None:
    whole = LogMinute(T0)
    parts = [LogMinute(T0 + part * MINUTE_MS) for part in range(4)]
    for fact, part in said:
        whole.add(fact, COUNTED)
        parts[part].add(fact, COUNTED)
    sums = total([whole])
    assert sums == total(parts)
    possible_duplicates = sum(count for series, count in sums.items() if series.status == "possible_duplicate")
    assert sum(sums.values()) - possible_duplicates == sum(
        not isinstance(fact, Sample | WatermarkReport) for fact, _ in said
    )
    delivered = sum(isinstance(fact, Outcome) and fact.state is State.DELIVERED for fact, _ in said)
    assert sum(sum(counts.latency.values()) for _, counts in whole.rows()) == delivered


def total(minutes: list[LogMinute]) -> Counter[RollupKey]:
    sums: Counter[RollupKey] = Counter()
    for minute in minutes:
        for series, counts in minute.rows():
            sums[series] += counts.count
    return sums


def test_a_bundle_holds_the_append_minute_and_its_rows() -> None:
    minute = LogMinute(T0)
    minute.add(outcome(), COUNTED)
    rows = [rollup_values(series, counts) for series, counts in minute.rows()]
    minute.add(DestinationState(at_ms=T0 + 5, destination="crm", state="setup", code="401", message="no"), COUNTED)
    state = {"destination": "crm", "at_ms": T0 + 5, "state": "setup", "code": "401", "message": "no"}
    expected = {"append_minute_ms": T0, "partition": 1, "rows": rows, "states": [state]}
    assert bundle(T0, 1, rows, minute.states) == expected
    assert minute.minutes() == {T0}
