"""Ends what insert functions started, also when Waybill is killed and can do so no more.

A function may start processes of its own, and they may leave its process group. They are found by an
environment variable that they inherit, or by their session. The guardian is a small process that waits for Waybill to
close a pipe, however it ends, and then ends all of them. Over the pipe it is told which sessions there are: lines of
"+<process id of the leader>", and "-<process id>" for one that was ended. It is run by its path and imports nothing of
Waybill's.
"""

import contextlib
import os
import signal
import sys
import time

MARK = "WAYBILL_FUNCTION"  # environment variable: "<host>.<number of the process>"
LIMIT_SECONDS = 5.0  # a function that starts processes faster than they can be ended is given up then


def end_marked(mark: str, leaders: frozenset[int] = frozenset()) -> None:
    """Kill every process whose mark begins with ``mark``, and those in the sessions of ``leaders`` (process ids)."""
    wanted = f"{MARK}={mark}".encode()
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        found = [pid for pid in _processes() if _is_marked(pid, wanted) or _session(pid) in leaders]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _processes() -> list[int]:
    this = os.getpid()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != this]


def _is_marked(pid: int, wanted: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return any(entry.startswith(wanted) for entry in file.read().split(b"\0"))
    except OSError:  # it has ended, or is somebody else's
        return False


def _session(pid: int) -> int:
    """The session a process is in; 0 for one that has ended and only waits for its parent to notice."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, _, _, session = file.read().rpartition(b")")[2].split()[:4]
    except (OSError, ValueError):
        return 0
    return 0 if state == b"Z" else int(session)


def main(mark: str) -> None:
    """Wait for the end of the pipe on standard input, then end everything."""
    leaders: set[int] = set()
    for line in sys.stdin:
        (leaders.add if line.startswith("+") else leaders.discard)(int(line[1:]))
    end_marked(mark, frozenset(leaders))


if __name__ == "__main__":
    main(sys.argv[1])
