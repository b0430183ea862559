from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.alerts.measurement import Measurement, measure_failed, measure_first_attempts, measure_rate, measure_volume
from model.alerts.measures import FIVE_MINUTES_MS
from model.alerts.rule import RULE, DeliveryRate, FailedEvents, SourceVolume
from model.alerts.windows import Windows
from model.durations import DAY_MS, HOUR_MS, MINUTE_MS
from tests.kit.alert_samples import NOW, T0, Known, delivery, row, volumes, windows_of


def volume_rule(**fields: Any) -> SourceVolume:
    given = {"kind": "source-volume", "name": "Volume", "source": "web", "change_percent": 4} | fields
    rule = RULE.validate_python(given)
    assert isinstance(rule, SourceVolume)
    return rule


def rate_rule(**fields: Any) -> DeliveryRate:
    given = {"kind": "delivery-rate", "name": "Rate", "destination": "crm", "below_percent": 95} | fields
    rule = RULE.validate_python(given)
    assert isinstance(rule, DeliveryRate)
    return rule


def volume(windows: Windows, firing: bool = False, history: Known | None = None, **fields: Any) -> Measurement | None:
    return measure_volume(volume_rule(**fields), windows, history or Known(), firing=firing)


def outside(found: Measurement | None) -> bool:
    return found is not None and found.outside


@pytest.mark.parametrize(
    ("now", "before", "fires"),
    [(96, 100, False), (104, 100, False), (95, 100, True), (105, 100, True), (100, 100, False), (0, 100, True)],
)
def test_four_percent_of_a_hundred_is_quiet_at_96_and_104_and_fires_at_95_and_105(
    now: int, before: int, fires: bool
) -> None:
    assert outside(volume(volumes(now, before), minimum_events=1)) is fires


@given(st.integers(0, 10**15), st.integers(1, 10**15), st.integers(1, 1_000_000))
@settings(max_examples=50, deadline=None)
def test_the_comparison_is_exact(now: int, before: int, bound: int) -> None:
    change = abs(Fraction(now - before, before))
    rule = volume_rule(change_percent=bound / 100, minimum_events=1)
    assert rule.change_percent == bound

    class Read(Windows):
        def volume(self, source: str) -> Any:
            return now, before

    windows = Read(T0)
    windows.note_first_event("web", T0)
    windows.advance_to(NOW)
    assert outside(measure_volume(rule, windows, Known(), firing=False)) is (change > Fraction(bound, 10_000))


@pytest.mark.parametrize(
    ("direction", "fires"), [("both", (True, True)), ("up", (False, True)), ("down", (True, False))]
)
def test_only_the_direction_asked_for_is_told(direction: str, fires: tuple[bool, bool]) -> None:
    found = [outside(volume(volumes(now, 1_000), direction=direction)) for now in (500, 1_500)]
    assert tuple(found) == fires


def test_less_than_the_minimum_in_the_larger_period_tells_nothing() -> None:
    assert volume(volumes(0, 99)) is None
    assert volume(volumes(99, 10)) is None
    assert outside(volume(volumes(0, 100))) and outside(volume(volumes(100, 10)))


def test_a_source_is_silent_until_48_hours_after_its_first_event() -> None:
    first = NOW - 2 * DAY_MS + FIVE_MINUTES_MS
    windows = windows_of([row(first, count=500), row(NOW - MINUTE_MS, count=1_000)])
    assert volume(windows) is None
    windows.advance_to(NOW + FIVE_MINUTES_MS)
    assert outside(volume(windows))


def test_windows_that_know_less_than_48_hours_tell_nothing() -> None:
    windows = windows_of([row(NOW - MINUTE_MS, count=1_000)], begun_ms=NOW - 2 * DAY_MS + FIVE_MINUTES_MS)
    windows.note_first_event("web", T0)
    assert volume(windows) is None
    windows.advance_to(NOW + FIVE_MINUTES_MS)
    assert outside(volume(windows))


def test_after_a_day_of_nothing_a_source_with_history_fires_up_from_the_minimum_on() -> None:
    assert volume(volumes(99, 0)) is None
    found = volume(volumes(100, 0))
    assert found is not None and (found.outside, found.numerator, found.denominator) == (True, 100, 0)
    assert "no event in the baseline period" in found.notes[0]
    assert volume(volumes(100, 0), direction="down") is None
    assert volume(volumes(0, 0)) is None


