"""P50, P95 and P99 of any period of whole minutes are within 1 % of the exact ones."""

import random
from functools import cache
from math import ceil

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.recording.facts import Outcome, State
from sinks.clickhouse.store import Store
from tests.kit.recording import BASE_MS, Event, Log
from tests.sql.test_views import HOUR, MINUTE

HOURS = 5
DELIVERIES = 1_500


@cache
def log() -> Log:
    """Latencies of five hours from one ms to most of an hour, close together in some minutes and sparse in others."""
    chance, made = random.Random(31), Log()
    facts = []
    for offset in range(DELIVERIES):
        event = Event(offset, BASE_MS + int(chance.betavariate(2, 5) * HOURS * HOUR))
        took = chance.choice((int(chance.lognormvariate(5, 2)) + 1, chance.randrange(1, 90), 3_000_000))
        facts += [event.received(), event.outcome(State.DELIVERED, min(took, 3_500_000))]
    made.append(*sorted(facts, key=lambda fact: fact.at_ms))
    return made


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.integers(0, HOURS * 60 - 1), minutes=st.integers(1, (HOURS + 1) * 60), hours_built=st.integers(0, HOURS)
)
def test_percentiles_are_within_one_per_cent(store: Store, first: int, minutes: int, hours_built: int) -> None:
    with store.client() as client:
        client.command("TRUNCATE TABLE hours")
        [(recorded,)] = client.query("SELECT count() FROM minutes").result_rows
    if not recorded:
        log().record(store)
    store.rebuild_hours(0, [BASE_MS + i * HOUR for i in range(hours_built)], BASE_MS + 9 * HOUR)
    from_ms, to_ms = BASE_MS + first * MINUTE, BASE_MS + (first + minutes) * MINUTE
    delivered = [fact for _, fact, _ in log().entries if isinstance(fact, Outcome)]
    latencies = sorted(f.at_ms - f.received_at_ms for f in delivered if from_ms <= f.at_ms < to_ms)
    [metrics] = store.view("key_metrics", from_ms=from_ms, to_ms=to_ms)
    assert metrics["delivered"] == len(latencies)
    for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        answer = metrics[f"{name}_latency_ms"]
        if not latencies:
            assert answer is None
            continue
        exact = latencies[max(1, ceil(q * len(latencies))) - 1]
        assert abs(answer - exact) <= exact * 0.01, (name, answer, exact, len(latencies))
