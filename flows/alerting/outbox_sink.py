"""Bytewax sink into the outbox: written in `snapshot`, so a position moves only past alert events that are stored."""

from collections.abc import Callable
from pathlib import Path

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.alerting.notifications import messages_of
from flows.alerting.outbox import Outbox
from flows.engine.backoff import retry_forever
from flows.sqlite.database import DatabaseError
from model.alerts.alert_event import AlertEvent
from model.alerts.messages import notification_of
from model.workspace.workspace import Workspace


class OutboxPartition(StatefulSinkPartition[AlertEvent, None]):
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
        workspace = self._workspace()
        messages = [
            message
            for alert_event in self._alert_events
            if alert_event.notified
            for message in messages_of(alert_event, notification_of(alert_event), workspace)
        ]
        retry_forever(lambda: self._outbox.put(self._alert_events, messages), DatabaseError, "writing to the outbox")
        self._alert_events.clear()

    def close(self) -> None:
        """Release the file."""
        self._outbox.close()


class OutboxSink(FixedPartitionedSink[AlertEvent, None]):
    """One partition."""

    def __init__(self, path: Path, workspace: Callable[[], Workspace]) -> None:
        self._path = path
        self._workspace = workspace

    def list_parts(self) -> list[str]:
        """The only one."""
        return ["0"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> OutboxPartition:
        """Open the outbox."""
        return OutboxPartition(self._path, self._workspace)
