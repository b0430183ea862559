"""One flow as a process: ``python -m tests.kit.flow_process delivery|recording WORKSPACE DATA [FAULT]``.

Faults: ``flush-on-a-timer`` moves the delivery sink's flush out of `snapshot` (the control of the kill test).
"""

import logging
import os
import signal
import sys
import threading
from itertools import chain
from pathlib import Path

from flows.delivery import dataflow as delivery
from flows.delivery.dataflow import FLOW as DELIVERY
from flows.recording import dataflow as recording
from flows.recording.dataflow import FLOW as RECORDING
from flows.runtime.deployment import open_deployment, store_retention_seconds
from flows.runtime.runner import RunnableFlow, freeze_gc, run_once
from flows.topics.sink import TopicSinkPartition
from flows.workspace.loader import load_workspace
from model.reason_codes.catalogue import ALL
from sinks.clickhouse.schema import migrate
from sinks.clickhouse.store import open_store

REPORT_EVERY_MS = 500  # instead of 10 s, so that watermarks move while a test waits


def flush_on_a_timer() -> None:
    """What many sinks do: the snapshot promises what only a timer will write."""
    lock = threading.Lock()

    def write_batch(self: TopicSinkPartition, values: list) -> None:  # type: ignore[type-arg]
        with lock:
            for output in chain.from_iterable(values):
                self._producer.send(output.topic, output.key, output.value, output.partition)
        if not hasattr(self, "timer"):

            def flush_for_ever() -> None:
                while True:
                    threading.Event().wait(2)
                    with lock:
                        self._producer.flush()

            self.timer = threading.Thread(target=flush_for_ever, daemon=True)  # type: ignore[attr-defined]
            self.timer.start()  # type: ignore[attr-defined]

    TopicSinkPartition.write_batch = write_batch  # type: ignore[method-assign]
    TopicSinkPartition.snapshot = lambda self: None  # type: ignore[method-assign]


def main(flow: str, workspace: str, data: str, fault: str = "") -> None:
    """Run the flow until SIGTERM."""
    logging.basicConfig(level=logging.INFO)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if fault == "flush-on-a-timer":
        flush_on_a_timer()
    deployment = open_deployment(load_workspace(Path(workspace), os.environ), Path(data))
    if flow == DELIVERY:

        def prepare() -> RunnableFlow:
            return delivery.prepare(deployment, stop, progress_ms=REPORT_EVERY_MS)
    else:
        store = open_store(deployment.store_url)
        migrate(store, store_retention_seconds(deployment.workspace), ALL)

        def prepare() -> RunnableFlow:
            return RunnableFlow(recording.prepare(deployment, store, stop), lambda clean: store.close())

    assert flow in {DELIVERY, RECORDING}
    freeze_gc()
    # Bytewax takes the signals of the main thread for itself; a thread of our own leaves SIGTERM to the handler above.
    thread = threading.Thread(target=run_once, args=(deployment.topics, flow, deployment.recovery(flow), prepare))
    thread.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while thread.is_alive():
        thread.join(0.1)
    deployment.topics.close()


main(*sys.argv[1:])
