"""What commands have in common: options, the installation they open, answers as JSON."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from flows.runtime.installation import Deployment, open_installation
from flows.workspace.loader import load_workspace

WorkspaceFile = Annotated[Path, typer.Option("--workspace", "-w", envvar="WAYBILL_WORKSPACE", help="Workspace file.")]
DataDirectory = Annotated[Path, typer.Option("--data", "-d", envvar="WAYBILL_DATA", help="Data directory.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as one JSON line.")]
WORKSPACE = Path("workspace.yaml")
DATA = Path("data")


@contextmanager
def installed(workspace: Path, data: Path) -> Iterator[Deployment]:
    """Open an installation for the length of a command."""
    installation = open_installation(load_workspace(workspace, os.environ), data)
    with closing(installation.topics):
        yield installation


def print_json(answer: dict[str, Any]) -> None:
    """Print an answer as one line."""
    sys.stdout.write(orjson.dumps(answer).decode() + "\n")


def is_text(argument: str) -> bool:
    """Whether an argument is Unicode; Python gives bytes that are not as lone surrogates."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in argument)
