"""Keeps the rules of the workspace file among the rules, as versions: at the start and after each change of it."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from console.alerts.rules import Rules
from flows.topics.interface import TopicError
from flows.workspace.live import CurrentWorkspace
from model.workspace.workspace import Workspace
from sinks.clickhouse.store import StoreError

TRY_AGAIN_SECONDS = 5.0

log = logging.getLogger("waybill.alerts")


@contextmanager
def syncing_workspace_rules(rules: Rules, live: CurrentWorkspace) -> Iterator[None]:
    """Take the file's rules over in a thread, trying again while the store is away."""
    changed, stopped = threading.Event(), threading.Event()

    def keep() -> None:
        while not stopped.is_set():
            changed.clear()
            try:
                if made := rules.sync_workspace_rules():
                    log.info("alert rules of the workspace file: %d changed", made)
                changed.wait()
            except (StoreError, TopicError) as error:
                log.warning("alert rules of the workspace file wait for the store: %s", error)
                stopped.wait(TRY_AGAIN_SECONDS)

    def told(workspace: Workspace) -> None:
        changed.set()

    live.subscribe(told)
    keeper = threading.Thread(target=keep, name="alert-file-rules", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        live.unsubscribe(told)
        stopped.set()
        changed.set()
        keeper.join(TRY_AGAIN_SECONDS)
