"""Picks up a changed workspace file while the system runs; one that is not valid is refused, and the old one stays."""

import logging
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from flows.live_workspace import LiveWorkspace
from model.workspace import Workspace
from model.workspace_errors import Severity
from model.workspace_reading import FILE_LIMIT_BYTES, read_workspace

POLL_SECONDS = 2.0
AT_NEXT_START = ("topics", "store", "ingest", "retention", "disk")
_DELIVERY_AT_NEXT_START = (
    "setup_probe_seconds",
    "max_held_deliveries",
    "max_held_bytes",
    "max_wait_in_room_seconds",
    "lanes",
    "duplicate_window_seconds",
    "allow_addresses",
    "proxy",
    "ca_file",
)

log = logging.getLogger("waybill")


class WorkspaceWatch:
    """Looks at one file; call `look` now and then. It is read whole: an editor may write it in place or anew."""

    def __init__(self, path: Path, live: LiveWorkspace, environ: Mapping[str, str]) -> None:
        self._path = path
        self._live = live
        self._environ = environ
        self._seen = self._digest(self._content())

    def look(self) -> None:
        """Take over what has changed. Never raises for what is in the file, or for there being none."""
        content = self._content()
        digest = self._digest(content)
        if digest == self._seen:
            return
        self._seen = digest
        if content is None:
            log.error("the workspace file %s cannot be read; the workspace stays as it was", self._path)
            return
        reading = read_workspace(content, file=str(self._path), environ=self._environ)
        if reading.workspace is None:
            log.error("the changed workspace is not valid; the workspace stays as it was")
            for problem in reading.problems:
                if problem.severity is Severity.ERROR:
                    log.error("%s", problem)
            return
        for name in waits_for_restart(self._live.current, reading.workspace):
            log.warning("workspace: a change of %s takes effect at the next start", name)
        self._live.change(reading.workspace)
        log.info("the changed workspace is in force")

    def _content(self) -> bytes | None:
        try:
            with self._path.open("rb") as file:
                return file.read(FILE_LIMIT_BYTES + 1)
        except OSError:
            return None

    @staticmethod
    def _digest(content: bytes | None) -> bytes:
        return b"" if content is None else blake2b(content).digest()


def waits_for_restart(before: Workspace, after: Workspace) -> list[str]:
    """What of a change is not taken over by a running system."""
    changed = [name for name in AT_NEXT_START if getattr(before, name) != getattr(after, name)]
    for name in _DELIVERY_AT_NEXT_START:
        if getattr(before.delivery, name) != getattr(after.delivery, name):
            changed.append(f"delivery.{name}")
    return changed
