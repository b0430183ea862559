"""Keeps the processes of a flow running: they start and stop together, and when one dies all are restarted."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flows.engine.backoff import Restarts
from flows.engine.epochs import EPOCH
from flows.runtime.logs import LogConfig
from flows.runtime.worker import EXIT_NEEDS_A_PERSON, SUPERVISED

POLL_SECONDS = 0.1
PEERS_END_SECONDS = 5.0  # when one has died, the others notice at their next message to it
STOP_SECONDS = 45.0  # a clean stop of delivery waits 10 s for calls; the rest is for its last flush

log = logging.getLogger("waybill.processes")


@dataclass(frozen=True, slots=True)
class FlowProcesses:
    """A flow, by name, and how many processes share it."""

    flow: str
    processes: int
    workspace: Path
    data: Path
    logs: LogConfig = LogConfig()

    def commands(self) -> list[list[str]]:
        """Return the command of each process; they talk to each other on free local ports."""
        recovery = str(self.data.absolute() / "recovery" / self.flow)
        runner = [sys.executable, "-P", "-m", "flows.runtime.launch", f"flows.{self.flow}:flow()"]
        runner += ["-r", recovery, "-s", f"{EPOCH.total_seconds():.0f}", "-b", "0"]
        if self.processes == 1:
            return [runner]
        addresses = ";".join(free_addresses(self.processes))
        return [[*runner, "-i", str(number), "-a", addresses] for number in range(self.processes)]

    def environment(self) -> dict[str, str]:
        """Return the environment variables of the processes."""
        return {
            **os.environ,
            "WAYBILL_WORKSPACE": str(self.workspace.absolute()),
            "WAYBILL_DATA": str(self.data.absolute()),
            SUPERVISED: "1",
            **self.logs.environment(),
        }


def supervise(
    unit: FlowProcesses, stop: threading.Event, started: Callable[[list[int]], None] = lambda pids: None
) -> int:
    """Run a unit until ``stop``, restarting it with growing pauses when it dies. Returns the exit code.

    0: stopped cleanly. 1: stopped, but a process had to be killed. `EXIT_NEEDS_A_PERSON`: a restart would not help; the
    log says why. ``started`` gets the process ids at each start.
    """
    restarts = Restarts()
    while True:
        began_seconds = time.monotonic()
        running = [
            subprocess.Popen(command, stdin=subprocess.PIPE, env=unit.environment()) for command in unit.commands()
        ]
        started([process.pid for process in running])
        codes = _watch(running, stop)
        if stop.is_set():
            return 0 if not any(codes) else 1
        if EXIT_NEEDS_A_PERSON in codes:
            return EXIT_NEEDS_A_PERSON
        pause_seconds = restarts.pause_seconds(time.monotonic() - began_seconds)
        log.error(
            "flow %(flow)s died (exit codes %(exit_codes)s); restarting its %(processes)d processes in %(seconds).0f s",
            {
                "flow": unit.flow,
                "exit_codes": ", ".join(map(str, codes)),
                "processes": unit.processes,
                "seconds": pause_seconds,
            },
        )
        if stop.wait(pause_seconds):
            return 0


def _watch(running: list[subprocess.Popen[bytes]], stop: threading.Event) -> list[int]:
    """Wait until all have ended and return their exit codes. When one ends, the others are stopped."""
    try:
        while not stop.wait(POLL_SECONDS) and all(process.poll() is None for process in running):
            pass
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + (STOP_SECONDS if stop.is_set() else PEERS_END_SECONDS)
        for process in running:
            _wait_until(process, deadline)
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
    return [process.wait() for process in running]


def _wait_until(process: subprocess.Popen[bytes], deadline: float) -> None:
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        log.warning("process %d does not stop: killing it; nothing is lost", process.pid)


def free_addresses(count: int) -> list[str]:
    """Return local addresses with free ports; if another process takes one meanwhile, the start is repeated."""
    listening = [socket.socket() for _ in range(count)]
    try:
        for each in listening:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in listening]
    finally:
        for each in listening:
            each.close()
