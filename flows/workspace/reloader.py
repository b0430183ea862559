"""Applies a changed workspace file while the system runs. An invalid file is refused, and the active version stays."""

import logging
from collections.abc import Callable, Mapping
from hashlib import blake2b
from operator import attrgetter
from pathlib import Path
from threading import Lock

from flows.engine.clock import wall_clock_ms
from flows.workspace.compiled import compile_workspace
from flows.workspace.discards import View, count_pending, discards, uncounted
from flows.workspace.live import CurrentWorkspace
from model.config.problems import DiagnosticSeverity
from model.workspace.reader import FILE_LIMIT_BYTES, read_workspace
from model.workspace.workspace import Workspace

POLL_SECONDS = 2.0
AT_NEXT_START = (
    "topics",
    "store",
    "ingest",
    "retention",
    "disk",
    "delivery.setup_probe_seconds",
    "delivery.max_held_deliveries",
    "delivery.max_held_bytes",
    "delivery.max_wait_in_queue_seconds",
    "delivery.shards",
    "delivery.duplicate_window_seconds",
    "delivery.allow_addresses",
    "delivery.proxy",
    "delivery.ca_file",
)

log = logging.getLogger("waybill.workspace")


class WorkspaceReloader:
    """Watches one file; call `poll` periodically. Compares content: an editor may rewrite or replace the file.

    ``view`` reads the store (`sinks.clickhouse.store.Store.view`), to count what a change discards; None: this process
    has no store.
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
        self._unlogged: list[tuple[Workspace, Workspace]] = []
        self._seen = _digest(self._content())

    def poll(self) -> None:
        """Apply a changed file, and log what that discards. Never raises for the file's content."""
        self.reload_if_changed()
        with self._lock:
            unlogged, self._unlogged = self._unlogged, []
        for before, after in unlogged:
            self.log_discards(before, after)

    def reload_if_changed(self) -> None:
        """Apply a changed file; from any thread. The next `poll` logs what that discards."""
        with self._lock:
            content = self._content()
            digest = _digest(content)
            if digest == self._seen:
                return
            self._seen = digest
            if content is None:
                log.error("the workspace file %s cannot be read; the active workspace stays", self._path)
                return
            reading = read_workspace(content, file=str(self._path), environ=self._environ)
            if reading.workspace is None:
                log.error("the changed workspace is not valid; the active workspace stays")
                for problem in reading.problems:
                    if problem.severity is DiagnosticSeverity.ERROR:
                        log.error("%(error)s", {"error": problem})
                return
            before = self._live.current
            for name in needs_restart(before, reading.workspace):
                log.warning("workspace: a change of %s takes effect at the next start", name)
            self._live.set(reading.workspace)
            self._unlogged.append((before, reading.workspace))
            log.info("the changed workspace is active")

    def log_discards(self, before: Workspace, after: Workspace) -> None:
        """Log which pending deliveries a change discards, and how many, while they are still kept."""
        configuration = compile_workspace(after)
        try:
            if self._view is None:
                found = uncounted(compile_workspace(before), configuration)
            else:
                found = discards(configuration, count_pending(self._view, configuration, self._clock()))
        except Exception as error:  # delivery does not depend on the store
            log.warning("the deliveries that the changed workspace discards could not be counted: %s", error)
            found = uncounted(compile_workspace(before), configuration)
        for discard in found:
            log.warning("%s. %s.", discard.message, discard.remedy)

    def _content(self) -> bytes | None:
        try:
            with self._path.open("rb") as file:
                return file.read(FILE_LIMIT_BYTES + 1)
        except OSError:
            return None


def _digest(content: bytes | None) -> bytes:
    return b"" if content is None else blake2b(content).digest()


def needs_restart(before: Workspace, after: Workspace) -> list[str]:
    """The changed settings that take effect only at the next start."""
    return [name for name in AT_NEXT_START if attrgetter(name)(before) != attrgetter(name)(after)]
