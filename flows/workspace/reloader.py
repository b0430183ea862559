"""Picks up a changed workspace file while the system runs; one that is not valid is refused, and the old one stays."""

import logging
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from threading import Lock

from flows.engine.clock import wall_clock_ms
from flows.workspace.compiled import compile_workspace
from flows.workspace.discards import View, discards, uncounted, what_waits
from flows.workspace.live import CurrentWorkspace
from model.config.problems import DiagnosticSeverity
from model.workspace.reader import FILE_LIMIT_BYTES, read_workspace
from model.workspace.workspace import Workspace

POLL_SECONDS = 2.0
AT_NEXT_START = ("topics", "store", "ingest", "retention", "disk")
_DELIVERY_AT_NEXT_START = (
    "setup_probe_seconds",
    "max_held_deliveries",
    "max_held_bytes",
    "max_wait_in_queue_seconds",
    "shards",
    "duplicate_window_seconds",
    "allow_addresses",
    "proxy",
    "ca_file",
)

log = logging.getLogger("waybill")


class WorkspaceWatch:
    """Looks at one file; call `look` now and then. It is read whole: an editor may write it in place or anew.

    ``view`` reads the store (`sinks.clickhouse.store.Store.view`), to count what a change would discard; None: there is
    none here.
    """

    def __init__(
        self,
        path: Path,
        live: CurrentWorkspace,
        environ: Mapping[str, str],
        *,
        view: View | None = None,
        clock: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._path = path
        self._live = live
        self._environ = environ
        self._view = view
        self._clock = clock
        self._lock = Lock()
        self._to_tell: list[tuple[Workspace, Workspace]] = []
        self._seen = self._digest(self._content())

    def look(self) -> None:
        """Take over what has changed, and tell what that discards. Never raises for what is in the file."""
        self.take_over()
        with self._lock:
            to_tell, self._to_tell = self._to_tell, []
        for before, after in to_tell:
            self.tell_discards(before, after)

    def take_over(self) -> None:
        """Take over what has changed; from any thread. What is discarded is told by the next `look`."""
        with self._lock:
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
                    if problem.severity is DiagnosticSeverity.ERROR:
                        log.error("%s", problem)
                return
            before = self._live.current
            for name in waits_for_restart(before, reading.workspace):
                log.warning("workspace: a change of %s takes effect at the next start", name)
            self._live.change(reading.workspace)
            self._to_tell.append((before, reading.workspace))
            log.info("the changed workspace is in force")

    def tell_discards(self, before: Workspace, after: Workspace) -> None:
        """Say what a change discards, with its number, while that is kept."""
        configuration = compile_workspace(after)
        try:
            if self._view is None:
                found = uncounted(compile_workspace(before), configuration)
            else:
                found = discards(configuration, what_waits(self._view, configuration, self._clock()))
        except Exception as error:  # the store is away, or something in it: delivery does not wait for it
            log.warning("what the changed workspace discards could not be counted: %s", error)
            found = uncounted(compile_workspace(before), configuration)
        for discard in found:
            log.warning("%s. %s.", discard.message, discard.remedy)

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
