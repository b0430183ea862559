"""The supervisor with processes that are small scripts; the real ones are in tests/faults/test_workers.py."""

import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from console import supervisor
from console.supervisor import Unit, supervise
from flows.worker import EXIT_NEEDS_A_PERSON
from tests.system import wait_until

FOR_EVER = "import time; time.sleep(600)"
ENDS = "import sys; sys.exit({code})"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
CLEAN = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); time.sleep(600)"


@dataclass(frozen=True, slots=True)
class Scripts(Unit):
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
        unit = Scripts("delivery", len(scripts), Path("workspace.yaml"), Path("data"), scripts)

        def run() -> None:
            self.code = supervise(unit, self.stop, self.starts.append)

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def end(self, seconds: float = 20) -> int | None:
        self._thread.join(seconds)
        assert not self._thread.is_alive()
        assert not any(psutil.pid_exists(pid) for pids in self.starts for pid in pids)
        return self.code


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "PEERS_END_SECONDS", 1.0)
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 2.0)
    monkeypatch.setattr("flows.backoff.FIRST_RESTART_SECONDS", 0.05)


def test_when_one_dies_all_are_started_again() -> None:
    supervised = Supervised(FOR_EVER, ENDS.format(code=75))
    wait_until(lambda: len(supervised.starts) >= 3, 20, "started three times")
    assert len({pid for pids in supervised.starts for pid in pids}) == 2 * len(supervised.starts)
    supervised.stop.set()
    supervised.end()


def test_nothing_is_started_again_that_needs_a_person() -> None:
    supervised = Supervised(FOR_EVER, ENDS.format(code=EXIT_NEEDS_A_PERSON))
    assert supervised.end() == EXIT_NEEDS_A_PERSON
    assert len(supervised.starts) == 1


def test_a_clean_stop_is_one_of_all_processes() -> None:
    supervised = Supervised(CLEAN, CLEAN)
    wait_until(lambda: bool(supervised.starts), 10, "started")
    time_to_listen = time.monotonic() + 0.5
    wait_until(lambda: time.monotonic() > time_to_listen, 5, "they listen to SIGTERM")
    supervised.stop.set()
    assert supervised.end() == 0


def test_one_that_does_not_end_is_killed_and_the_stop_is_not_called_clean() -> None:
    supervised = Supervised(CLEAN, DEAF)
    wait_until(lambda: bool(supervised.starts), 10, "started")
    deaf = psutil.Process(supervised.starts[0][1])
    wait_until(lambda: deaf.cpu_times().user > 0 and deaf.status() == "sleeping", 10, "deaf")
    supervised.stop.set()
    assert supervised.end() == 1


def test_commands_are_those_of_the_runner_of_bytewax(tmp_path: Path) -> None:
    alone, *none = Unit("recording", 1, tmp_path / "w.yaml", tmp_path).commands()
    assert alone[1:4] == ["-m", "bytewax.run", "flows.recording:flow()"] and none == [] and "-a" not in alone
    first, second = Unit("delivery", 2, tmp_path / "w.yaml", tmp_path).commands()
    assert [command[command.index("-i") + 1] for command in (first, second)] == ["0", "1"]
    addresses = first[first.index("-a") + 1]
    assert len(set(addresses.split(";"))) == 2 and addresses in second
    assert first[first.index("-r") + 1] == str(tmp_path / "recovery" / "delivery")
