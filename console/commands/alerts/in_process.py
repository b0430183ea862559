"""The API of alerts in the process of a command, over the store itself, when nothing runs that could answer."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fastapi import FastAPI

from console.access import Caller, local_author
from console.api.app import create_api
from console.api.services import open_services
from console.command_line import installed
from console.data_dir import SERVER, exclusive
from model.workspace.permissions import Role
from sinks.clickhouse.store import open_store


@contextmanager
def in_process_app(workspace_file: Path, data: Path) -> Iterator[FastAPI]:
    """Open installation and store, and answer as their owner. Raises what opening them raises, and `AlreadyRunning`."""
    with (
        installed(workspace_file, data) as installation,
        exclusive(data, SERVER),  # whoever changes rules is the only one
        closing(open_store(installation.store_url)) as store,
    ):
        me = Caller(local_author(), Role.OWNER)
        services = open_services(installation, store, lambda request: me)
        services.alerts.rules.sync_workspace_rules()
        yield create_api(services)
