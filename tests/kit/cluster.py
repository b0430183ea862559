"""Ingest in the test's own process, delivery and recording as processes, and the receiver: a deployment to break."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil

from console.ingest.app import IngestSources, create_ingest
from console.server.http_server import serve_in_thread
from flows.engine.clock import wall_clock_ms
from flows.runtime.deployment import Deployment, open_deployment
from flows.workspace.loader import load_workspace
from model.delivery.retry_tiers import RETRY_TIERS
from tests.kit.system import WRITE_KEY, Receiver, receiver, wait_until, workspace_text

EVER = {"from_ms": 0, "to_ms": 4_000_000_000_000}
QUICK = """\
attempts: 6
window_seconds: 60
first_wait_seconds: 0.3
wait_factor: 1.5
setup_probe_seconds: 1
"""


class Cluster:
    """A running deployment; ``address`` takes events."""

    def __init__(self, directory: Path, workspace: str, target: Receiver) -> None:
        self.file = directory / "workspace.yaml"
        self.file.write_text(workspace, encoding="utf-8")
        self.data = directory / "data"
        self.deployment: Deployment = open_deployment(load_workspace(self.file, os.environ), self.data)
        self.target = target
        self.logs = directory
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        # The server closes connections that idle for 5 s, and may do so just as one is used again.
        self._client = httpx.Client(timeout=30, trust_env=False, limits=httpx.Limits(keepalive_expiry=2))
        sources = IngestSources(self.deployment.workspace.sources_by_write_key())
        app = create_ingest(sources, self.deployment.topics, clock=wall_clock_ms, run="test")
        self._server = serve_in_thread(app, "127.0.0.1", 0)

    def start(self, flow: str, fault: str = "", *, program: str = "tests.kit.flow_process") -> int:
        """Start a flow; returns its process id. ``program``: a module that is run with the same arguments."""
        command = [sys.executable, "-m", program, flow, str(self.file), str(self.data), fault]
        with (self.logs / f"{flow}.log").open("ab") as log:
            process = self._processes[flow] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", self.log_of(flow)
        return process.pid

    def start_processes(self, count: int) -> None:
        """Start delivery as users do, as several processes that are one unit."""
        command = [sys.executable, "-m", "console", "run", "delivery", "--processes", str(count)]
        command += ["--workspace", str(self.file), "--data", str(self.data)]
        with (self.logs / "delivery.log").open("ab") as log:
            self._processes["delivery"] = subprocess.Popen(command, stderr=log)

    def workers(self) -> list[psutil.Process]:
        """The processes that share delivery."""
        return psutil.Process(self._processes["delivery"].pid).children()

    def kill(self, flow: str) -> None:
        """kill -9."""
        process = self._processes.pop(flow)
        assert process.poll() is None, self.log_of(flow)
        process.kill()
        process.wait()

    def stop(self, flow: str, seconds: float = 60) -> None:
        """Stop cleanly."""
        process = self._processes.pop(flow)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=seconds) == 0, self.log_of(flow)

    def ended(self, flow: str, seconds: float = 60) -> int:
        """Wait for a flow that ends by itself; its exit code."""
        return self._processes.pop(flow).wait(timeout=seconds)

    def log_of(self, flow: str) -> str:
        """The end of what a flow has logged."""
        return (self.logs / f"{flow}.log").read_text(encoding="utf-8")[-3000:]

    def send(self, events: list[dict[str, Any]]) -> None:
        """Post events in batches of 100; each must be accepted."""
        for first in range(0, len(events), 100):
            body = orjson.dumps({"writeKey": WRITE_KEY, "batch": events[first : first + 100]})
            headers = {"Content-Type": "application/json"}
            url = f"http://127.0.0.1:{self._server.port}/v1/batch"
            answer = self._client.post(url, content=body, headers=headers)
            assert answer.json() == {"success": True}, answer.text

    def views(self, *asked: tuple[str, dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """Read views with recording stopped, in a process of its own: chDB allows one directory per process."""
        command = [sys.executable, "-m", "tests.kit.view_process", self.deployment.store_url]
        done = subprocess.run(command, input=orjson.dumps(asked), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        rows: list[list[dict[str, Any]]] = orjson.loads(done.stdout)
        return rows

    def numbers(self, settle_seconds: int = 0) -> dict[str, Any]:
        """Balance, ingest balance and metrics over everything."""
        chosen = {**EVER, "source": "", "destination": ""}
        balance, [ingest], [metrics], errors = self.views(
            ("balance", {**chosen, "settle_seconds": settle_seconds}),
            ("ingest_balance", {**EVER, "settle_seconds": settle_seconds}),
            ("delivery_metrics", chosen),
            ("error_details", chosen),
        )
        fates = ("routed", "filtered", "delivered", "discarded", "expired", "pending", "unexplained")
        return {
            "balance": {fate: sum(row[fate] for row in balance) for fate in fates},
            "ingest": ingest,
            "metrics": metrics,
            "errors": sorted((row["destination"], row["code"], row["state"], row["deliveries"]) for row in errors),
        }

    def retry_records(self) -> int:
        """How many records were ever appended to the tiers."""
        topics = self.deployment.topics
        partitions = range(self.deployment.workspace.topics.partitions)
        return sum(topics.bounds(tier.topic, partition)[1] for tier in RETRY_TIERS for partition in partitions)

    def wait_for(self, name: str, wanted: dict[str, int], seconds: float = 120) -> dict[str, Any]:
        """Wait until the receiver's tally of a path has reached some numbers; return it."""

        def reached() -> bool:
            for flow, process in self._processes.items():
                assert process.poll() is None, f"{flow} ended: {self.log_of(flow)}"
            found = self.target.tally().get(name, {})
            return all(found.get(field, 0) >= number for field, number in wanted.items())

        try:
            wait_until(reached, seconds, f"{wanted} at {name}", every_seconds=0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}; tally: {self.target.tally()}") from None
        tally: dict[str, Any] = self.target.tally()[name]
        return tally

    def close(self) -> None:
        """End whatever still runs."""
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._client.close()
        self._server.stop()
        self.deployment.topics.close()


