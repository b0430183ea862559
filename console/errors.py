"""What a person sees when a command fails: one text with the remedy and exit code 2, never a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.text import Text

from flows.runtime.recovery import RecoveryLost
from flows.sqlite.database import DatabaseError
from flows.topics.interface import TopicError
from model.config.problems import WorkspaceInvalid
from sinks.clickhouse.schema import MigrationFailed
from sinks.clickhouse.store import StoreError


class Failure(Exception):
    """A command failed. Its text is all that a person sees: the reason, and the remedy."""


EXPECTED = (DatabaseError, Failure, MigrationFailed, RecoveryLost, StoreError, TopicError, ValueError)


@contextmanager
def explain_errors() -> Iterator[None]:
    """Print the failures that a person can do something about, and end the command."""
    console = Console(stderr=True)
    try:
        yield
    except WorkspaceInvalid as error:
        for problem in error.problems:
            console.print(Text(f"{problem.place} {problem.path}: {problem.text}"), soft_wrap=True)
        console.print(Text("The workspace file is not valid; `waybill check` shows the same.", style="bold red"))
        raise typer.Exit(1) from None
    except OSError as error:
        at = f"{error.filename}: {error.strerror}. Check the path and who may write there" if error.filename else error
        console.print(Text(f"waybill: {at}", style="bold red"), soft_wrap=True)
        raise typer.Exit(2) from None
    except EXPECTED as error:
        console.print(Text(f"waybill: {error}", style="bold red"), soft_wrap=True)
        raise typer.Exit(2) from None
