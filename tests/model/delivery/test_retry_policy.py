from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.delivery.retry_policy import RetryPolicy
from model.http.failure import RETRY_AFTER_LIMIT_MS
from tests.kit.samples import T0

SECOND_MS, MINUTE_MS, HOUR_MS = 1_000, 60_000, 3_600_000
POLICY = RetryPolicy()


def middle() -> float:
    return 0.5  # no jitter


def due(
    policy: RetryPolicy = POLICY, *, attempts: int = 1, after_ms: int = 0, asked_ms: int | None = None
) -> int | None:
    """When the next call is, in ms after this one's end ``after_ms`` into the window."""
    now_ms = T0 + after_ms
    at = policy.next_due_ms(attempts=attempts, taken_at_ms=T0, now_ms=now_ms, retry_after_ms=asked_ms, random=middle)
    return None if at is None else at - now_ms


@pytest.mark.parametrize(
    ("attempt", "wait_seconds"), [(1, 45), (2, 90), (3, 180), (7, 2_880), (8, 3_600), (100_000, 3_600)]
)
def test_waits_double_up_to_an_hour(attempt: int, wait_seconds: int) -> None:
    assert POLICY.wait_ms(attempt, middle) == wait_seconds * SECOND_MS


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_jitter_stays_within_a_fifth(attempt: int, chance: float) -> None:
    wait_ms = POLICY.wait_ms(attempt, lambda: chance)
    assert 0.8 * POLICY.wait_ms(attempt, middle) - 1 <= wait_ms <= 1.2 * POLICY.wait_ms(attempt, middle) + 1


@pytest.mark.parametrize(
    ("asked_ms", "wait_ms"),
    [(None, 45_000), (5_000, 45_000), (300_000, 300_000), (7 * 86_400_000, RETRY_AFTER_LIMIT_MS)],
)
def test_a_partner_may_ask_for_a_longer_wait_but_not_for_more_than_an_hour(asked_ms: int | None, wait_ms: int) -> None:
    assert due(asked_ms=asked_ms) == wait_ms


def test_the_last_wait_is_cut_to_the_end_of_the_window_and_then_no_call_is_planned() -> None:
    assert due(attempts=5, after_ms=4 * HOUR_MS - MINUTE_MS) == MINUTE_MS
    assert due(attempts=5, after_ms=4 * HOUR_MS) is None


def test_the_tenth_failed_attempt_is_the_last() -> None:
    assert due(attempts=9) is not None
    assert due(attempts=10) is None


@given(
    st.builds(
        RetryPolicy,
        attempts=st.integers(1, 100),
        window_ms=st.integers(1, 30 * 24 * HOUR_MS),
        first_wait_ms=st.integers(1, 24 * HOUR_MS),
        wait_factor=st.floats(1, 10),
        max_wait_ms=st.integers(1, 24 * HOUR_MS),
        jitter=st.floats(0, 1),
    ),
    st.integers(0, 10**6),
    st.integers(0, 2 * 30 * 24 * HOUR_MS),
    st.none() | st.integers(0, 2**60),
    st.floats(0, 1, exclude_max=True),
)
def test_whatever_the_settings_the_next_call_is_not_before_now_nor_after_the_window(
    policy: RetryPolicy, attempts: int, after_ms: int, asked_ms: int | None, chance: float
) -> None:
    random: Callable[[], float] = lambda: chance  # noqa: E731
    at = policy.next_due_ms(
        attempts=attempts, taken_at_ms=T0, now_ms=T0 + after_ms, retry_after_ms=asked_ms, random=random
    )
    if at is None:
        assert attempts >= policy.attempts or after_ms >= policy.window_ms
    else:
        assert T0 + after_ms <= at <= policy.window_end_ms(T0)
