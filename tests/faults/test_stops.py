"""Stopping and starting: nothing twice after a clean stop, no expiry for our downtime, replay changes nothing."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kit.cluster import cluster, plain_events
from tests.kit.system import wait_until

EVENTS = 1_500


@pytest.mark.slow
def test_a_clean_stop_under_load_sends_nothing_twice(tmp_path: Path) -> None:
    with cluster(tmp_path, {"crm": "/slow?ms=20"}) as made:
        made.start("recording")
        made.start("delivery")
        for part in range(3):
            made.send(plain_events(EVENTS // 3, first=part * EVENTS // 3))
            made.wait_for("slow", {"calls": part * EVENTS // 3 + EVENTS // 9})
            made.stop("delivery")
            made.start("delivery")
        tally = made.wait_for("slow", {"delivered_keys": EVENTS})
        made.stop("delivery")
        made.stop("recording")
        numbers = made.numbers()
    assert tally["calls"] == EVENTS
    assert numbers["metrics"]["possible_duplicates"] == 0
    assert numbers["balance"]["delivered"] == EVENTS and numbers["balance"]["unexplained"] == 0


@pytest.mark.slow
def test_downtime_expires_nothing_unsent_and_the_numbers_are_exact_after_it(tmp_path: Path) -> None:
    window = "attempts: 3\nwindow_seconds: 2\nfirst_wait_seconds: 0.3\n"
    with cluster(tmp_path, {"crm": "/healthy"}, window) as made:
        made.start("recording")
        made.start("delivery")
        made.send(plain_events(200))
        made.wait_for("healthy", {"delivered_keys": 200})
        made.stop("delivery")
        made.stop("recording")
        made.send(plain_events(EVENTS, first=200))
        # Longer than the whole retry window: the events were accepted, and nobody was there to send them.
        away_until = time.monotonic() + 3
        wait_until(lambda: time.monotonic() > away_until, 5, "away")
        made.start("recording")
        made.start("delivery")
        tally = made.wait_for("healthy", {"delivered_keys": 200 + EVENTS})
        made.stop("delivery")
        made.stop("recording")
        numbers = made.numbers()
    assert tally["calls"] == 200 + EVENTS
    assert numbers["balance"]["delivered"] == numbers["balance"]["routed"] == 200 + EVENTS
    assert numbers["balance"]["expired"] == numbers["balance"]["unexplained"] == 0
    assert numbers["ingest"]["accepted"] == 200 + EVENTS and numbers["ingest"]["unread"] == 0
    assert numbers["metrics"]["possible_duplicates"] == 0


@pytest.mark.slow
def test_recording_the_retained_log_again_changes_no_number(tmp_path: Path) -> None:
    every_attempt = "breaker: {enabled: false}"
    with cluster(tmp_path, {"crm": "/flaky", "dead": "/status/500"}, settings=every_attempt) as made:
        made.start("recording")
        made.start("delivery")
        made.send([*plain_events(600), *plain_events(50)])  # the last 50 are duplicates
        made.wait_for("flaky", {"calls": 600})
        made.kill("delivery")  # so that the log holds facts said twice, too
        made.start("delivery")
        wait_until(lambda: _settled(made.target.tally(), 600), 90, "every event was tried to the end")
        made.stop("delivery")
        made.stop("recording")
        before = made.numbers()
        recover = [sys.executable, "-m", "console", "recover", "recording", "--yes", "--json"]
        recover += ["--workspace", str(made.file), "--data", str(made.data)]
        subprocess.run(recover, check=True, capture_output=True)
        made.start("recording")
        made.stop("recording", seconds=120)
        after = made.numbers()
    assert before["balance"]["routed"] == 1_200 and before["ingest"]["duplicates"] == 50
    assert after == before


def _settled(tally: dict[str, dict[str, int]], events: int) -> bool:
    return tally.get("status/500", {}).get("calls", 0) >= events * 6
