"""`waybill`: the command line. Every command has --help with an example, --json where it answers, and exit codes.

0: success. 1: a negative result (an invalid file, an unexplained delivery). 2: the command failed; the text says why.
A command's module is imported when it is used, because importing all takes a second.
"""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

# Name: arguments of its example. Module and function have the same name, except those in `_FUNCTIONS`.
_COMMANDS = {
    "demo": "--events 20000",
    "up": "--workspace workspace.yaml --data data",
    "run": "delivery --processes 2",
    "check": "--explain event.json",
    "destinations": "amplitude",
    "migrate": "--workspace workspace.yaml",
    "report": "--period 24h --destination crm",
    "trace": "4f3c2a10-6f0e-4c57-9d43-0a1b2c3d4e5f",
    "recover": "delivery",
    "test-event": "--destination crm --event event.json",
    "redrive": "--destination crm --code 503 --from 2026-11-20T08:00 --dry-run",
    "token": "",
}
_FUNCTIONS = {"test-event": "send_test_event"}  # not test_*: pytest would collect such a module
_ALERTS = "alerts"


class Commands(TyperGroup):
    """Imports a command's module when the command is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return every name, in the order of the help."""
        return [*_COMMANDS, _ALERTS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one command; for an unknown name all, so that the closest name can be suggested."""
        names = self.list_commands(ctx)
        for name in [cmd_name] if cmd_name in names else names:
            if name not in self.commands:
                self.commands[name] = _load(name)
        return self.commands.get(cmd_name)


def _load(name: str) -> Any:
    if name == _ALERTS:
        return typer.main.get_command(import_module("console.commands.alerts.app").alerts_app)
    function = _FUNCTIONS.get(name, name)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    example = f"waybill {name} {_COMMANDS[name]}".rstrip()
    alone.command(name, epilog=f"Example: {example}")(getattr(import_module(f"console.commands.{function}"), function))
    return typer.main.get_command(alone)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Deliver events to the tools you use, and account for every one of them.",
)


@app.callback()
def _waybill() -> None:
    """Make typer treat the app as a group, although its commands are loaded later."""
