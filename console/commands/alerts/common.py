"""What all commands about alerts do: ask, explain what goes wrong, and print the answer as JSON or as text."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from rich.console import Console

from console.commands.alerts import render as drawing
from console.commands.alerts.client import AlertsClient, open_alerts
from console.errors import explain_errors


@contextmanager
def asking(workspace: Path, data: Path) -> Iterator[AlertsClient]:
    """Give a client of the API; what goes wrong is said, and ends the command with exit code 2."""
    with explain_errors(), open_alerts(workspace, data) as client:
        yield client


def path_of(rule_id: str) -> str:
    """The path of a rule, whatever somebody wrote for its id."""
    return f"rules/{quote(rule_id, safe='', errors='replace')}"


def printed(answer: dict[str, Any], json: bool) -> bool:
    """Print the answer as one line of JSON if that is asked for; says whether it did."""
    if json:
        sys.stdout.write(orjson.dumps(answer).decode() + "\n")
    return json


def show_rule(answer: dict[str, Any], what: str, json: bool) -> None:
    """Print what was done to a rule."""
    if not printed(answer, json):
        drawing.render_rule(answer["rule"], what, Console())
