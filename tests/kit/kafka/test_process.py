"""What becomes of the broker's process, shown with a program that is no broker and needs no Java."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.kit.kafka.broker import Broker
from tests.kit.system import wait_until

STARTS = """
import sys
from pathlib import Path
from tests.kit.kafka.broker import Broker
Broker(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[1]) / "jars").start()
"""


def program(directory: Path, line: str) -> str:
    """A shell script in the place of java."""
    (directory / "data").mkdir()  # formatted
    file = directory / "java"
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o700)
    return str(file)


def test_kafka_that_does_not_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    java = program(tmp_path, "echo no such luck; exit 3")

    with pytest.raises(AssertionError, match=r"ended with 3: (?s:.*)no such luck"):
        Broker(tmp_path, java, tmp_path / "jars").start()


def test_kafka_whose_storage_cannot_be_formatted_says_so(tmp_path: Path) -> None:
    java = program(tmp_path, "echo disk on fire; exit 1")
    (tmp_path / "data").rmdir()

    with pytest.raises(AssertionError, match="storage: disk on fire"):
        Broker(tmp_path, java, tmp_path / "jars").start()


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGINT, id="SIGINT"),
        pytest.param(
            signal.SIGKILL,
            id="SIGKILL",
            marks=pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv, of util-linux"),
        ),
    ],
)
def test_kafka_does_not_outlive_the_process_that_started_it(tmp_path: Path, how: signal.Signals) -> None:
    java = program(tmp_path, "exec sleep 600")
    with subprocess.Popen([sys.executable, "-c", STARTS, str(tmp_path), java], stderr=subprocess.DEVNULL) as parent:
        child = psutil.Process(parent.pid)
        brokers: list[psutil.Process] = []

        def started() -> bool:
            brokers[:] = [process for process in child.children() if process.name() == "sleep"]
            return bool(brokers)

        wait_until(started, 30, "started")
        parent.send_signal(how)

    assert psutil.wait_procs(brokers, timeout=30)[1] == []
