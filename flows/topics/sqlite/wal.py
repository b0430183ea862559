"""A background thread that checkpoints the WAL of each topic's file.

SQLite checkpoints on whichever append finds the WAL grown; that append, and with it an epoch of the delivery flow,
would then take 50 ms, half of it waiting for the disk.
"""

from contextlib import suppress
from threading import Event, Lock, Thread

from flows.engine.threads import every
from flows.sqlite.database import SqliteConnection, SqliteFile
from flows.topics.interface import TopicError

EVERY_SECONDS = 1.0
# A repeated checkpoint moves what was appended during the one before; a WAL moved completely restarts at its beginning.
TRIES = 3


class WalCheckpointer:
    """Checkpoints the files it watches. Without it, or if it is stuck, appends checkpoint when a WAL hits its limit."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._files: list[SqliteFile] = []
        self._connections: dict[SqliteFile, SqliteConnection] = {}
        self._closed = Event()
        self._thread: Thread | None = None

    def watch(self, file: SqliteFile) -> None:
        """Checkpoint this file from now on."""
        with self._lock:
            if self._closed.is_set() or any(file.path == watched.path for watched in self._files):
                return
            self._files.append(file)
            if self._thread is None:
                self._thread = every(EVERY_SECONDS, self._checkpoint, self._closed, "checkpoints")

    def close(self) -> None:
        """Stop, after the checkpoint in progress."""
        with self._lock:
            self._closed.set()
            thread = self._thread
        if thread is not None:
            thread.join()
        for connection in self._connections.values():
            connection.close()

    def _checkpoint(self) -> None:
        with self._lock:
            files = list(self._files)
        for file in files:
            with suppress(TopicError):  # the next append meets the same error and reports it
                if file not in self._connections:
                    self._connections[file] = file.connect()
                any(self._connections[file].checkpoint() for _ in range(TRIES))
                self._connections[file].limit_wal()
