"""Moves what the WALs of topics hold into their files, in a thread of its own.

SQLite leaves that to whoever happens to append when a WAL has grown; an epoch of the delivery flow would then stand
still for 50 ms, half of it waiting for the disk.
"""

import threading
from contextlib import suppress

from flows.sqlite.database import Connection, SqliteFile
from flows.topics.interface import TopicError

EVERY_SECONDS = 1.0
# What was appended meanwhile takes another, shorter one; a WAL moved as a whole is written from its start again.
TRIES = 3


class WalCheckpointer:
    """Of the files it is told to watch. Without it, or behind a stuck one, appends do it at a WAL's limit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: list[SqliteFile] = []
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, file: SqliteFile) -> None:
        """From now on see to this file, too."""
        with self._lock:
            if self._closed.is_set() or any(file.path == watched.path for watched in self._files):
                return
            self._files.append(file)
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep_going, name="checkpoints", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop, after the checkpoint that may be under way."""
        with self._lock:
            self._closed.set()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _keep_going(self) -> None:
        connections: dict[SqliteFile, Connection] = {}
        try:
            while not self._closed.wait(EVERY_SECONDS):
                with self._lock:
                    files = list(self._files)
                for file in files:
                    with suppress(TopicError):  # whoever appends hears of it, and says so
                        if file not in connections:
                            connections[file] = file.connect()
                        any(connections[file].checkpoint() for _ in range(TRIES))
                        connections[file].limit_wal()
        finally:
            for connection in connections.values():
                connection.close()
