"""The ClickHouse test server as a process: to start, to give faults to, to take down and bring back."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tests.kit.clickhouse.protocol import USERS


class ClickHouse:
    """A server with a directory and, from its first start on, a port of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start(self) -> None:
        """Start it, where it was before."""
        command = [sys.executable, "-m", "tests.kit.clickhouse.server", str(self._directory), str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        word, port = self._process.stdout.readline().split()
        assert word == b"ready"
        self.port = int(port)

    def kill(self) -> None:
        """kill -9: from now on nobody listens."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def stop(self) -> None:
        """End it cleanly."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=30)
        self._process = None

    def url(self, user: str = "", database: str = "waybill") -> str:
        """What a workspace names as its store."""
        login = f"{user}:{quote(USERS[user][0], safe='')}@" if user else ""
        return f"http://{login}127.0.0.1:{self.port}/{database}"

    def order(self, **faults: Any) -> None:
        """Replace the faults there are (tests/kit/clickhouse/faults.py); nothing: be well."""
        answer = httpx.post(f"http://127.0.0.1:{self.port}/control", json=faults, timeout=10, trust_env=False)
        assert answer.status_code == httpx.codes.OK

    def report(self) -> dict[str, Any]:
        """Faults left, answers lost, statements so far."""
        report: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.port}/control", timeout=10, trust_env=False).json()
        return report

    def inserts(self, table: str) -> list[dict[str, Any]]:
        """The INSERTs into a table so far."""
        start = f"INSERT INTO {table} "
        return [said for said in self.report()["statements"] if said["sql"].startswith(start)]


@contextmanager
def clickhouse(directory: Path) -> Iterator[ClickHouse]:
    """Run a server."""
    server = ClickHouse(directory)
    server.start()
    try:
        yield server
    finally:
        server.kill()
