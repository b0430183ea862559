"""Runs commands as a person does, as processes, and reads what they print."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.system import WRITE_KEY


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
    done = subprocess.run(
        [sys.executable, "-m", "console", *arguments],
        env={**os.environ, "COLUMNS": "200", **given},
        input=stdin.encode(),
        capture_output=True,
        timeout=seconds,
        check=False,
    )
    ended = Done(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in ended.said, ended.said
    return ended


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
