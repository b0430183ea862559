"""The wheel: installed without a checkout, and started in a directory whose files have the names of our packages.

Its dependencies are those of this environment; Waybill's own packages come from the wheel alone.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model.version import VERSION
from tests.cli.test_workspace_changes import events
from tests.kit.system import WRITE_KEY, Receiver, Waybill, receiver, running, wait_until

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "build", "data", "*.egg-info")
SHADOWS = {
    "model.py": "NAME = 'of the user'\n",
    "flows.py": "raise RuntimeError('flows.py of the start directory was imported')\n",
    "sinks.py": "raise RuntimeError('sinks.py of the start directory was imported')\n",
    "console.py": "raise RuntimeError('console.py of the start directory was imported')\n",
    "enrich.py": """\
from pathlib import Path

import model
from flows.functions import RetryEvent

def name(event, settings):
    if Path("hold").exists():
        raise RetryEvent("not now")
    event["properties"] = {"model": model.NAME}
    return event
""",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools writes into the directory it builds."""
    source = tmp_path_factory.mktemp("source") / "waybill"
    shutil.copytree(ROOT, source, symlinks=True, ignore=NOT_COPIED)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(source / "dist"), str(source))
    [made] = (source / "dist").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def bin_directory(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment that holds the wheel and sees this environment's dependencies."""
    environment = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    [packages] = environment.glob("lib/python*/site-packages")
    # A line of a .pth file makes its modules known, and not the links to checkouts that .pth files there hold.
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python.parent


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Waybill, Receiver]]:
    """A start directory with files named like our packages, and a receiver."""
    for file, text in SHADOWS.items():
        (tmp_path / file).write_text(text)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with receiver() as target:
        monkeypatch.chdir(tmp_path)
        text = f"""\
version: 1
ingest: {{port: 0}}
sources: [{{id: web, write_keys: [{WRITE_KEY}]}}]
destinations: [{{id: crm, type: webhook, url: "{target.address}/healthy/crm"}}]
connections: [{{source: web, destination: crm, insert_function: "enrich:name"}}]
delivery: {{allow_addresses: [127.0.0.0/8], first_wait_seconds: 1}}
"""
        yield Waybill(tmp_path, text), target


@pytest.mark.slow
def test_the_wheel_runs_elsewhere_and_no_file_of_the_start_directory_takes_the_place_of_ours(
    bin_directory: Path, system: tuple[Waybill, Receiver]
) -> None:
    waybill, target = system
    command = str(bin_directory / "waybill")
    assert run(command, "check", "--json")["valid"]
    assert run(command, "migrate", "--json")
    with running(waybill, started=True):
        waybill.start(command, "up", "--log-format", "json")
        waybill.post(events(5)).raise_for_status()
        wait_until(lambda: delivered(target) == 5, 30, "delivered")
        (waybill.directory / "hold").touch()
        waybill.post(events(5, first=5)).raise_for_status()
        assert waybill.stop() == 0
    lines = [json.loads(line) for line in waybill.log.read_text().splitlines()]
    assert "accepts events at" in lines[0]["event"]
    (waybill.directory / "hold").unlink()
    with supervised(command, "run", "delivery"):
        wait_until(lambda: delivered(target) == 10, 30, "delivered by a process of its own")


@pytest.mark.slow
def test_the_wheel_has_our_version_the_sql_and_the_dashboards(bin_directory: Path, tmp_path: Path) -> None:
    program = (
        "import json; from importlib.metadata import version; from importlib.resources import files;"
        "from sinks.clickhouse.schema import SQL;"
        "print(json.dumps([version('waybill'), sorted(p.name for p in SQL.rglob('*.sql')),"
        "sorted(p.name for p in files('dashboards').iterdir() if p.name.endswith('.json'))]))"
    )
    python = str(bin_directory / "python")
    done = subprocess.run([python, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    version, sql, dashboards = json.loads(done.stdout)
    assert version == VERSION
    assert sql == sorted(path.name for path in (ROOT / "sql").rglob("*.sql"))
    assert dashboards == sorted(path.name for path in (ROOT / "dashboards").glob("*.json"))


def pip(*arguments: str) -> None:
    """Run pip; nothing is downloaded."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def run(*command: str) -> dict[str, object]:
    """Run a command of the wheel in the current directory; its answer."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def delivered(target: Receiver) -> int:
    """Deliveries the receiver has taken."""
    return int(target.tally().get("healthy/crm", {}).get("delivered_keys", 0))


@contextmanager
def supervised(*command: str) -> Iterator[None]:
    """Run a command until it is told to stop; that it stops cleanly."""
    process = subprocess.Popen(command, env=dict(os.environ))
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
