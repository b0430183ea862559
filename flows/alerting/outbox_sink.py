"""Bytewax sink into the outbox: written in `snapshot`, so a position moves only past transitions that are stored."""

from collections.abc import Callable
from pathlib import Path

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.alerting.notifications import messages_of
from flows.alerting.outbox import Outbox
from flows.engine.backoff import retry_forever
from flows.sqlite.database import DatabaseError
from model.alerts.messages import notice_of
from model.alerts.transition import Transition
from model.workspace.workspace import Workspace


class OutboxPartition(StatefulSinkPartition[Transition, None]):
    """Buffers the transitions of an epoch."""

    def __init__(self, path: Path, workspace: Callable[[], Workspace]) -> None:
        self._outbox = Outbox(path)
        self._workspace = workspace
        self._transitions: list[Transition] = []

    def write_batch(self, values: list[Transition]) -> None:
        """Buffer."""
        self._transitions.extend(values)

    def snapshot(self) -> None:
        """Return when the epoch's transitions and their messages are in the outbox."""
        if not self._transitions:
            return
        workspace = self._workspace()
        messages = [
            message
            for transition in self._transitions
            if transition.told
            for message in messages_of(transition, notice_of(transition), workspace)
        ]
        retry_forever(lambda: self._outbox.put(self._transitions, messages), DatabaseError, "writing to the outbox")
        self._transitions.clear()

    def close(self) -> None:
        """Release the file."""
        self._outbox.close()


class OutboxSink(FixedPartitionedSink[Transition, None]):
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
