"""The API of alerts in the process of a command, over the store itself, when nothing runs that could answer."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from starlette.applications import Starlette

from console.access import Caller, local_author
from console.alerts.http.api import AlertsApi
from console.alerts.service import alerts_of
from console.command_line import installed
from console.data_dir import SERVER, exclusive
from model.workspace.permissions import Role
from sinks.clickhouse.store import open_store


@contextmanager
def in_process_app(workspace_file: Path, data: Path) -> Iterator[Starlette]:
    """Open installation and store, and answer as their owner. Raises what opening them raises, and `AlreadyRunning`."""
    with (
        installed(workspace_file, data) as installation,
        exclusive(data, SERVER),  # whoever changes rules is the only one
        closing(open_store(installation.store_url)) as store,
    ):
        alerts = alerts_of(installation, store)
        alerts.rules.sync_workspace_rules()
        me = Caller(local_author(), Role.OWNER)
        yield Starlette(routes=AlertsApi(alerts, lambda request: me).routes())
