"""The threads beside the alerting flow: sending, recording, and watching the monitor itself."""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flows.alerting.dead_mans_switch import Watch
from flows.alerting.enrichment import NoticeEnricher
from flows.alerting.history import accept_tested, record
from flows.alerting.outbox import Outbox
from flows.alerting.sender import Sender
from flows.engine.clock import wall_clock_ms
from flows.runtime.installation import Deployment
from flows.sqlite.database import DatabaseError
from flows.topics.interface import TopicError
from flows.workspace.outbound import outbound_of
from model.workspace.workspace import Workspace
from sinks.channels.calls import ChannelCalls
from sinks.channels.catalogue import open_channels
from sinks.channels.channel import Channel
from sinks.clickhouse.store import Store, StoreError

OUTBOX_FILE = "outbox.db"
SENDERS = 8  # messages under way at a time, one for each channel
SEND_EVERY_SECONDS = 0.2
RECORD_EVERY_SECONDS = 1.0
LOOK_EVERY_SECONDS = 5.0
STORE_AWAY_SECONDS = 5.0
STOP_SECONDS = 15.0  # a message under way takes at most 12

log = logging.getLogger("waybill")


class AlertWorkers:
    """Opened once in a process; the flow beside it may die and start again. Closing waits for messages under way."""

    def __init__(self, installation: Deployment, store: Store, recovery: Path) -> None:
        self._installation = installation
        self._store = store
        recovery.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = recovery / OUTBOX_FILE
        self._stopped = threading.Event()
        self.watch = Watch(Outbox(self.path), self.workspace, wall_clock_ms)
        self._threads = [
            self._thread("send", SEND_EVERY_SECONDS, self._sending),
            self._thread("record", RECORD_EVERY_SECONDS, self._recording),
            self._thread("watch", LOOK_EVERY_SECONDS, lambda: self.watch.look),
        ]
        for thread in self._threads:
            thread.start()

    def workspace(self) -> Workspace:
        """The version in force now."""
        return self._installation.workspace

    def close(self) -> None:
        """Stop; what is not sent stays in the outbox."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _thread(self, name: str, every_seconds: float, begin: Callable[[], Callable[[], None]]) -> threading.Thread:
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

        return threading.Thread(target=run, name=f"alerts-{name}", daemon=True)

    def _sending(self) -> Callable[[], None]:
        config = self.workspace().delivery
        calls = ChannelCalls(config.allow_addresses, outbound_of(config))
        executor = ThreadPoolExecutor(SENDERS, "alerts-channel")

        def channels(workspace: Workspace) -> Mapping[str, Channel]:
            return open_channels(workspace.alerts, calls, wall_clock_ms)

        sender = Sender(
            Outbox(self.path), self.workspace, channels, NoticeEnricher(self._store), wall_clock_ms, executor
        )

        def work() -> None:
            if not self._stopped.is_set():
                sender.work()
                return
            executor.shutdown(wait=True)  # a message under way has a result, which is to be written down
            sender.settle()
            calls.close()

        return work

    def _recording(self) -> Callable[[], None]:
        outbox = Outbox(self.path)

        def work() -> None:
            while record(outbox, self._store, wall_clock_ms()):
                pass
            accept_tested(outbox, self._store)

        return work