def test_an_unknown_source_or_destination_is_quiet() -> None:
    assert volume(volumes(1_000, 10), source="gone") is None
    windows = windows_of([delivery(NOW - MINUTE_MS, "discarded", 1_000, first=1_000)])
    gone = {"destination": "gone", "first_attempts_below_percent": 95}
    assert measure_rate(rate_rule(**gone), windows, firing=False) is None
    assert measure_first_attempts(rate_rule(**gone), windows, firing=False) is None
    assert (
        measure_failed(FailedEvents(kind="failed-events", name="F", destination="gone"), windows, firing=False) is None
    )


def test_the_same_24_hours_a_week_ago_come_from_history() -> None:
    history = Known(1_000)
    assert volume(volumes(1_000, 10), baseline="week", history=history) is None
    found = volume(volumes(900, 900), baseline="week", history=history)
    week = NOW - 7 * DAY_MS
    assert history.asked[-1] == ("web", week - DAY_MS, week)
    assert found is not None and found.outside and (found.numerator, found.denominator) == (900, 1_000)
    assert (found.baseline_from_ms, found.baseline_to_ms) == (week - DAY_MS, week)
    assert volume(volumes(1, 1_000), baseline="week", history=Known(None)) is None


def outage_rows(outage_minutes: int, now_per_slot: int = 10) -> list[dict[str, Any]]:
    """Ten events in every five minutes of two days, and none in a stretch of the first day."""
    begin = NOW - 2 * DAY_MS
    silent = range(begin + 6 * HOUR_MS, begin + 6 * HOUR_MS + outage_minutes * MINUTE_MS)
    slots = range(begin, NOW, FIVE_MINUTES_MS)
    counts = ((at, now_per_slot if at >= NOW - DAY_MS else 10) for at in slots if at not in silent)
    return [row(T0), *(row(at, count=count) for at, count in counts)]


@pytest.mark.parametrize(
    ("minutes", "now_per_slot", "said"), [(120, 10, True), (30, 10, True), (25, 10, False), (120, 12, False)]
)
def test_a_rise_that_is_only_yesterdays_outage_leaving_the_window_is_said_to_be(
    minutes: int, now_per_slot: int, said: bool
) -> None:
    found = volume(windows_of(outage_rows(minutes, now_per_slot)), change_percent=1)
    assert found is not None and found.outside
    assert any("rise follows an outage" in note for note in found.notes) is said


def test_firing_below_the_minimum_goes_on_until_the_comparison_is_fine() -> None:
    found = volume(volumes(10, 50), firing=True)
    assert found is not None and found.outside and "fewer events than the minimum" in found.notes[0]
    assert not outside(volume(volumes(50, 50), firing=True))


def test_a_source_that_stays_silent_has_not_recovered() -> None:
    found = volume(volumes(0, 0), firing=True)
    assert found is not None and found.outside and "does not count as a recovery" in found.notes[0]


def test_a_rule_of_one_direction_recovers_when_it_differs_the_other_way_and_says_so() -> None:
    found = volume(volumes(2_000, 1_000), firing=True, direction="down")
    assert found is not None and not found.outside and "the other direction" in found.notes[0]


def rate(delivered: int, lost: int, filtered: int = 0, firing: bool = False, **fields: Any) -> Measurement | None:
    at = NOW - MINUTE_MS
    rows = [delivery(at, "delivered", delivered), delivery(at, "expired", lost), delivery(at, "filtered", filtered)]
    return measure_rate(rate_rule(**fields), windows_of(rows), firing=firing)


def test_the_rate_of_deliveries_that_ended_is_below_the_bound_exactly() -> None:
    assert rate(9_500, 500) is None
    found = rate(9_499, 501, filtered=60)
    assert found is not None and (found.outside, found.operator) == (True, "<")
    assert (found.numerator, found.denominator, found.threshold_bp) == (9_499, 10_000, 9_500)
    assert (found.to_ms - found.from_ms, found.excluded) == (DAY_MS, (("filtered", 60),))


def test_filtered_deliveries_are_in_no_rate() -> None:
    assert rate(95, 5, filtered=10_000) is None
    assert rate(50, 49, filtered=10_000) is None  # 99 are fewer than the minimum
    assert outside(rate(50, 50, filtered=10_000))