def assert_all_arrived(made: Cluster, events: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Wait for events sent to one healthy destination, stop everything, check every number.

    Returns the receiver's tally, and the metrics.
    """
    tally = made.wait_for("healthy", {"delivered_keys": events})
    made.stop("delivery")
    made.stop("recording")
    numbers = made.numbers()
    assert numbers["balance"] == {
        "routed": events, "filtered": 0, "delivered": events,
        "discarded": 0, "expired": 0, "pending": 0, "unexplained": 0,
    }  # fmt: skip
    assert numbers["ingest"]["accepted"] == events and numbers["ingest"]["unexplained"] == 0
    assert numbers["metrics"]["delivered"] == events
    assert numbers["metrics"]["possible_duplicates"] >= tally["keys_delivered_more_than_once"]
    return tally, numbers["metrics"]


@contextmanager
def cluster(
    directory: Path, destinations: dict[str, str], delivery: str = QUICK, settings: str = "", more: str = ""
) -> Iterator[Cluster]:
    """Make a cluster with destinations given as id: path at the receiver; nothing runs yet but ingest.

    ``more``: another section of the workspace file.
    """
    with receiver() as target:
        urls = {name: f"{target.address}{path}" for name, path in destinations.items()}
        made = Cluster(directory, workspace_text(urls, delivery, more, settings), target)
        try:
            yield made
        finally:
            made.close()


def plain_events(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Track calls with message ids of their own."""
    return [
        {
            "type": "track",
            "event": f"Event {n % 7}",
            "userId": f"u{n % 50}",
            "messageId": f"m-{n}",
            "properties": {"n": n},
        }
        for n in range(first, first + count)
    ]
