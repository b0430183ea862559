"""An insert function that hangs, seen from outside: other connections keep their pace, and it leaves nothing behind."""

import os
import time
from pathlib import Path

import psutil
import pytest

from tests.cli.test_workspace_changes import balance, events
from tests.kit.system import WRITE_KEY, Waybill, receiver, running, wait_until

EVENTS = 60
MODULE = """
import subprocess

def hang(event, settings):
    subprocess.Popen(["sleep", settings["seconds"]])
    while True: pass

def fine(event, settings):
    return event
"""


def sleepers(seconds: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", seconds]]


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_a_function_that_hangs_costs_its_own_connection_only_and_ends_with_waybill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    (tmp_path / "bad_functions.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    seconds = f"300.{os.getpid()}{int(killed)}"  # a number of this test's own
    with receiver() as target:
        text = f"""\
version: 1
ingest: {{port: 0}}
sources: [{{id: web, write_keys: [{WRITE_KEY}]}}]
destinations:
  - {{id: bad, type: webhook, url: "{target.address}/healthy/bad"}}
  - {{id: good, type: webhook, url: "{target.address}/healthy/good"}}
connections:
  - source: web
    destination: bad
    insert_function: bad_functions:hang
    function_settings: {{seconds: "{seconds}"}}
  - {{source: web, destination: good, insert_function: "bad_functions:fine"}}
delivery: {{allow_addresses: [127.0.0.0/8]}}
"""
        system = Waybill(tmp_path, text)
        with running(system):
            began_seconds = time.monotonic()
            system.post(events(EVENTS))
            wait_until(lambda: calls(target.tally()) == EVENTS, 30, "delivered by the good one")
            assert time.monotonic() - began_seconds < 15
            wait_until(lambda: balance(system, "good").get("delivered") == EVENTS, 30, "recorded")
            assert balance(system, "bad")["pending"] == EVENTS
            wait_until(lambda: bool(sleepers(seconds)), 20, "it has started processes")
            if killed:
                system.kill()
            else:
                assert system.stop() == 0
        wait_until(lambda: not sleepers(seconds), 10, "they have ended")


def calls(tally: dict[str, dict[str, int]]) -> int:
    return tally.get("healthy/good", {}).get("delivered_keys", 0)
