"""The HTTP side of Waybill: ingest and API on one address, and what tells other commands where it is."""

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.applications import Starlette

from console.alerts.workspace_rules import syncing_workspace_rules
from console.api.app import create_api
from console.api.services import identify_by_token, open_services
from console.data_dir import ServerFile, view_of, write_server_file
from console.ingest.app import IngestSources, create_ingest
from console.ingest.limits import IngestLimits
from console.server.http_server import Server, ServerFailed, serve_in_thread
from flows.engine.clock import wall_clock_ms
from flows.runtime.background import expire_topics, reload_workspace, watch_clock
from flows.runtime.deployment import Deployment
from sinks.clickhouse.store import Store


@contextmanager
def serving(
    deployment: Deployment, store: Store, *, port: int | None = None, watch_file: Path | None = None
) -> Iterator[str]:
    """Take events and answer questions; gives the address. On leaving, no new events are taken.

    ``port``: instead of the workspace's. ``watch_file``: the workspace file, to be taken over whenever it changes.

    Raises `ServerFailed` when the address is taken.
    """
    workspace = deployment.workspace
    token = secrets.token_urlsafe(32)
    stopped = threading.Event()
    sources = IngestSources(workspace.sources_by_write_key())
    deployment.live.subscribe(sources.change)
    app = create_ingest(
        sources,
        deployment.topics,
        clock=wall_clock_ms,
        run=secrets.token_hex(8),
        limits=IngestLimits.of(workspace.ingest),
        trusted_proxies=workspace.ingest.trusted_proxies,
    )
    services = open_services(deployment, store, identify_by_token(token, deployment.live))
    app.mount("/api", create_api(services))
    server = _serve(app, workspace.ingest.host, workspace.ingest.port if port is None else port)
    host = f"[{server.host}]" if ":" in server.host else server.host
    address = f"http://{host}:{server.port}"
    write_server_file(deployment.data, ServerFile(address, token, os.getpid()))
    watch_clock(stopped)
    expire_topics(deployment, stopped)
    if watch_file is not None:
        reload_workspace(deployment, watch_file, os.environ, stopped, view_of(store))
    try:
        with syncing_workspace_rules(services.rules, deployment.live):
            yield address
    finally:
        server.stop()
        deployment.live.unsubscribe(sources.change)
        stopped.set()


def _serve(app: Starlette, host: str, port: int) -> Server:
    try:
        return serve_in_thread(app, host, port)
    except OSError as error:
        raise ServerFailed(
            f"cannot listen on {host}:{port}: {error.strerror}. Stop what uses it, or set another ingest.host or "
            "ingest.port in the workspace file"
        ) from None