def test_firing_a_rate_goes_on_below_the_minimum_and_ends_with_nothing_to_compare() -> None:
    found = rate(5, 5, firing=True)
    assert found is not None and found.outside and "fewer deliveries than the minimum" in found.notes[0]
    found = rate(0, 0, firing=True)
    assert found is not None and not found.outside and "nothing to measure" in found.notes[0]


@pytest.mark.parametrize(
    ("scope", "fires"),
    [({}, True), ({"source": "web"}, True), ({"source": "app"}, False), ({"source": "web", "mapping": "b"}, False)],
)
def test_a_rate_is_of_a_destination_a_connection_or_a_mapping(scope: dict[str, Any], fires: bool) -> None:
    assert outside(rate(0, 1_000, **scope)) is fires


def test_a_rate_known_for_less_than_24_hours_says_so() -> None:
    windows = windows_of([delivery(NOW - MINUTE_MS, "discarded", 500)], begun_ms=NOW - HOUR_MS)
    found = measure_rate(rate_rule(), windows, firing=False)
    assert found is not None and "less than 24 hours" in found.notes[0]


def first_attempts(rows: list[tuple[int, str, int]], firing: bool = False) -> Measurement | None:
    """Rows: minutes ago, status, first attempts."""
    windows = windows_of(delivery(NOW - ago * MINUTE_MS, status, count, first=count) for ago, status, count in rows)
    rule = rate_rule(first_attempts_below_percent=90, minimum_first_attempts=20)
    return measure_first_attempts(rule, windows, firing=firing)


def test_an_outage_is_told_by_first_attempts_before_any_delivery_has_ended() -> None:
    found = first_attempts([(30, "delivered", 100), (2, "attempt_failed", 30)])
    assert found is not None and found.outside and (found.numerator, found.denominator) == (0, 30)
    assert (found.hour, found.to_ms - found.from_ms) == ((100, 130), 5 * MINUTE_MS)


@pytest.mark.parametrize(
    "rows",
    [
        [(2, "attempt_failed", 19)],  # too few
        [(6, "attempt_failed", 500)],  # none in five minutes
        [(2, "attempt_failed", 30), (30, "delivered", 500)],  # the hour is fine
        [(2, "attempt_failed", 3), (2, "delivered", 27)],  # 90 % exactly
    ],
)
def test_first_attempts_are_quiet_unless_both_windows_are_below_with_enough(rows: list[tuple[int, str, int]]) -> None:
    assert first_attempts(rows) is None


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(2, "delivered", 20), (30, "attempt_failed", 500)], "the 5 minutes."),
        ([(2, "attempt_failed", 30), (30, "delivered", 500)], "the hour."),
        ([(2, "delivered", 30)], "the 5 minutes and that of the hour."),
        ([(70, "expired", 0)], "nothing to measure"),
    ],
)
def test_first_attempts_recover_when_either_is_back_and_say_which(rows: list[tuple[int, str, int]], said: str) -> None:
    found = first_attempts(rows, firing=True)
    assert found is not None and not found.outside and said in found.notes[0]


@pytest.mark.parametrize(
    "rows",
    [
        [(2, "delivered", 19), (30, "attempt_failed", 500)],  # a few probes are no recovery
        [(70, "discarded", 40)],  # the breaker is open: nothing is tried
    ],
)
def test_first_attempts_keep_firing_while_nothing_says_that_it_is_well(rows: list[tuple[int, str, int]]) -> None:
    assert outside(first_attempts(rows, firing=True))


def test_one_failed_event_in_an_hour_fires_and_an_hour_without_recovers() -> None:
    rule = FailedEvents(kind="failed-events", name="Failed", destination="crm")
    windows = windows_of([delivery(NOW - MINUTE_MS, "discarded", 1)])
    found = measure_failed(rule, windows, firing=False)
    assert found is not None and (found.outside, found.numerator, found.operator) == (True, 1, ">=")
    windows.advance_to(NOW + HOUR_MS - 2 * MINUTE_MS)
    assert outside(measure_failed(rule, windows, firing=True))
    windows.advance_to(NOW + HOUR_MS)
    assert measure_failed(rule, windows, firing=False) is None
    found = measure_failed(rule, windows, firing=True)
    assert found is not None and (found.outside, found.numerator) == (False, 0)
