"""Two processes share delivery, and one reads a changed workspace long before the other."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from console.processes.supervisor import FlowProcesses
from flows.delivery.dataflow import FLOW
from tests.kit.cluster import QUICK, Cluster, cluster, plain_events
from tests.kit.system import wait_until, workspace_text

SKEW_SECONDS = 4.0


@contextmanager
def two_processes(made: Cluster, files: list[Path]) -> Iterator[None]:
    """Start both as one unit, each with a workspace file of its own."""
    unit = FlowProcesses(FLOW, 2, made.file, made.data)
    with ExitStack() as stack:
        for number, (command, file) in enumerate(zip(unit.commands(), files, strict=True)):
            log = stack.enter_context((made.logs / f"delivery-{number}.log").open("ab"))
            environment = {**unit.environment(), "WAYBILL_WORKSPACE": str(file)}
            process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def in_force(made: Cluster, number: int) -> bool:
    return "workspace is active" in (made.logs / f"delivery-{number}.log").read_text()


@pytest.mark.slow
def test_a_process_that_is_behind_discards_nothing_of_what_the_other_routed(tmp_path: Path) -> None:
    names = {f"d{number}": f"/healthy/{number}" for number in range(7)}
    with cluster(tmp_path, {"d0": names["d0"]}, more="topics: {partitions: 4}") as made:
        made.start("recording")
        files = [tmp_path / "workspace-0.yaml", tmp_path / "workspace-1.yaml"]
        for file in files:
            file.write_bytes(made.file.read_bytes())
        urls = {name: f"{made.target.address}{path}" for name, path in names.items()}
        changed = tmp_path / "changed.yaml"
        with two_processes(made, files):
            made.send(plain_events(100))
            made.wait_for("healthy/0", {"delivered_keys": 100})
            changed.write_text(workspace_text(urls, QUICK, "topics: {partitions: 4}"))
            sent, pause = 100, threading.Event()
            for number in (0, 1):
                os.link(changed, files[number].with_suffix(".new"))
                os.replace(files[number].with_suffix(".new"), files[number])
                wait_until(lambda number=number: in_force(made, number), 20, "in force")  # type: ignore[misc]
                for _ in range(int(SKEW_SECONDS / 0.2)):
                    made.send(plain_events(10, first=sent))
                    sent += 10
                    pause.wait(0.2)
            made.wait_for("healthy/0", {"delivered_keys": sent})
            behind = [made.target.tally().get(f"healthy/{number}", {}).get("delivered_keys", 0) for number in range(7)]
            wait_until(lambda: retried_away(made), 30, "nothing waits any more", 0.5)
        made.stop("recording")
        numbers = made.numbers(settle_seconds=0)
    assert numbers["errors"] == [], behind
    balance = numbers["balance"]
    assert balance["discarded"] == 0 and balance["delivered"] == balance["routed"] > 2 * sent


def retried_away(made: Cluster) -> bool:
    """The receiver got nothing new for a while."""
    before = calls(made)
    threading.Event().wait(6)
    return before == calls(made)


def calls(made: Cluster) -> int:
    return sum(counted["calls"] for counted in made.target.tally().values())
