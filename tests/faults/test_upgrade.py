"""An upgrade with retries pending: from a deployment as earlier versions left it, nothing is lost or said twice."""

import shutil
from pathlib import Path

import orjson
import pytest

from flows.delivery.dataflow import FLOW
from flows.delivery.replay_marks import REPLAY_MARKS_DIRECTORY
from flows.delivery.versions import VERSIONS_DIRECTORY
from tests.kit.cluster import cluster, plain_events

EVENTS = 200
PATIENT = "attempts: 6\nwindow_seconds: 120\nfirst_wait_seconds: 3\nwait_factor: 1.5\n"


@pytest.mark.slow
def test_deliveries_that_wait_for_a_retry_over_an_upgrade_are_delivered_once(tmp_path: Path) -> None:
    settings = "breaker: {enabled: false}"
    with cluster(tmp_path, {"crm": "/scripted"}, delivery=PATIENT, settings=settings) as made:
        made.start("recording")
        made.start("delivery")
        events = plain_events(EVENTS)
        for event in events:
            event["properties"]["script"] = [503, 200]
        made.send(events)
        made.wait_for("scripted", {"calls": EVENTS})
        made.stop("delivery")
        leave_as_before_there_were_processes(made.data / "recovery" / FLOW)
        made.start("delivery")
        tally = made.wait_for("scripted", {"delivered_keys": EVENTS})
        made.stop("delivery")
        made.stop("recording")
        numbers = made.numbers()
    assert tally["calls"] == 2 * EVENTS and tally["keys_delivered_more_than_once"] == 0
    assert numbers["balance"]["delivered"] == numbers["balance"]["routed"] == EVENTS
    assert numbers["balance"]["unexplained"] == numbers["ingest"]["unexplained"] == 0
    assert numbers["metrics"]["delivered"] == EVENTS


def leave_as_before_there_were_processes(recovery: Path) -> None:
    """One journal and one history of the workspace, for all partitions."""
    shutil.rmtree(recovery / REPLAY_MARKS_DIRECTORY)
    shutil.rmtree(recovery / VERSIONS_DIRECTORY)
    journal = {"clean": True, "horizons": {"events/0": 2_100, "events/1": 2_100}, "fences": {}}
    (recovery / "journal.json").write_bytes(orjson.dumps(journal))
    (recovery / "workspaces.json").write_bytes(b"[]")
