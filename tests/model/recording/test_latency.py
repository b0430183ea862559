"""Latency buckets and the rank rule, against exact quantiles."""

from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from model.recording.latency import latency_bucket
from tests.kit.latencies import quantile_ms, value_ms

latencies = st.lists(st.integers(1, 40_000_000), min_size=1, max_size=60)


def counted(values: list[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for value in values:
        counts[latency_bucket(value)] = counts.get(latency_bucket(value), 0) + 1
    return counts


@given(st.integers(1, 400_000_000))
def test_the_value_of_a_bucket_is_within_one_per_cent_of_what_it_holds(latency_ms: int) -> None:
    assert abs(value_ms(latency_bucket(latency_ms)) - latency_ms) <= latency_ms * 0.01


def test_below_100_ms_nothing_is_lost() -> None:
    assert [value_ms(latency_bucket(ms)) for ms in range(1, 101)] == list(range(1, 101))


def test_nothing_is_shorter_than_a_millisecond() -> None:
    assert latency_bucket(0) == latency_bucket(-5_000) == latency_bucket(1) == 0


@given(latencies, st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_the_latency_at_the_rank(values: list[int], q: float) -> None:
    exact = sorted(values)[max(1, ceil(q * len(values))) - 1]
    answer = quantile_ms(counted(values), q)
    assert answer is not None and abs(answer - exact) <= exact * 0.01


@given(latencies, latencies)
def test_buckets_of_two_periods_add_up(one: list[int], other: list[int]) -> None:
    both, total = counted(one), counted(one + other)
    for index, count in counted(other).items():
        both[index] = both.get(index, 0) + count
    assert both == total


def test_the_quantile_of_nothing_is_none() -> None:
    assert quantile_ms({}, 0.95) is None
    assert quantile_ms({10: 0, 11: -1}, 0.95) is None
