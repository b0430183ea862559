"""`waybill`: the command line. Every command has --help with an example, --json where it answers, and exit codes.

0: done. 1: the answer is no (an invalid file, an unexplained delivery). 2: it could not be done; the text says why.
A command's module is imported when it is used: together they take a second to import, most of them far less.
"""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

# Name: the argument words of its example. Module and function have the name, too, unless `_FUNCTIONS` says otherwise.
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
_FUNCTIONS = {"test-event": "send_test_event"}  # not test_*: tools take such a module for tests
_ALERTS = "alerts"


class Commands(TyperGroup):
    """Finds a command's module when it is asked for the command."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every name, in the order of the help."""
        return [*_COMMANDS, _ALERTS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one; or all, so that the right name can be suggested for a wrong one."""
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
    """Only there so that an app whose commands are found later is a group of commands."""
