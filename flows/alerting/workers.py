"""The threads beside the alerting flow: sending, copying to the store, and the dead man's switch."""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
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
from sinks.channels.channel import Channel
from sinks.clickhouse.store import Store, StoreError

OUTBOX_FILE = "outbox.db"
SENDERS = 8  # messages sent at a time, at most one per channel
SEND_EVERY_SECONDS = 0.2
RECORD_EVERY_SECONDS = 1.0
CHECK_EVERY_SECONDS = 5.0
STORE_AWAY_SECONDS = 5.0
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
        self.dead_mans_switch = DeadMansSwitch(Outbox(self.path), self.workspace, wall_clock_ms)
        self._threads = [
            self._start("send", SEND_EVERY_SECONDS, self._send_loop),
            self._start("record", RECORD_EVERY_SECONDS, self._record_loop),
            self._start("watch", CHECK_EVERY_SECONDS, lambda: self.dead_mans_switch.check),
        ]

    def workspace(self) -> Workspace:
        """The active version."""
        return self._deployment.workspace

    def close(self) -> None:
        """Stop the threads; unsent messages stay in the outbox."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _start(self, name: str, every_seconds: float, begin: Callable[[], Callable[[], None]]) -> threading.Thread:
        def run() -> None:
            work = begin()
            while True:
                stopping = self._stopped.is_set()
                try:
                    work()
                except (DatabaseError, StoreError, TopicError) as error:
                    log.warning("alerting, %s: %s", name, error)
                    self._stopped.wait(STORE_AWAY_SECONDS)
                except Exception:
                    log.exception("alerting, %s", name)
                    self._stopped.wait(STORE_AWAY_SECONDS)
                if stopping:
                    return
                self._stopped.wait(every_seconds)

        return in_background(run, f"alerts-{name}")

    def _send_loop(self) -> Callable[[], None]:
        config = self.workspace().delivery
        calls = ChannelCalls(config.allow_addresses, outbound_of(config))
        executor = ThreadPoolExecutor(SENDERS, "alerts-channel")

        def channels(workspace: Workspace) -> Mapping[str, Channel]:
            return open_channels(workspace.alerts, calls, wall_clock_ms)

        sender = Sender(
            Outbox(self.path), self.workspace, channels, NotificationEnricher(self._store), wall_clock_ms, executor
        )

        def work() -> None:
            if not self._stopped.is_set():
                sender.work()
                return
            executor.shutdown(wait=True)  # the results of messages being sent must be recorded
            sender.collect_finished()
            calls.close()

        return work

    def _record_loop(self) -> Callable[[], None]:
        outbox = Outbox(self.path)

        def work() -> None:
            while copy_to_store(outbox, self._store, wall_clock_ms()):
                pass
            enable_tested(outbox, self._store)

        return work
