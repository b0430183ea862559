"""kill -9 in the middle of the work: nothing is lost, everything counts once, what was sent twice is owned up to."""

from pathlib import Path

import pytest

from tests.faults.cluster import Cluster, cluster, plain_events

EVENTS = 3_000
KILLS = 5


def kill_while_delivering(made: Cluster, flow: str, fault: str = "") -> None:
    """Start both flows, send everything, and kill one of them five times while it works."""
    made.start("recording")
    made.start("delivery", fault if flow == "delivery" else "")
    for kill in range(KILLS):
        made.send(plain_events(EVENTS // KILLS, first=kill * EVENTS // KILLS))
        # In the middle: some of this part has been delivered, the rest is under way or unread.
        made.wait_for("healthy", {"calls": kill * EVENTS // KILLS + EVENTS // KILLS // 3})
        made.kill(flow)
        made.start(flow, fault if flow == "delivery" else "")


@pytest.mark.slow
@pytest.mark.parametrize("flow", ["delivery", "recording"])
def test_nothing_is_lost_and_all_numbers_agree_when_a_flow_is_killed_five_times(tmp_path: Path, flow: str) -> None:
    with cluster(tmp_path, {"crm": "/healthy"}) as made:
        kill_while_delivering(made, flow)
        tally = made.wait_for("healthy", {"delivered_keys": EVENTS})
        made.stop("delivery")
        made.stop("recording")
        numbers = made.numbers()
    assert numbers["balance"] == {
        "routed": EVENTS, "filtered": 0, "delivered": EVENTS,
        "discarded": 0, "expired": 0, "pending": 0, "unexplained": 0,
    }  # fmt: skip
    assert numbers["ingest"]["accepted"] == EVENTS and numbers["ingest"]["unexplained"] == 0
    assert numbers["metrics"]["delivered"] == EVENTS
    possible = numbers["metrics"]["possible_duplicates"]
    assert possible >= tally["keys_delivered_more_than_once"]
    if flow == "recording":
        assert tally["calls"] == EVENTS and possible == 0


@pytest.mark.slow
def test_control_a_flush_outside_the_snapshot_loses(tmp_path: Path) -> None:
    with cluster(tmp_path, {"crm": "/healthy"}) as made:
        kill_while_delivering(made, "delivery", "flush-on-a-timer")
        made.wait_for("healthy", {"delivered_keys": EVENTS})
        made.stop("delivery")
        made.stop("recording")
        numbers = made.numbers()
    lost = numbers["balance"]["routed"] != EVENTS or numbers["balance"]["unexplained"] > 0
    assert lost or numbers["ingest"]["unexplained"] > 0 or numbers["metrics"]["delivered"] != EVENTS, numbers
