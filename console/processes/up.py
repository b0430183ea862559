"""Ingest and APIs in a process, with the three flows as threads (`waybill up`, the demo) or without
(`waybill run ingest`).
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.data_dir import SERVER, exclusive
from console.processes.run import check_shared
from console.server.app import serving
from flows.alerting import dataflow as alerting
from flows.alerting.dataflow import FLOW as ALERTING
from flows.alerting.workers import AlertWorkers
from flows.delivery import dataflow as delivery
from flows.delivery.dataflow import FLOW as DELIVERY
from flows.recording import dataflow as recording
from flows.recording.dataflow import FLOW as RECORDING
from flows.runtime.deployment import Deployment, migrate_store, open_deployment
from flows.runtime.runner import FlowThread, RunnableFlow, freeze_gc
from flows.workspace.loader import load_workspace
from sinks.clickhouse.store import Store, StoreUnavailable, open_store

STOP_SECONDS = 30.0  # a clean stop of delivery waits 10 s for calls; the rest is for its last flush

log = logging.getLogger("waybill.processes")


@dataclass(frozen=True, slots=True)
class Running:
    """The flows and the store of a running system, and its address."""

    address: str
    delivery: FlowThread
    recording: FlowThread
    alerting: FlowThread
    store: Store

    def failure(self) -> str | None:
        """Return why flows stopped restarting, if any did."""
        flows = (self.delivery, self.recording, self.alerting)
        return "; ".join(f"flow {f.name}: {f.status.failure}" for f in flows if f.status.needs_operator) or None


@contextmanager
def run_all(deployment: Deployment, *, port: int | None = None, watch_file: Path | None = None) -> Iterator[Running]:
    """Start everything; on leaving, stop cleanly: no new events, calls in flight finished, their facts recorded.

    ``watch_file``: the workspace file, which is reloaded whenever it changes.

    Raises `console.data_dir.AlreadyRunning`, `sinks.clickhouse.store.StoreError`, and `ServerFailed` when the address
    is taken.
    """
    with exclusive(deployment.data), closing(open_store(deployment.store_url, lazy=True)) as store:
        try:
            migrate_store(deployment, store)
        except StoreUnavailable as error:  # delivery does not depend on monitoring
            log.warning("events are delivered, and are recorded once the store is available: %s", error)
        with _flows(deployment, store) as flows:
            with serving(deployment, store, port=port, watch_file=watch_file) as address:
                freeze_gc()
                for flow in flows:
                    flow.start()
                yield Running(address, *flows, store)


@contextmanager
def running_ingest(file: Path, data: Path, port: int | None) -> Iterator[str]:
    """Serve ingest and the APIs alone; gives the address. Raises what `run_all` raises, and ValueError."""
    workspace = load_workspace(file, os.environ)
    check_shared(workspace, data)
    deployment = open_deployment(workspace, data)
    with (
        closing(deployment.topics),
        exclusive(data, SERVER),
        closing(open_store(deployment.store_url, lazy=True)) as store,
        serving(deployment, store, port=port, watch_file=file) as address,
    ):
        freeze_gc()
        yield address


@contextmanager
def _flows(deployment: Deployment, store: Store) -> Iterator[tuple[FlowThread, FlowThread, FlowThread]]:
    """Create the threads of delivery, recording and alerting; on leaving, stop those that were started."""
    stop_delivery, stop_recording, stop_alerting = threading.Event(), threading.Event(), threading.Event()
    workers = AlertWorkers(deployment, store, deployment.recovery(ALERTING))

    def prepare_delivery() -> RunnableFlow:
        return delivery.prepare(deployment, stop_delivery)

    def prepare_recording() -> RunnableFlow:
        migrate_store(deployment, store)  # done already, unless the store was unavailable at the start
        return RunnableFlow(recording.prepare(deployment, store, stop_recording), lambda clean: None)

    def prepare_alerting() -> RunnableFlow:
        return RunnableFlow(alerting.prepare(deployment, store, workers, stop_alerting), lambda clean: None)

    def thread(flow: str, prepare: Callable[[], RunnableFlow], stop: threading.Event) -> FlowThread:
        return FlowThread(deployment.topics, flow, deployment.recovery(flow), prepare, stop)

    deliverer = thread(DELIVERY, prepare_delivery, stop_delivery)
    recorder = thread(RECORDING, prepare_recording, stop_recording)
    alerter = thread(ALERTING, prepare_alerting, stop_alerting)
    try:
        yield deliverer, recorder, alerter
    finally:
        stop_alerting.set()
        stop_delivery.set()
        if not deliverer.join(STOP_SECONDS):
            log.warning(
                "delivery did not stop within %.0f s; deliveries in flight are sent again at the next start",
                STOP_SECONDS,
            )
        stop_recording.set()  # it first reads what delivery wrote last
        recorder.join(STOP_SECONDS)
        alerter.join(STOP_SECONDS)
        workers.close()
