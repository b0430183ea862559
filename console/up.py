"""The whole system in one process, for `waybill up` and the demo: ingest API, delivery, recording, topics, store."""

import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from starlette.applications import Starlette

from console.api import create_api
from console.http_server import Server, ServerFailed, serve_in_thread
from console.ingest import IngestLimits, IngestSources, create_ingest
from console.server_file import ServerFile, remove_server_file, sole_process, write_server_file
from console.test_api import test_over_api
from console.workspace_watch import POLL_SECONDS, WorkspaceWatch
from flows import delivery_run, recording
from flows.clock import wall_clock_ms
from flows.clock_watchdog import ClockWatchdog, monotonic_ms, watch
from flows.delivery import FLOW as DELIVERY
from flows.installation import Installation, store_retention_seconds
from flows.recording import FLOW as RECORDING
from flows.runner import FlowThread, Prepared, collect_less_garbage
from flows.topics import TopicError
from model.destinations.catalogue import ALL_REASONS as REASONS
from sinks.store import Store, StoreUnavailable, open_store
from sinks.store_schema import migrate

EXPIRE_EVERY_SECONDS = 60.0
STOP_SECONDS = 30.0  # a clean stop of delivery waits 10 s for calls; the rest is for its last flush
EXIT_CLOCK_STEPPED_BACK = 75  # EX_TEMPFAIL: start me again

log = logging.getLogger("waybill")


@dataclass(frozen=True, slots=True)
class Running:
    """A running system."""

    address: str
    delivery: FlowThread
    recording: FlowThread
    store: Store

    def failure(self) -> str | None:
        """Why a flow has given up, if one has."""
        given_up = [
            f"flow {flow.name}: {flow.status.failure}" for flow in (self.delivery, self.recording) if flow.status.fatal
        ]
        return "; ".join(given_up) or None


@contextmanager
def run_all(
    installation: Installation, *, port: int | None = None, watch_file: Path | None = None
) -> Iterator[Running]:
    """Start everything; on leaving, stop cleanly: no new events, calls in flight finished, their facts recorded.

    ``watch_file``: the workspace file, to be taken over whenever it changes.

    Raises `console.server_file.AlreadyRunning`, `sinks.store.StoreError`, and `ServerFailed` when the address is taken.
    """
    with sole_process(installation.data), closing(open_store(installation.store_url, may_be_away=True)) as store:
        with _run(installation, store, port, watch_file) as running:
            yield running


@contextmanager
def _run(installation: Installation, store: Store, port: int | None, watch_file: Path | None) -> Iterator[Running]:
    topics, workspace = installation.topics, installation.workspace
    try:
        _migrate(installation, store)
    except StoreUnavailable as error:  # delivery does not wait for its own monitoring
        log.warning("events are delivered now, and recorded when the store is there: %s", error)
    stop_delivery, stop_recording, stopped = threading.Event(), threading.Event(), threading.Event()

    def prepare_delivery() -> Prepared:
        run = delivery_run.prepare(installation, stop_delivery)
        return Prepared(run.flow, run.close)

    def prepare_recording() -> Prepared:
        _migrate(installation, store)  # done already, unless the store was away when everything started
        return Prepared(recording.prepare(installation, store, stop_recording), lambda clean: None)

    delivery = FlowThread(topics, DELIVERY, installation.recovery(DELIVERY), prepare_delivery, stop_delivery)
    recorder = FlowThread(topics, RECORDING, installation.recovery(RECORDING), prepare_recording, stop_recording)
    token = secrets.token_urlsafe(32)
    limits = IngestLimits(requests_per_second=workspace.ingest.max_requests_per_second)
    sources = IngestSources.of(workspace)
    installation.live.listen(sources.change)
    app = create_ingest(sources, topics, clock=wall_clock_ms, run=secrets.token_hex(8), limits=limits)
    app.mount("/api", create_api(store, token, installation.live, partial(test_over_api, installation)))
    server = _serve(app, workspace.ingest.host, workspace.ingest.port if port is None else port)
    host = f"[{server.host}]" if ":" in server.host else server.host
    address = f"http://{host}:{server.port}"
    write_server_file(installation.data, ServerFile(address, token, os.getpid()))
    watch(ClockWatchdog(wall_clock_ms, monotonic_ms), stopped, _clock_stepped_back)
    _every(EXPIRE_EVERY_SECONDS, stopped, lambda: _expire(installation), "retention")
    if watch_file is not None:
        _every(POLL_SECONDS, stopped, WorkspaceWatch(watch_file, installation.live, os.environ).look, "workspace")
    collect_less_garbage()
    delivery.start()
    recorder.start()
    try:
        yield Running(address, delivery, recorder, store)
    finally:
        server.stop()
        installation.live.forget(sources.change)
        stop_delivery.set()
        if not delivery.join(STOP_SECONDS):
            log.warning("delivery did not stop in %.0f s; what it holds is sent again at the next start", STOP_SECONDS)
        stop_recording.set()  # it first reads what delivery wrote last
        recorder.join(STOP_SECONDS)
        stopped.set()
        remove_server_file(installation.data)


def _migrate(installation: Installation, store: Store) -> None:
    workspace = installation.workspace
    migrate(store, store_retention_seconds(workspace), REASONS, workspace.store.cluster)


def _serve(app: Starlette, host: str, port: int) -> Server:
    try:
        return serve_in_thread(app, host, port)
    except OSError as error:
        raise ServerFailed(
            f"cannot listen on {host}:{port}: {error.strerror}. Stop what uses it, or set another ingest.host or "
            "ingest.port in the workspace file"
        ) from None


def _clock_stepped_back(back_ms: int) -> None:
    log.critical(
        "the clock went back by %d s: ending, to be started again (the flows would wait that long)", back_ms // 1_000
    )
    os._exit(EXIT_CLOCK_STEPPED_BACK)


def _expire(installation: Installation) -> None:
    try:
        installation.topics.expire()
    except TopicError as error:
        log.warning("deleting what is past its retention failed, trying again in a minute: %s", error)


def _every(seconds: float, stopped: threading.Event, action: Callable[[], None], name: str) -> None:
    def repeat() -> None:
        while not stopped.wait(seconds):
            action()

    threading.Thread(target=repeat, name=name, daemon=True).start()
