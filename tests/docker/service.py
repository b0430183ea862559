"""A service of the compose file as a process of this machine: its own command and environment, other addresses."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.docker.files import final_stage, read_dockerfile, read_mounts

UNIT_SECONDS = {"s": 1, "m": 60}


class Service:
    """``settings``: the service as Docker Compose reads it; ``here``: what to write for its words, such as ports."""

    def __init__(
        self, name: str, settings: Mapping[str, Any], directory: Path, workspace: Path, here: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.stop_seconds = seconds(settings["stop_grace_period"])
        self._directory = directory
        words = [*settings.get("entrypoint", json.loads(final_stage()["ENTRYPOINT"])), *settings["command"]]
        self._command = [here.get(word, word) for word in words]
        # Only the compose file's own environment, so that a variable it lacks is lacking here too.
        self.environment = {**settings["environment"], "PATH": _path(), "PYTHONPATH": str(_without_packages(directory))}
        if "WAYBILL_DATA" in self.environment:
            kept = {mount.target: mount.source for mount in read_mounts(dict(settings)) if mount.is_volume}
            volume = kept.get(self.environment["WAYBILL_DATA"], f"{name}-tmpfs")
            self.environment |= {"WAYBILL_DATA": str(directory / volume), "WAYBILL_WORKSPACE": str(workspace)}

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, seconds: float) -> int:
        """Wait for its end; returns the exit code."""
        assert self.process is not None
        return self.process.wait(timeout=seconds)

    def stop(self) -> int:
        """Stop it as Docker does, with no more time than the compose file gives it; returns the exit code."""
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        self.process.send_signal(signal.SIGTERM)
        return self.wait(self.stop_seconds)

    def end(self) -> None:
        """Leave nothing of it behind, whatever became of it."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:]


def healthcheck(port: int, environment: Mapping[str, str]) -> bool:
    """Run the image's healthcheck, of ingest on another port."""
    written = final_stage()["HEALTHCHECK"].partition("CMD ")[2].replace("8080", str(port))
    done = subprocess.run(json.loads(written), env=dict(environment), capture_output=True, timeout=30, check=False)
    return done.returncode == 0


def seconds(duration: str) -> int:
    """A duration of the compose file, such as 90s or 1m30s."""
    return sum(int(count) * UNIT_SECONDS[unit] for count, unit in re.findall(r"(\d+)([a-z]+)", duration))


def _path() -> str:
    return f"{Path(sys.executable).parent}:/usr/bin:/bin"


def _without_packages(directory: Path) -> Path:
    """A directory for PYTHONPATH that takes away the packages which the image does not hold."""
    [removed] = [
        found[1].split()
        for step in read_dockerfile()
        if (found := re.search(r"pip uninstall --yes ([\w -]+)", step.rest))
    ]
    first = directory / "first"
    first.mkdir(exist_ok=True)
    text = f"import sys\nfor name in {removed!r}:\n    sys.modules[name] = None\n"
    (first / "sitecustomize.py").write_text(text, encoding="utf-8")
    return first
