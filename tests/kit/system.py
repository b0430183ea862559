"""The real thing for tests and benchmarks: `waybill up` and the receiver as processes of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from console.data_dir import find_server, open_views

START_SECONDS = 60.0
WRITE_KEY = "test-write-key"


def wait_until(condition: Callable[[], bool], seconds: float, what: str, every_seconds: float = 0.05) -> None:
    """Return as soon as ``condition`` holds; raise AssertionError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:.0f} s: not {what}")
        time.sleep(every_seconds)


@contextmanager
def receiver(*options: str) -> Iterator["Receiver"]:
    """Run the receiver."""
    command = [sys.executable, "-m", "tests.kit.receiver", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield Receiver(f"http://127.0.0.1:{orjson.loads(process.stdout.readline())['port']}", process.pid)
        finally:
            process.terminate()


class Receiver:
    """A running receiver and its tally."""

    def __init__(self, address: str, pid: int) -> None:
        self.address = address
        self.pid = pid

    def tally(self) -> dict[str, Any]:
        """What it saw, by path."""
        tally: dict[str, Any] = httpx.get(f"{self.address}/tally", timeout=30).json()
        return tally

    def keys(self, name: str) -> dict[str, list[int]]:
        """The answers it gave, by Idempotency-Key."""
        keys: dict[str, list[int]] = httpx.get(f"{self.address}/tally/{name}/keys", timeout=60).json()
        return keys


class Waybill:
    """One deployment in a directory, run by `waybill up`; can be killed and started again."""

    def __init__(self, directory: Path, workspace: str) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.file = directory / "workspace.yaml"
        self.file.write_text(workspace, encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None
        self.log = directory / "up.log"

    @property
    def address(self) -> str:
        """Where it takes events."""
        server = find_server(self.data)
        assert server is not None, self.log.read_text()[-2000:]
        return server.address

    def start(self, *command: str) -> None:
        """Start and wait until it answers; ``command``: what to run instead of `waybill up`."""
        run = command or (sys.executable, "-m", "console", "up")
        environment = {**os.environ, "WAYBILL_WORKSPACE": str(self.file), "WAYBILL_DATA": str(self.data)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(run, env=environment, stdout=log, stderr=log)
        wait_until(self._answers, START_SECONDS, f"answering: {self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 60) -> int:
        """SIGTERM, and wait for the end; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def view(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        """Read a view of the running system. (This process cannot open its store: another test may have one open.)"""
        with open_views(self.data, "") as view:
            return view(name, parameters)

    def post(self, events: list[dict[str, Any]], client: httpx.Client | None = None) -> httpx.Response:
        """Post one batch."""
        body = orjson.dumps({"batch": events, "writeKey": WRITE_KEY})
        headers = {"Content-Type": "application/json"}
        return (client or httpx).post(f"{self.address}/v1/batch", content=body, headers=headers, timeout=30)

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"ended with {self.process.returncode}: {self.log.read_text()[-3000:]}")
        server = find_server(self.data)
        if server is None or server.pid != self.process.pid:
            return False
        try:
            return httpx.get(f"{server.address}/health", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


@contextmanager
def running(system: Waybill, *, started: bool = False) -> Iterator[Waybill]:
    """Start it, and make sure that it is gone at the end."""
    try:
        if not started:
            system.start()
        yield system
    finally:
        if system.process is not None and system.process.poll() is None:
            system.process.kill()
            system.process.wait()


def workspace_text(destinations: dict[str, str], delivery: str = "", more: str = "", settings: str = "") -> str:
    """A workspace of one source connected to webhooks, given as id: url; ``settings`` are added to each of them."""
    lines = [
        "version: 1",
        "ingest: {port: 0}",
        "sources:",
        f"  - {{id: web, write_keys: [{WRITE_KEY}]}}",
        "destinations:",
    ]
    lines += [
        f'  - {{id: {name}, type: webhook, url: "{url}"{settings and f", {settings}"}}}'
        for name, url in destinations.items()
    ]
    lines += ["connections:"] + [f"  - {{source: web, destination: {name}}}" for name in destinations]
    lines += ["delivery:", "  allow_addresses: [127.0.0.0/8]", *(f"  {line}" for line in delivery.splitlines()), more]
    return "\n".join(lines) + "\n"
