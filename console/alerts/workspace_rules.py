"""Copies the rules of the workspace file to the store, at the start and after each change of the file."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from console.alerts.rules import Rules
from flows.topics.interface import TopicError
from flows.workspace.live import CurrentWorkspace
from model.workspace.workspace import Workspace
from sinks.clickhouse.store import StoreError

RETRY_SECONDS = 5.0

log = logging.getLogger("waybill.alerts")


@contextmanager
def syncing_workspace_rules(rules: Rules, live: CurrentWorkspace) -> Iterator[None]:
    """Copy the file's rules in a thread, retrying while the store is unavailable."""
    changed, stopped = threading.Event(), threading.Event()

    def sync() -> None:
        while not stopped.is_set():
            changed.clear()
            try:
                if written := rules.sync_workspace_rules():
                    log.info("alert rules of the workspace file: %d changed", written)
                changed.wait()
            except (StoreError, TopicError) as error:
                log.warning("alert rules of the workspace file wait for the store: %s", error)
                stopped.wait(RETRY_SECONDS)

    def notify(workspace: Workspace) -> None:
        changed.set()

    live.subscribe(notify)
    thread = threading.Thread(target=sync, name="alert-file-rules", daemon=True)
    thread.start()
    try:
        yield
    finally:
        live.unsubscribe(notify)
        stopped.set()
        changed.set()
        thread.join(RETRY_SECONDS)
