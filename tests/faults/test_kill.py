"""kill -9 in the middle of the work: nothing is lost, everything counts once, what was sent twice is owned up to."""

from pathlib import Path

import pytest

from tests.kit.cluster import EVER, Cluster, assert_all_arrived, cluster, plain_events
from tests.kit.system import Waybill, receiver, running, wait_until, workspace_text

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
        tally, metrics = assert_all_arrived(made, EVENTS)
    if flow == "recording":
        assert tally["calls"] == EVENTS and metrics["possible_duplicates"] == 0


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


@pytest.mark.slow
def test_every_event_that_was_answered_with_success_is_delivered_when_everything_is_killed(tmp_path: Path) -> None:
    """Everything in one process, killed while a client posts that repeats the batch it has no answer for."""
    with receiver() as target:
        system = Waybill(tmp_path, workspace_text({"crm": f"{target.address}/healthy"}))
        with running(system):
            for kill in range(KILLS):
                for batch in range(4):
                    answer = system.post(plain_events(100, first=kill * 400 + batch * 100))
                    assert answer.json() == {"success": True}
                system.kill()
                system.start()
                # What a client does that got no answer: the same batch again, and it is not delivered twice for that.
                assert system.post(plain_events(100, first=kill * 400 + 300)).json() == {"success": True}
            chosen = {**EVER, "source": "", "destination": ""}
            wait_until(
                lambda: system.view("delivery_metrics", **chosen)[0]["delivered"] == KILLS * 400, 60, "all delivered"
            )
            balance = system.view("balance", **chosen, settle_seconds=0)
            [ingest] = system.view("ingest_balance", **EVER, settle_seconds=0)
            assert target.tally()["healthy"]["delivered_keys"] == KILLS * 400
            assert system.stop() == 0
    assert sum(row["delivered"] for row in balance) == sum(row["routed"] for row in balance) == KILLS * 400
    assert ingest["duplicates"] == KILLS * 100 and ingest["unexplained"] == 0
    assert ingest["accepted"] == KILLS * 500
