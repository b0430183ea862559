"""Bytewax sink into the outbox: written in `snapshot`, so a position moves only past alert events that are stored."""

from collections.abc import Callable
from pathlib import Path

from bytewax.outputs import StatefulSinkPartition

from flows.alerting.notifications import messages_about
from flows.alerting.outbox import Outbox
from flows.engine.backoff import retry_forever
from flows.sqlite.database import DatabaseError
from model.alerts.alert_event import AlertEvent
from model.workspace.workspace import Workspace


class OutboxSinkPartition(StatefulSinkPartition[AlertEvent, None]):
    """Buffers the alert events of an epoch."""

    def __init__(self, path: Path, workspace: Callable[[], Workspace]) -> None:
        self._outbox = Outbox(path)
        self._workspace = workspace
        self._alert_events: list[AlertEvent] = []

    def write_batch(self, values: list[AlertEvent]) -> None:
        """Buffer."""
        self._alert_events.extend(values)

    def snapshot(self) -> None:
        """Return when the epoch's alert events and their messages are in the outbox."""
        if not self._alert_events:
            return
        messages = messages_about(self._alert_events, self._workspace())
        retry_forever(lambda: self._outbox.put(self._alert_events, messages), DatabaseError, "writing to the outbox")
        self._alert_events.clear()

    def close(self) -> None:
        """Release the file."""
        self._outbox.close()
