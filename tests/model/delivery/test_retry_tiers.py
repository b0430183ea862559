import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.delivery.retry_tiers import RETRY_TIERS, TOLERANCE, next_tier
from tests.kit.samples import T0

LONGEST_MS = 72 * 60_000  # an hour and its jitter


def walk(wait_ms: int) -> tuple[int, int]:
    """Take a whole wait down the ladder; returns legs and how late it ended, in ms."""
    waited_ms = legs = 0
    while waited_ms < wait_ms:
        waited_ms += next_tier(wait_ms - waited_ms, wait_ms).wait_ms
        legs += 1
    return legs, waited_ms - wait_ms


def assert_keeps_its_appointment(wait_ms: int) -> None:
    legs, late_ms = walk(wait_ms)
    assert legs <= 6, wait_ms
    assert 0 <= late_ms <= max(1_000, TOLERANCE * wait_ms), wait_ms


def test_every_wait_of_whole_half_seconds_takes_at_most_six_legs_and_is_never_early_nor_very_late() -> None:
    for wait_ms in range(500, LONGEST_MS, 500):
        assert_keeps_its_appointment(wait_ms)


@settings(max_examples=500)
@given(st.integers(1, LONGEST_MS))
@example(26_001)
@example(2_001)
def test_any_wait_takes_at_most_six_legs_and_is_never_early_nor_very_late(wait_ms: int) -> None:
    assert_keeps_its_appointment(wait_ms)


@pytest.mark.parametrize(
    ("remaining_ms", "whole_ms", "tier"),
    [
        (45_000, 45_000, "30s"),  # then 15 s remain
        (3_600_000, 3_600_000, "30m"),
        (110_000, 120_000, "2m"),  # 10 s late of two minutes is no walk of 22 legs
        (900, 900, "1s"),
        (0, 60_000, "5s"),
        (-5, 0, "1s"),
        (-(10**12), 10**12, "1s"),
        (10**12, 10**12, "30m"),
    ],
)
def test_the_largest_tier_that_is_not_too_late_is_taken(remaining_ms: int, whole_ms: int, tier: str) -> None:
    assert next_tier(remaining_ms, whole_ms).name == tier


@given(st.integers(1, LONGEST_MS), st.integers(0, LONGEST_MS))
def test_no_record_of_a_tier_is_due_before_the_bound_its_watermark_rests_on(whole_ms: int, passed_ms: int) -> None:
    remaining_ms = whole_ms - passed_ms
    tier = next_tier(remaining_ms, whole_ms)
    if remaining_ms > 0:  # only what is not yet due is put on a tier
        assert tier.earliest_due_ms(T0, LONGEST_MS) <= T0 + remaining_ms


def test_tiers_grow_and_each_has_its_own_topic() -> None:
    assert [tier.wait_ms for tier in RETRY_TIERS] == sorted({tier.wait_ms for tier in RETRY_TIERS})
    assert len({tier.topic for tier in RETRY_TIERS}) == len(RETRY_TIERS)
