"""The alerts API inside a command's own process, for when no server runs on the data directory."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from starlette.applications import Starlette

from console.access import Caller, local_author
from console.alerts.http.api import AlertsApi
from console.alerts.service import alerts_of
from console.command_line import opened_deployment
from console.data_dir import SERVER, exclusive
from model.workspace.permissions import Role
from sinks.clickhouse.store import open_store


@contextmanager
def in_process_app(workspace_file: Path, data: Path) -> Iterator[Starlette]:
    """Open deployment and store, and answer as their owner. Raises what opening them raises, and `AlreadyRunning`."""
    with (
        opened_deployment(workspace_file, data) as deployment,
        exclusive(data, SERVER),  # one process at a time changes rules
        closing(open_store(deployment.store_url)) as store,
    ):
        alerts = alerts_of(deployment, store)
        alerts.rules.sync_workspace_rules()
        me = Caller(local_author(), Role.OWNER)
        yield Starlette(routes=AlertsApi(alerts, lambda request: me).routes())
