"""The supervisor with processes that are small scripts; the real ones are in tests/faults/test_workers.py."""

import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from console.processes import supervisor
from console.processes.supervisor import FlowProcesses, supervise
from flows.runtime.worker import EXIT_NEEDS_A_PERSON
from tests.kit.system import wait_until

FOR_EVER = "import time; time.sleep(600)"
ENDS = "import sys; sys.exit({code})"
# These say when they are ready, by a file: a signal before that would end them in another way.
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open({ready!r}, "x").close()
time.sleep(600)
"""
CLEAN = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
open({ready!r}, "x").close()
time.sleep(600)
"""


@dataclass(frozen=True, slots=True)
class Scripts(FlowProcesses):
    """A unit whose processes run these scripts."""

    scripts: tuple[str, ...] = ()

    def commands(self) -> list[list[str]]:
        return [[sys.executable, "-c", script] for script in self.scripts]


class Supervised:
    """A supervisor on a thread."""

    def __init__(self, *scripts: str) -> None:
        self.stop = threading.Event()
        self.starts: list[list[int]] = []
        self.code: int | None = None
        unit = Scripts("delivery", len(scripts), Path("workspace.yaml"), Path("data"), scripts=scripts)

        def run() -> None:
            self.code = supervise(unit, self.stop, self.starts.append)

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def __enter__(self) -> "Supervised":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join()

    def end(self, seconds: float = 20) -> int | None:
        self._thread.join(seconds)
        assert not self._thread.is_alive()
        assert not any(psutil.pid_exists(pid) for pids in self.starts for pid in pids)
        return self.code


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "PEERS_END_SECONDS", 1.0)
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 2.0)
    monkeypatch.setattr("flows.engine.backoff.FIRST_RESTART_SECONDS", 0.05)


def test_when_one_dies_all_are_started_again() -> None:
    with Supervised(FOR_EVER, ENDS.format(code=75)) as supervised:
        wait_until(lambda: len(supervised.starts) >= 3, 20, "started three times")
        assert len({pid for pids in supervised.starts for pid in pids}) == 2 * len(supervised.starts)
        supervised.stop.set()
        supervised.end()


def test_nothing_is_started_again_that_needs_a_person() -> None:
    with Supervised(FOR_EVER, ENDS.format(code=EXIT_NEEDS_A_PERSON)) as supervised:
        assert supervised.end() == EXIT_NEEDS_A_PERSON
        assert len(supervised.starts) == 1


@pytest.mark.parametrize(("other", "code"), [(CLEAN, 0), (DEAF, 1)], ids=["clean", "deaf"])
def test_a_clean_stop_is_one_of_all_processes_and_one_that_does_not_end_is_killed(
    other: str, code: int, tmp_path: Path
) -> None:
    ready = [tmp_path / "first", tmp_path / "second"]
    scripts = (script.format(ready=str(path)) for script, path in zip((CLEAN, other), ready, strict=True))
    with Supervised(*scripts) as supervised:
        wait_until(lambda: all(path.exists() for path in ready), 20, "ready for SIGTERM")
        supervised.stop.set()
        assert supervised.end() == code


def test_commands_are_those_of_the_runner_of_bytewax(tmp_path: Path) -> None:
    alone, *none = FlowProcesses("recording", 1, tmp_path / "w.yaml", tmp_path).commands()
    assert (
        alone[1:5] == ["-P", "-m", "flows.runtime.launch", "flows.recording:flow()"]
        and none == []
        and "-a" not in alone
    )
    first, second = FlowProcesses("delivery", 2, tmp_path / "w.yaml", tmp_path).commands()
    assert [command[command.index("-i") + 1] for command in (first, second)] == ["0", "1"]
    addresses = first[first.index("-a") + 1]
    assert len(set(addresses.split(";"))) == 2 and addresses in second
    assert first[first.index("-r") + 1] == str(tmp_path / "recovery" / "delivery")
