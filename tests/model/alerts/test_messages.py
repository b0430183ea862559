from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.alerts.alert_event import AlertEvent
from model.alerts.messages import notification_of, summary_of
from model.alerts.notification import Change
from model.alerts.state import NEVER_FIRED, Check
from model.alerts.system import DestinationStatus, monitor_blind, setup
from model.alerts.text import duration, percent
from model.durations import DAY_MS, HOUR_MS, MINUTE_MS
from tests.kit.alert_samples import NOW, T0

RATE = AlertEvent(
    id="0" * 32, rule_id="r1", rule_version=1, rule_name="To CRM", kind="delivery-rate", check=Check.DAY,
    change=Change.FIRED, at_ms=NOW, since_ms=NOW, episode="0" * 32, from_ms=NOW - DAY_MS, to_ms=NOW, source="web",
    destination="crm", operator="<", numerator=940, denominator=1_000, threshold_bp=9_500, minimum=100,
    excluded=(("filtered", 1_060),), notes=("One more thing.",), channels=("in-app",), author="ada",
)  # fmt: skip
VOLUME = replace(RATE, kind="source-volume", operator=">", threshold_bp=400, excluded=(), destination="")


def test_a_message_says_all_that_was_compared() -> None:
    notification = notification_of(RATE)
    assert (notification.id, notification.title, notification.change) == (RATE.id, "To CRM", Change.FIRED)
    assert notification.summary == "delivered 940 of 1,000 = 94.00 % < 95 %"
    assert (notification.from_ms, notification.to_ms) == (NOW - DAY_MS, NOW)
    assert notification.facts == (
        ("Source", "web"),
        ("Destination", "crm"),
        ("Minimum", "100"),
        ("Excluded", "1,060 filtered"),
        ("Note", "One more thing."),
    )


@pytest.mark.parametrize(
    ("alert_event", "said"),
    [
        (replace(RATE, numerator=949_999, denominator=10**6), "delivered 949,999 of 1,000,000 = 94.99 % < 95 %"),
        (replace(RATE, numerator=960, change=Change.RECOVERED), "delivered 960 of 1,000 = 96.00 % >= 95 %"),
        (replace(RATE, numerator=0, denominator=0, change=Change.RECOVERED), "delivered 0 of 0"),
        (replace(RATE, check=Check.FAST, numerator=1), "first attempts delivered 1 of 1,000 = 0.10 % < 95 %"),
        (replace(VOLUME, numerator=95, denominator=100), "accepted 95 after 100 = -5.00 %; 5.00 % > 4 %"),
        (replace(VOLUME, numerator=26_001, denominator=25_000), "accepted 26,001 after 25,000 = +4.01 %; 4.01 % > 4 %"),
        (replace(VOLUME, numerator=100, denominator=100), "accepted 100 after 100 = 0.00 %; 0.00 % <= 4 %"),
        (replace(VOLUME, numerator=120, denominator=0), "accepted 120 after 0; 120 >= 100"),
        (replace(VOLUME, numerator=0, denominator=0), "accepted 0 after 0"),
        (replace(RATE, kind="failed-events", check=Check.HOUR, numerator=3), "3 not delivered in one hour >= 1"),
        (
            replace(RATE, kind="failed-events", check=Check.HOUR, numerator=0, change=Change.RECOVERED),
            "0 not delivered in one hour: all is delivered again",
        ),
        (replace(RATE, operator="", change=Change.RECOVERED), "no longer watched"),
    ],
)  # fmt: skip
def test_each_comparison_in_one_line(alert_event: AlertEvent, said: str) -> None:
    assert summary_of(alert_event) == said


@given(st.integers(0, 10**9), st.integers(1, 10**9), st.integers(1, 10_000))
def test_the_percentage_shown_never_contradicts_the_operator(part: int, rest: int, bound: int) -> None:
    said = summary_of(replace(RATE, numerator=part, denominator=part + rest, threshold_bp=bound))
    shown, operator, limit = said.partition("= ")[2].replace(" %", "").split(" ")
    assert (float(shown) < float(limit)) is (operator == "<")
    said = summary_of(replace(VOLUME, numerator=part, denominator=rest, threshold_bp=bound))
    shown, operator, limit = said.partition("; ")[2].replace(" %", "").replace(",", "").split(" ")
    assert (float(shown) > float(limit)) is (operator == ">")


def test_first_attempts_say_the_hour_too_and_a_volume_what_it_is_compared_with() -> None:
    fast = replace(RATE, check=Check.FAST, hour=(1_800, 2_000))
    assert ("Last hour", "1,800 of 2,000 = 90.00 % < 95 %") in notification_of(fast).facts
    volume = replace(VOLUME, baseline_from_ms=T0, baseline_to_ms=T0 + DAY_MS)
    assert ("Compared with", "2027-01-15 08:00 to 2027-01-16 08:00 UTC") in notification_of(volume).facts


def test_reminders_and_recoveries_say_since_when() -> None:
    later = replace(RATE, at_ms=NOW + 26 * HOUR_MS)
    assert ("Firing since", "2027-01-25 08:00 UTC, 1 d 2 h") in notification_of(
        replace(later, change=Change.REMINDER)
    ).facts
    assert ("Fired", "2027-01-25 08:00 UTC, for 1 d 2 h") in notification_of(
        replace(later, change=Change.RECOVERED)
    ).facts


def test_a_destination_that_needs_a_person_says_what_it_answered_and_what_to_do() -> None:
    said = DestinationStatus("crm", NOW, "setup", "401", "invalid api key")
    state, fired = setup(said, NEVER_FIRED, ("in-app",), NOW)
    assert fired is not None
    notification = notification_of(fired)
    assert notification.title == "Destination crm needs a person"
    assert notification.summary == "takes nothing until a person acts: 401 invalid api key"
    assert [label for label, _ in notification.facts] == ["Destination", "Note"]
    recovered = setup(DestinationStatus("crm", NOW + MINUTE_MS, "ok"), state, ("in-app",), NOW)[1]
    assert recovered is not None and summary_of(recovered) == "takes deliveries again"


def test_blind_alerting_says_for_how_long_and_where_to_look() -> None:
    state, fired = monitor_blind(NOW, NEVER_FIRED, ("in-app",), NOW + 4 * MINUTE_MS)
    assert fired is not None and summary_of(fired) == "no counts for 3 min: no alert can fire"
    assert fired.notes and "waybill report" in fired.notes[0]
    recovered = monitor_blind(NOW + HOUR_MS, state, ("in-app",), NOW + HOUR_MS)[1]
    assert recovered is not None and summary_of(recovered) == "counts arrive again"


def test_bounds_and_durations_as_people_write_them() -> None:
    assert [percent(points) for points in (1, 400, 9_950, 9_955, 1_000_000)] == [
        "0.01 %", "4 %", "99.5 %", "99.55 %", "10,000 %"
    ]  # fmt: skip
    assert [duration(ms) for ms in (0, 59_999, 5 * MINUTE_MS, 24 * HOUR_MS + MINUTE_MS)] == [
        "0 min", "0 min", "5 min", "1 d 1 min"
    ]  # fmt: skip
