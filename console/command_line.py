"""What commands share: options, opening the deployment, signals, the log, answers as JSON."""

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
    LogFormat, typer.Option("--log-format", envvar=FORMAT_VARIABLE, help="Plain text, or one JSON object a line.")
]
LogLevelOption = Annotated[
    LogLevel, typer.Option("--log-level", envvar=LEVEL_VARIABLE, help="Log lines of this severity and above.")
]
WORKSPACE = Path("workspace.yaml")
DATA = Path("data")

log = logging.getLogger("waybill.console")


@contextmanager
def opened_deployment(workspace: Path, data: Path) -> Iterator[Deployment]:
    """Open the deployment of a workspace file and a data directory for the length of a command."""
    deployment = open_deployment(load_workspace(workspace, os.environ), data)
    with closing(deployment.topics):
        yield deployment


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set instead of ending the process."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def announce(text: str, logs: LogConfig, style: str = "") -> None:
    """Report progress to whoever started the command: on the terminal, or as a line of the JSON log."""
    if logs.format is LogFormat.JSON:
        log.info(text)
    else:
        Console(stderr=True).print(Text(text, style), soft_wrap=True)


def print_json(answer: dict[str, Any]) -> None:
    """Print an answer as one line."""
    sys.stdout.write(orjson.dumps(answer).decode() + "\n")


def is_text(argument: str) -> bool:
    """Whether an argument is Unicode: Python passes bytes that are not UTF-8 as lone surrogates."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in argument)
