"""What all commands about alerts share: options, the client of the API, and the answer as JSON or as text."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict, get_type_hints
from urllib.parse import quote

import typer
from rich.console import Console

from console.command_line import DATA, WORKSPACE, AsJson, DataDirectory, WorkspaceFile, print_json
from console.commands.alerts.client import open_alerts
from console.errors import explain_errors

Answer = dict[str, Any]  # of the API, as JSON types
Render = Callable[[Answer, Console], None]
RuleId = Annotated[str, typer.Argument(metavar="ID", help="Id of the rule, as `waybill alerts list` shows it.")]


class _Shared(TypedDict):
    workspace: WorkspaceFile
    data: DataDirectory
    json: AsJson


_DEFAULTS = {"workspace": WORKSPACE, "data": DATA, "json": False}


def api_command(
    render: Render, *, options: type | None = None, succeeded: Callable[[Answer], bool] = lambda answer: True
) -> Callable[[Callable[..., Answer]], Callable[..., None]]:
    """Turn a function that asks the API into a command.

    The function gets an `AlertsClient` before its own arguments. The command adds --workspace, --data and --json,
    prints the answer as JSON or with ``render``, and ends with exit code 2 and an explanation when the API refuses.
    ``options``: a TypedDict of more options, None when not given; they arrive as keywords. ``succeeded``: whether the
    exit code is 0 or 1.
    """

    def decorate(ask: Callable[..., Answer]) -> Callable[..., None]:
        @functools.wraps(ask)
        def command(*, workspace: Path, data: Path, json: bool, **given: Any) -> None:
            with explain_errors(), open_alerts(workspace, data) as client:
                answer = ask(client, **given)
            if json:
                print_json(answer)
            else:
                render(answer, Console())
            raise typer.Exit(0 if succeeded(answer) else 1)

        own = [p for p in inspect.signature(ask).parameters.values() if p.kind is not p.VAR_KEYWORD][1:]
        split = next((at for at, p in enumerate(own) if p.kind is p.KEYWORD_ONLY), len(own))
        parameters = [*own[:split], *_parameters(options), *own[split:], *_parameters(_Shared)]
        keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
        command.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
        return command

    return decorate


def _parameters(options: type | None) -> list[inspect.Parameter]:
    hints = get_type_hints(options, include_extras=True) if options else {}
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS.get(name), annotation=annotation)
        for name, annotation in hints.items()
    ]


def path_of(rule_id: str) -> str:
    """Return the API path of a rule; the id is whatever the person typed."""
    return f"rules/{quote(rule_id, safe='', errors='replace')}"
