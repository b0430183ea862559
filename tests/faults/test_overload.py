"""Overload is not slowness: a store that hangs costs delivery nothing, a burst to a healthy destination no retry."""

import sys
import time
from pathlib import Path

import pytest

from flows.topics.interface import OUTCOMES
from tests.kit.cluster import EVER, cluster, plain_events
from tests.kit.system import Waybill, receiver, running, wait_until, workspace_text

HEALTHY_SECONDS = 12.0
HANGING_SECONDS = 32.0  # the store hangs for 30 s, then fails


@pytest.mark.slow
def test_delivery_keeps_its_rate_while_the_store_hangs_for_30_s_and_then_fails(tmp_path: Path) -> None:
    """A backlog for a destination of 40 ms, near full speed: a window with a healthy store, one with it hanging."""
    hang_file = tmp_path / "hang"
    with receiver() as target:
        system = Waybill(tmp_path, workspace_text({"crm": f"{target.address}/slow?ms=40"}))
        system.start(sys.executable, "-m", "tests.faults.hanging_up", str(hang_file))
        with running(system, started=True):
            events = 90_000
            for first in range(0, events, 2_000):
                assert system.post(plain_events(2_000, first)).status_code == 200

            def rate(seconds: float) -> float:
                started, before = time.monotonic(), target.tally()["slow"]["calls"]
                wait_until(lambda: time.monotonic() - started >= seconds, seconds + 5, "measured")
                return float(target.tally()["slow"]["calls"] - before) / (time.monotonic() - started)

            healthy = rate(HEALTHY_SECONDS)
            hang_file.touch()
            hanging = rate(HANGING_SECONDS)
            hang_file.unlink()
            assert target.tally()["slow"]["calls"] < events, "the backlog was used up: nothing was measured"
            assert hanging >= 0.95 * healthy, (healthy, hanging)
            wait_until(lambda: target.tally()["slow"]["delivered_keys"] == events, 180, "all delivered", 0.2)
            chosen = {**EVER, "source": "", "destination": ""}
            wait_until(
                lambda: system.view("delivery_metrics", **chosen)[0]["delivered"] == events, 60, "all recorded", 0.5
            )
            balance = system.view("balance", **chosen, settle_seconds=0)
    assert sum(row["delivered"] for row in balance) == events
    assert sum(row["unexplained"] for row in balance) == 0


@pytest.mark.slow
def test_a_burst_of_100_000_events_to_a_healthy_destination_writes_no_retry_record(tmp_path: Path) -> None:
    events = 100_000
    with cluster(tmp_path, {"crm": "/healthy"}) as made:
        made.send(plain_events(events))
        made.start("delivery")
        tally = made.wait_for("healthy", {"delivered_keys": events}, seconds=300)
        made.stop("delivery")
        assert made.retry_records() == 0
        made.start("recording")
        made.stop("recording", seconds=300)
        numbers = made.numbers()
        topics = made.deployment.topics
        facts = sum(topics.bounds(OUTCOMES, partition)[1] for partition in range(topics.partitions(OUTCOMES)))
    assert tally["calls"] == events
    assert numbers["balance"]["delivered"] == events and numbers["balance"]["unexplained"] == 0
    assert facts >= 2 * events
