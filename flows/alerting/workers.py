"""The threads beside the alerting flow: sending, copying to the store, and the dead man's switch."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from flows.alerting.dead_mans_switch import DeadMansSwitch
from flows.alerting.enrichment import NotificationEnricher
from flows.alerting.history import copy_to_store, enable_tested
from flows.alerting.outbox import Outbox
from flows.alerting.sender import Sender
from flows.engine.clock import wall_clock_ms
from flows.engine.threads import in_background
from flows.runtime.deployment import Deployment
from flows.sqlite.database import DatabaseError
from flows.topics.interface import TopicError
from flows.workspace.outbound import outbound_of
from model.workspace.workspace import Workspace
from sinks.channels.calls import ChannelCalls
from sinks.channels.catalogue import open_channels
from sinks.clickhouse.store import Store, StoreError

OUTBOX_FILE = "outbox.db"
SENDERS = 8  # messages sent at a time, at most one per channel
SEND_EVERY_SECONDS = 0.2
RECORD_EVERY_SECONDS = 1.0
CHECK_EVERY_SECONDS = 5.0
FAILURE_PAUSE_SECONDS = 5.0
STOP_SECONDS = 15.0  # sending a message takes at most 12 s

log = logging.getLogger("waybill.alerting")


class AlertWorkers:
    """Started once per process; the flow beside it may die and restart. Closing waits for messages being sent."""

    def __init__(self, deployment: Deployment, store: Store, recovery: Path) -> None:
        self._deployment = deployment
        self._store = store
        recovery.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = recovery / OUTBOX_FILE
        self._stopped = threading.Event()
        config = self.workspace().delivery
        self._calls = ChannelCalls(config.allow_addresses, outbound_of(config))
        self._executor = ThreadPoolExecutor(SENDERS, "alerts-channel")
        enricher = NotificationEnricher(store)
        self._sender = Sender(
            Outbox(self.path),
            self.workspace,
            lambda workspace: open_channels(workspace.alerts, self._calls, wall_clock_ms),
            enricher,
            wall_clock_ms,
            self._executor,
        )
        self._recorded = Outbox(self.path)
        self.dead_mans_switch = DeadMansSwitch(Outbox(self.path), self.workspace, wall_clock_ms)
        self._threads = [
            in_background(partial(self._repeat, name, work, seconds), f"alerts-{name}")
            for name, work, seconds in (
                ("send", self._send, SEND_EVERY_SECONDS),
                ("record", self._record, RECORD_EVERY_SECONDS),
                ("watch", lambda stopping: self.dead_mans_switch.check(), CHECK_EVERY_SECONDS),
            )
        ]

    def workspace(self) -> Workspace:
        """The active version."""
        return self._deployment.workspace

    def close(self) -> None:
        """Stop the threads; unsent messages stay in the outbox."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _repeat(self, name: str, work: Callable[[bool], object], every_seconds: float) -> None:
        """Call ``work`` until stopped, with False, and then once with True."""
        stopping = False
        while not stopping:
            stopping = self._stopped.wait(every_seconds)
            try:
                work(stopping)
                continue
            except (DatabaseError, StoreError, TopicError) as error:
                log.warning("alerting, %s: %s", name, error)
            except Exception:
                log.exception("alerting, %s", name)
            self._stopped.wait(FAILURE_PAUSE_SECONDS)

    def _send(self, stopping: bool) -> None:
        if not stopping:
            self._sender.work()
            return
        self._executor.shutdown(wait=True)  # the results of messages being sent must be recorded
        self._sender.collect_finished()
        self._calls.close()

    def _record(self, stopping: bool) -> None:
        while copy_to_store(self._recorded, self._store, wall_clock_ms()):
            pass
        enable_tested(self._recorded, self._store)
