"""Runs commands as a person does, as processes, and reads what they print.

The processes are forked from one that has imported the commands: most of what a short one costs is to import it.
"""

import multiprocessing
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from console import commands
from console.cli import app
from tests.kit.system import WRITE_KEY

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "__main__",
        "console.commands.alerts.app",
        *(f"{commands.__name__}.{path.stem}" for path in Path(commands.__file__).parent.glob("*.py")),
    ]
)


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything it printed."""
        return self.out + self.err

    def json(self) -> dict[str, Any]:
        """Its last line."""
        answer: dict[str, Any] = orjson.loads(self.out.splitlines()[-1])
        return answer


def waybill(
    *arguments: str | bytes,
    workspace: Path | None = None,
    data: Path | None = None,
    stdin: str = "",
    seconds: float = 60,
) -> Done:
    """Run one command to its end; no command may ever print a traceback."""
    places = {"WAYBILL_WORKSPACE": workspace, "WAYBILL_DATA": data}
    given = {name: str(path) for name, path in places.items() if path is not None}
    with tempfile.TemporaryDirectory() as directory:
        files = tuple(str(Path(directory) / name) for name in ("stdin", "stdout", "stderr"))
        Path(files[0]).write_text(stdin, encoding="utf-8")
        process = PROCESSES.Process(
            target=_run,
            args=([os.fsdecode(argument) for argument in arguments], {**os.environ, "COLUMNS": "200", **given}, files),
        )
        process.start()
        process.join(seconds)
        if process.is_alive():
            process.kill()
            process.join()
            raise TimeoutError(f"waybill {arguments} takes longer than {seconds} s")
        out, err = (Path(file).read_text(encoding="utf-8") for file in files[1:])
    ended = Done(process.exitcode or 0, out, err)
    assert "Traceback" not in ended.said, ended.said
    return ended


def _run(arguments: list[str], environment: dict[str, str], files: tuple[str, str, str]) -> None:
    """Be the command; ``files``: what its standard streams are."""
    flags = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
    for stream, (file, flag) in enumerate(zip(files, flags, strict=True)):
        os.dup2(os.open(file, flag, 0o600), stream)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  multiprocessing has put another in its place
    os.environ.clear()
    os.environ.update(environment)
    app(arguments, prog_name="waybill")


def track(message_id: str, *answers: Any, **properties: Any) -> dict[str, Any]:
    """A track call that `/scripted` of the receiver answers as told."""
    script = {"script": list(answers)} if answers else {}
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": "u1",
        "messageId": message_id,
        "properties": {**script, **properties},
    }


def write_workspace(directory: Path, text: str) -> Path:
    """Write a workspace file."""
    file = directory / "workspace.yaml"
    file.write_text(text, encoding="utf-8")
    return file


SMALL = f"""\
version: 1
ingest: {{port: 0}}
sources:
  - {{id: web, write_keys: [{WRITE_KEY}]}}
destinations:
  - {{id: crm, type: webhook, url: "https://crm.example/hook"}}
  - {{id: lake, type: s3}}
connections:
  - {{source: web, destination: crm, mode: device}}
  - {{source: web, destination: lake}}
"""
