"""Overload is not slowness: a store that hangs costs delivery nothing, a burst to a healthy destination no retry."""

import sys
import time
from functools import partial
from pathlib import Path

import pytest

from flows.topics.interface import OUTCOMES
from tests.kit.cluster import EVER, cluster, plain_events
from tests.kit.system import Receiver, Waybill, receiver, running, wait_until, workspace_text

EVERYTHING = {**EVER, "source": "", "destination": ""}
HEALTHY_SECONDS = 12.0
BACKLOG_EVENTS = 90_000
TRIES = 3
SETTLE_SECONDS = 600  # how soon the backlog is delivered depends on the machine
HANGING_SECONDS = 32.0  # the store hangs for 30 s, then fails


@pytest.mark.slow
@pytest.mark.alone
def test_delivery_keeps_its_rate_while_the_store_hangs_for_30_s_and_then_fails(tmp_path: Path) -> None:
    """A backlog for a destination of 40 ms, near full speed: a window with a healthy store, one with it hanging.

    Measured again if the machine's neighbours spoilt it: a rate that falls because of Waybill falls every time.
    """
    hang_file = tmp_path / "hang"
    sent = 0
    rates: list[tuple[float, float]] = []
    with receiver() as target:
        system = Waybill(tmp_path, workspace_text({"crm": f"{target.address}/slow?ms=40"}))
        system.start(sys.executable, "-m", "tests.faults.hanging_up", str(hang_file))
        with running(system, started=True):

            def rate(seconds: float) -> float:
                started, before = time.monotonic(), target.tally()["slow"]["calls"]
                wait_until(lambda: time.monotonic() - started >= seconds, seconds + 5, "measured")
                return float(target.tally()["slow"]["calls"] - before) / (time.monotonic() - started)

            def keeps_its_rate() -> bool:
                healthy, hanging = rates[-1]
                return hanging >= 0.95 * healthy

            while len(rates) < TRIES and not (rates and keeps_its_rate()):
                for first in range(sent, sent + BACKLOG_EVENTS, 2_000):
                    assert system.post(plain_events(2_000, first)).status_code == 200
                sent += BACKLOG_EVENTS
                healthy = rate(HEALTHY_SECONDS)
                hang_file.touch()
                rates.append((healthy, rate(HANGING_SECONDS)))
                hang_file.unlink()
                assert target.tally()["slow"]["calls"] < sent, "the backlog was used up: nothing was measured"
                wait_until(partial(all_delivered, target, sent), SETTLE_SECONDS, "all delivered", 0.2)
                wait_until(partial(all_recorded, system, sent), SETTLE_SECONDS, "all recorded", 0.5)
            assert keeps_its_rate(), rates
            balance = system.view("balance", **EVERYTHING, settle_seconds=0)
    assert sum(row["delivered"] for row in balance) == sent
    assert sum(row["unexplained"] for row in balance) == 0


def all_delivered(target: Receiver, events: int) -> bool:
    return bool(target.tally()["slow"]["delivered_keys"] == events)


def all_recorded(system: Waybill, events: int) -> bool:
    return bool(system.view("delivery_metrics", **EVERYTHING)[0]["delivered"] == events)


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
