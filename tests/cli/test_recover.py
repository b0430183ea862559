"""What becomes of a data directory after kill -9, a lost recovery directory, a port already taken."""

import os
import shutil
import signal
import socket
from pathlib import Path

import orjson
import pytest

from tests.kit.commands import SMALL, Done, track, waybill, write_workspace
from tests.kit.system import Waybill, receiver, running, wait_until, workspace_text

EVENTS = 300


@pytest.mark.slow
def test_a_lost_recovery_directory_is_refused_and_recovered_without_loss(tmp_path: Path) -> None:
    with receiver() as target:
        urls = {"crm": f"{target.address}/slow?ms=300"}
        with running(Waybill(tmp_path, workspace_text(urls, "max_held_deliveries: 100"))) as system:
            system.post([track(f"m-{number}") for number in range(EVENTS)])
            wait_until(lambda: target.tally().get("slow", {}).get("calls", 0) >= EVENTS // 10, 30, "under way")
            system.kill()
            assert len(target.keys("slow")) < EVENTS

            # A container gives the next process the same pid: some process has it, and it is not Waybill.
            left_behind = orjson.loads((system.data / "server.json").read_bytes())
            (system.data / "server.json").write_bytes(orjson.dumps({**left_behind, "pid": os.getpid()}))
            assert ask(system, "report").code == 0

            shutil.rmtree(system.data / "recovery" / "delivery")
            refused = ask(system, "up")
            assert refused.code == 2 and "waybill recover delivery" in refused.err

            recovered = ask(system, "recover", "delivery", "--yes", "--json")
            assert recovered.code == 0 and recovered.json()["flow"] == "delivery"

            system.start()
            wait_until(lambda: target.tally()["slow"]["delivered_keys"] == EVENTS, 60, "all delivered")
            assert system.process is not None
            system.process.send_signal(signal.SIGINT)
            assert system.process.wait(60) == 0
            seen_again = target.tally()["slow"]["calls"] - EVENTS
            told = ask(system, "report", "--json")
    report = told.json()
    assert told.code == 0
    assert report["routed"] == report["delivered"] == EVENTS
    assert report["pending"] == report["unexplained"] == report["unread"] == 0
    assert report["possible_duplicates"] >= seen_again


def test_a_port_already_taken_is_named_with_a_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = write_workspace(tmp_path, SMALL.replace("port: 0", f"port: {port}"))
        told = waybill("up", workspace=file, data=tmp_path / "data")
    assert told.code == 2
    assert f"127.0.0.1:{port}" in told.err and "ingest.port" in told.err
    assert not (tmp_path / "data" / "server.json").exists()


def ask(system: Waybill, *arguments: str) -> Done:
    return waybill(*arguments, workspace=system.file, data=system.data)
