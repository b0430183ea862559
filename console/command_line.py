"""What commands share: options, the deployment they open, signals, the log, answers as JSON."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.text import Text

from flows.runtime.deployment import Deployment, open_deployment
from flows.runtime.logs import FORMAT_VARIABLE, LEVEL_VARIABLE, LogConfig, LogFormat, LogLevel
from flows.workspace.loader import load_workspace

WorkspaceFile = Annotated[Path, typer.Option("--workspace", "-w", envvar="WAYBILL_WORKSPACE", help="Workspace file.")]
DataDirectory = Annotated[Path, typer.Option("--data", "-d", envvar="WAYBILL_DATA", help="Data directory.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as one JSON line.")]
LogFormatOption = Annotated[
    LogFormat, typer.Option("--log-format", envvar=FORMAT_VARIABLE, help="Lines for people, or one JSON object a line.")
]
LogLevelOption = Annotated[
    LogLevel, typer.Option("--log-level", envvar=LEVEL_VARIABLE, help="The least severe lines that are logged.")
]
WORKSPACE = Path("workspace.yaml")
DATA = Path("data")

log = logging.getLogger("waybill.console")


@contextmanager
def opened_deployment(workspace: Path, data: Path) -> Iterator[Deployment]:
    """Open a deployment for the length of a command."""
    deployment = open_deployment(load_workspace(workspace, os.environ), data)
    with closing(deployment.topics):
        yield deployment


def on_stop_signal() -> threading.Event:
    """Return an event that Ctrl-C and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def announce(text: str, logs: LogConfig, style: str = "") -> None:
    """Tell whoever started the command how it is going: on the terminal, or as a line of a log in JSON."""
    if logs.format is LogFormat.JSON:
        log.info(text)
    else:
        Console(stderr=True).print(Text(text, style), soft_wrap=True)


def print_json(answer: dict[str, Any]) -> None:
    """Print an answer as one line."""
    sys.stdout.write(orjson.dumps(answer).decode() + "\n")


def is_text(argument: str) -> bool:
    """Whether an argument is Unicode; Python gives bytes that are not as lone surrogates."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in argument)
