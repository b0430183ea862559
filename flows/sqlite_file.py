"""One SQLite file as topics use it: private, in WAL mode, a connection for each thread, errors that name the file."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flows.topics import ProduceFailed, TopicError, TopicFull

BUSY_SECONDS = 30.0  # longer than any transaction of ours; a writer that waits this long is not waiting but stuck
WAL_LIMIT_BYTES = 64 * 1024 * 1024  # what a checkpoint leaves of a WAL that a burst has made large


class SqliteFile:
    """A file that any number of threads and processes read and write."""

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self.path = path
        self._fsync = fsync
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []
        # Made here with its mode, because SQLite gives the WAL beside it the mode the file has.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    @contextmanager
    def errors_named(self) -> Iterator[None]:
        """Turn SQLite's errors into `TopicError` with the name of the file and what to do."""
        try:
            yield
        except sqlite3.Error as error:
            raise named(error, self.path) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing. Raises `TopicFull`, `ProduceFailed` or `TopicError`."""
        with self.errors_named():
            connection = self.connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # an I/O error has rolled back already
                    connection.execute("ROLLBACK")
                raise

    def used_bytes(self) -> int:
        """What the records take, without space that deleted ones have left for new ones."""
        with self.errors_named():
            connection = self.connection
            [pages] = connection.execute("PRAGMA page_count").fetchone()
            [free] = connection.execute("PRAGMA freelist_count").fetchone()
            [page_bytes] = connection.execute("PRAGMA page_size").fetchone()
        return int(pages - free) * int(page_bytes)

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
        self._local = threading.local()

    def _connect(self) -> sqlite3.Connection:
        with self.errors_named():
            # Only the thread that made it uses it, but `close` may be called by another one.
            connection = sqlite3.connect(self.path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._fsync else 'NORMAL'}")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        with self._lock:
            self._connections.append(connection)
        return connection


def named(error: sqlite3.Error, path: Path) -> TopicError:
    """The error of this seam for one of SQLite."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_FULL"):
        return TopicFull(f"{path}: the disk is full; make room, or lower the retention in the workspace")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return TopicError(f"{path} is damaged ({error}); stop Waybill and put the file back from a backup")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ProduceFailed(f"{path} was locked for {BUSY_SECONDS:.0f} s; another process is stuck in it")
    return ProduceFailed(f"{path}: {error}; check that the disk is there and may be written to")
