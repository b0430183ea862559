"""The whole system in one process, for `waybill up` and the demo: ingest API, delivery, recording, alerting, topics,
store."""

import logging
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.data_dir import exclusive
from console.server.app import serving
from flows.alerting import dataflow as alerting
from flows.alerting.dataflow import FLOW as ALERTING
from flows.alerting.workers import AlertWorkers
from flows.delivery import dataflow as delivery
from flows.delivery.dataflow import FLOW as DELIVERY
from flows.recording import dataflow as recording
from flows.recording.dataflow import FLOW as RECORDING
from flows.runtime.deployment import Deployment, migrate_store
from flows.runtime.runner import FlowThread, RunnableFlow, freeze_gc
from sinks.clickhouse.store import Store, StoreUnavailable, open_store

STOP_SECONDS = 30.0  # a clean stop of delivery waits 10 s for calls; the rest is for its last flush

log = logging.getLogger("waybill.processes")


@dataclass(frozen=True, slots=True)
class Running:
    """A running system."""

    address: str
    delivery: FlowThread
    recording: FlowThread
    alerting: FlowThread
    store: Store

    def failure(self) -> str | None:
        """Why a flow has given up, if one has."""
        flows = (self.delivery, self.recording, self.alerting)
        given_up = [f"flow {flow.name}: {flow.status.failure}" for flow in flows if flow.status.needs_operator]
        return "; ".join(given_up) or None


@contextmanager
def run_all(deployment: Deployment, *, port: int | None = None, watch_file: Path | None = None) -> Iterator[Running]:
    """Start everything; on leaving, stop cleanly: no new events, calls in flight finished, their facts recorded.

    ``watch_file``: the workspace file, to be taken over whenever it changes.

    Raises `console.data_dir.AlreadyRunning`, `sinks.clickhouse.store.StoreError`, and `ServerFailed` when the address
    is taken.
    """
    with exclusive(deployment.data), closing(open_store(deployment.store_url, lazy=True)) as store:
        try:
            migrate_store(deployment, store)
        except StoreUnavailable as error:  # delivery does not wait for its own monitoring
            log.warning("events are delivered now, and recorded when the store is there: %s", error)
        with _flows(deployment, store) as flows:
            with serving(deployment, store, port=port, watch_file=watch_file) as address:
                freeze_gc()
                for flow in flows:
                    flow.start()
                yield Running(address, *flows, store)


@contextmanager
def _flows(deployment: Deployment, store: Store) -> Iterator[tuple[FlowThread, FlowThread, FlowThread]]:
    """Make delivery, recording and alerting; on leaving, stop those that were started."""
    topics = deployment.topics
    stop_delivery, stop_recording, stop_alerting = threading.Event(), threading.Event(), threading.Event()
    workers = AlertWorkers(deployment, store, deployment.recovery(ALERTING))

    def prepare_delivery() -> RunnableFlow:
        return delivery.prepare(deployment, stop_delivery)

    def prepare_recording() -> RunnableFlow:
        migrate_store(deployment, store)  # done already, unless the store was unavailable at the start
        return RunnableFlow(recording.prepare(deployment, store, stop_recording), lambda clean: None)

    def prepare_alerting() -> RunnableFlow:
        return RunnableFlow(alerting.prepare(deployment, store, workers, stop_alerting), lambda clean: None)

    deliverer = FlowThread(topics, DELIVERY, deployment.recovery(DELIVERY), prepare_delivery, stop_delivery)
    recorder = FlowThread(topics, RECORDING, deployment.recovery(RECORDING), prepare_recording, stop_recording)
    alerter = FlowThread(topics, ALERTING, deployment.recovery(ALERTING), prepare_alerting, stop_alerting)
    try:
        yield deliverer, recorder, alerter
    finally:
        stop_alerting.set()
        stop_delivery.set()
        if not deliverer.join(STOP_SECONDS):
            log.warning("delivery did not stop in %.0f s; what it holds is sent again at the next start", STOP_SECONDS)
        stop_recording.set()  # it first reads what delivery wrote last
        recorder.join(STOP_SECONDS)
        alerter.join(STOP_SECONDS)
        workers.close()
