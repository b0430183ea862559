"""The host's side of the process that runs one connection's insert function."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from flows.functions.guardian import MARK, end_marked
from flows.functions.messages import REPLY_LIMIT_BYTES, Reply, decode_reply
from flows.functions.results import NoEvent

OUTPUT_BYTES_PER_SECOND = 4096


class Child:
    """A running child process. ``mark``: identifies it and all processes it starts; ``ended``: called when it is
    killed."""

    def __init__(
        self, directory: Path | None, show: Callable[[str], None], mark: str, ended: Callable[[int], None]
    ) -> None:
        self._ended = ended
        self._mark = mark
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "flows.functions.child", str(os.getpid())],
            cwd=directory,
            env={**_environment(), MARK: mark},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the worker, which stops its children when it is done
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._in: IO[bytes] = self._process.stdin
        self._out = self._process.stdout.fileno()
        self._received = b""
        self.replied = False  # anything at all
        self.dead = False
        threading.Thread(target=_show_output, args=(self._process.stderr, show), daemon=True).start()

    def send(self, lines: list[bytes]) -> None:
        """Send a batch. Reading reports a process that has exited."""
        with contextlib.suppress(OSError):
            self._in.write(b"%d\n" % len(lines) + b"".join(lines))
            self._in.flush()

    def read_reply(self, limit_seconds: float) -> Reply | NoEvent:
        """Return its next message, or the failure."""
        deadline = time.monotonic() + limit_seconds
        while b"\n" not in self._received:
            poll = select.poll()
            poll.register(self._out, select.POLLIN)
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1_000):
                return NoEvent("FUNCTION_TIMEOUT", f"it took longer than {limit_seconds:g} s")
            read = os.read(self._out, 1 << 16)
            if not read:
                return NoEvent("FUNCTION_CRASHED", self._cause_of_death())
            self._received += read
            if len(self._received) > 2 * REPLY_LIMIT_BYTES:
                return NoEvent("FUNCTION_CRASHED", "it sent more than the limit")
        line, _, self._received = self._received.partition(b"\n")
        try:
            return decode_reply(line)
        except msgspec.DecodeError:
            return NoEvent("FUNCTION_CRASHED", "it sent something that is not a reply")

    def stop(self) -> None:
        """Stop it, from any thread; `kill` must follow."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill it and every process it started."""
        self.dead = True
        self.stop()
        self._process.wait()
        end_marked(self._mark, frozenset({self._process.pid}))
        self._ended(self._process.pid)

    @property
    def pid(self) -> int:
        """Its process id, which is also its session id."""
        return self._process.pid

    def _cause_of_death(self) -> str:
        try:
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return "it closed the pipe for its answers"
        if code == -signal.SIGKILL:
            return "its process was killed by signal 9, which the system sends when memory runs out"
        return f"its process was ended by signal {-code}" if code < 0 else f"its process ended with exit code {code}"


class Guardian:
    """The process that outlives this one and kills what functions started; ``mark``: common prefix of their marks."""

    def __init__(self, mark: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("guardian.py")), mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a kill of the worker's process group must not reach this one
        )

        assert self._process.stdin
        self._in: IO[bytes] = self._process.stdin

    def report(self, reply: str) -> None:
        """Report that a session started (``+<process id>``) or ended (``-<process id>``)."""
        with contextlib.suppress(OSError):  # the guardian was killed: nothing to do
            self._in.write(f"{reply}\n".encode())
            self._in.flush()

    def close(self) -> None:
        """Close the pipe and wait until it is done."""
        with contextlib.suppress(OSError):
            self._in.close()
        self._process.wait()


def _environment() -> dict[str, str]:
    # The child finds Waybill's own packages wherever they are installed or checked out.
    here = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))}


def _show_output(stream: IO[bytes], show: Callable[[str], None]) -> None:
    second, shown_bytes = 0, 0
    for line in iter(lambda: stream.readline(OUTPUT_BYTES_PER_SECOND), b""):
        now = int(time.monotonic())
        if now != second:
            second, shown_bytes = now, 0
        shown_bytes += len(line)
        if shown_bytes <= OUTPUT_BYTES_PER_SECOND:
            show(line.decode("utf-8", "replace").rstrip())
