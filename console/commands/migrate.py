"""`waybill migrate`."""

import time
from contextlib import closing
from typing import Annotated

import typer

from console.command_line import DATA, WORKSPACE, AsJson, DataDirectory, WorkspaceFile, opened_deployment, print_json
from console.errors import explain_errors
from flows.runtime.deployment import Deployment, migrate_store
from sinks.clickhouse.store import Store, StoreUnavailable, open_store

TRY_AGAIN_SECONDS = 1.0


def migrate(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to keep trying while the store is unavailable.")] = 0,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Bring the store's schema up to date. Repeating it is harmless; `waybill up` does it itself."""
    with explain_errors(), opened_deployment(workspace, data) as deployment:
        with closing(open_store(deployment.store_url, lazy=True)) as store:
            applied = _migrate_waiting(deployment, store, wait)
    if json:
        print_json({"applied": applied})
    else:
        typer.echo(f"{store.name}: {applied} migrations applied" if applied else f"{store.name}: up to date")


def _migrate_waiting(deployment: Deployment, store: Store, wait_seconds: float) -> int:
    """Migrate, retrying for ``wait_seconds`` while the store is unavailable; return the number of migrations."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return migrate_store(deployment, store)
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(TRY_AGAIN_SECONDS)
