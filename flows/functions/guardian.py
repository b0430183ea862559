"""Kills the processes that insert functions started, also after Waybill itself was killed.

A function may start processes, and they may leave its process group. They are found by an inherited environment
variable, or by their session. The guardian is a small process that waits until Waybill's end of a pipe closes, and then
kills all of them. Waybill writes the sessions to the pipe: lines of "+<process id of the leader>", and
"-<process id>" for one that has ended. The guardian runs by its path and imports nothing of Waybill.
"""

import contextlib
import os
import signal
import sys
import time

MARK = "WAYBILL_FUNCTION"  # environment variable: "<host>.<number of the process>"
LIMIT_SECONDS = 5.0  # rounds of killing, in case a function keeps starting processes


def end_marked(mark: str, leaders: frozenset[int] = frozenset()) -> None:
    """Kill every process whose mark begins with ``mark``, and those in the sessions of ``leaders`` (process ids)."""
    wanted = f"{MARK}={mark}".encode()
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
        found = [pid for pid in pids if _is_marked(pid, wanted) or _session(pid) in leaders]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _is_marked(pid: int, wanted: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return any(entry.startswith(wanted) for entry in file.read().split(b"\0"))
    except OSError:  # it has ended, or belongs to another user
        return False


def _session(pid: int) -> int:
    """The session of a process; 0 for a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, _, _, session = file.read().rpartition(b")")[2].split()[:4]
    except (OSError, ValueError):
        return 0
    return 0 if state == b"Z" else int(session)


def main(mark: str) -> None:
    """Wait for the end of standard input, then kill everything."""
    leaders: set[int] = set()
    for line in sys.stdin:
        (leaders.add if line.startswith("+") else leaders.discard)(int(line[1:]))
    end_marked(mark, frozenset(leaders))


if __name__ == "__main__":
    main(sys.argv[1])
