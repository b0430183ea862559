"""One destination that hangs and one that refuses connections cost a healthy one beside them nothing to speak of."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import pytest

from tests.kit.isolation import Measured, burst, closed_port, measure
from tests.kit.system import receiver

pytestmark = pytest.mark.slow

BURST_EVENTS = 9_000
ROUNDS = 3
SECONDS = 16.0
BUDGET = 2_000  # deliveries a process holds by default
MORE_MEMORY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rounds of one run, at half of what the same machine was found to deliver to three healthy destinations."""

    retry_records_of_burst: int
    alone: list[Measured]
    beside: list[Measured]
    shared_queue: Measured


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparison]:
    directory = tmp_path_factory.mktemp("isolation")
    with receiver() as target, closed_port() as refusing:
        healthy = {f"other-{number}": f"{target.address}/healthy/{number}" for number in range(2)}
        capacity_per_second, retry_records = burst(directory / "burst", target, healthy, BURST_EVENTS)
        rate_per_second = capacity_per_second / 2
        broken = {"hanging": f"{target.address}/slow?ms=10000", "refusing": refusing}
        alone, beside = [], []
        for number in range(ROUNDS):
            alone.append(measure(directory / f"alone-{number}", target, {}, rate_per_second, SECONDS))
            beside.append(measure(directory / f"beside-{number}", target, broken, rate_per_second, SECONDS))
        shared = measure(directory / "shared", target, broken, rate_per_second, SECONDS, shared_queue=True)
    yield Comparison(retry_records, alone, beside, shared)


def is_isolated(alone: list[Measured], beside: list[Measured]) -> bool:
    """The measure of the test and of its control."""
    usual_ms = median(measured.p95_ms for measured in alone)
    return (
        median(measured.p95_ms for measured in beside) <= max(1.2 * usual_ms, usual_ms + 10)
        and min(measured.kept for measured in beside) >= 0.95
    )


def test_the_healthy_one_keeps_its_rate_and_its_latency(comparison: Comparison) -> None:
    assert all(measured.failed_others > measured.sent for measured in comparison.beside)
    assert all(measured.kept >= 0.95 for measured in comparison.alone)
    print(comparison)
    assert is_isolated(comparison.alone, comparison.beside), comparison


def test_control_with_one_room_for_all_the_healthy_one_suffers(comparison: Comparison) -> None:
    assert not is_isolated(comparison.alone, [comparison.shared_queue]), comparison


def test_of_the_backlog_no_more_than_the_budget_is_in_memory(comparison: Comparison) -> None:
    # Twice, because both partitions and the tiers are read at the same moment, each as much as is free.
    assert all(measured.most_held <= 2 * BUDGET for measured in comparison.beside), comparison
    usual_bytes = median(measured.peak_bytes for measured in comparison.alone)
    assert max(measured.peak_bytes for measured in comparison.beside) <= usual_bytes + MORE_MEMORY_BYTES


def test_a_burst_to_three_healthy_destinations_writes_no_retry_record(comparison: Comparison) -> None:
    assert comparison.retry_records_of_burst == 0
