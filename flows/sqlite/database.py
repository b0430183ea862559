"""A SQLite file in WAL mode, readable by its owner only. Errors name the file and the remedy.

Topics, the alert outbox and the redrive ledger use it.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

BUSY_SECONDS = 30.0  # longer than any of our transactions: a writer that waits this long means a stuck process
WAL_LIMIT_BYTES = 64 * 1024 * 1024  # past it the WAL is restarted even if appends must wait, and truncated to this size
WAL_PAGES = 2_000  # 8 MB: at this size an append checkpoints, if `WalCheckpointer` has not
PAGE_BYTES = 4096  # SQLite's default
RESTART_MS = 100  # a checkpoint that waits for readers blocks appends for at most this long
SWITCH_PAUSE_SECONDS = 0.005  # between two attempts to switch a new file to WAL mode, which takes a millisecond
CACHE_KIB = 512  # per connection: each reader and each writer of each topic has one

_creating = threading.Lock()


class DatabaseError(Exception):
    """A database file cannot be read or written; the text names the file and the remedy."""


class DatabaseFull(DatabaseError):
    """The disk is full: the transaction was rolled back."""


class ErrorClasses(NamedTuple):
    """The exceptions that a file raises, so that a caller can hand its own hierarchy in."""

    failed: type[Exception]
    write_failed: type[Exception]
    full: type[Exception]


DATABASE_ERRORS = ErrorClasses(DatabaseError, DatabaseError, DatabaseFull)


class SqliteFile:
    """A file that any number of threads and processes read and write, each through connections of its own."""

    def __init__(self, path: Path, *, fsync: bool, errors: ErrorClasses = DATABASE_ERRORS) -> None:
        self.path = path.absolute()
        self.fsync = fsync
        self.errors = errors
        self.closed = False

    def create(self) -> None:
        """Create the file if it does not exist. Raises ``errors.failed``."""
        # Created here for its mode, which SQLite copies to the WAL. An existing file is never opened here: closing any
        # descriptor of a file drops all locks of the process on it, including SQLite's.
        with _creating:
            try:
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            except FileExistsError:
                return
            except OSError as error:
                raise self.errors.failed(
                    f"cannot create {self.path}: {error.strerror}; check that the directory exists and is writable"
                ) from error

    def connect(self) -> "SqliteConnection":
        """Open a connection; the caller closes it. Raises ``errors.failed``."""
        return SqliteConnection(self)

    def close(self) -> None:
        """Refuse every further use, from any thread; each connection is closed by its holder.

        (SQLite crashes if a connection is closed while another thread uses it.)
        """
        self.closed = True


class SqliteConnection:
    """One connection to a file, used by one thread at a time."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._check_open()
        try:
            # Read-write, not create: a missing file is an error, not an empty log. A connection may be created in one
            # thread and closed in another, so SQLite's own check is off.
            self._sqlite = sqlite3.connect(
                f"file:{quote(str(file.path))}?mode=rw",
                BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                uri=True,
            )
            self._write_ahead()
            self._sqlite.execute(f"PRAGMA synchronous = {'FULL' if file.fsync else 'NORMAL'}")
            self._sqlite.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
            self._sqlite.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
            self._sqlite.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def row(self, sql: str, *parameters: object) -> Any:
        """Return the first row as a tuple, or None. Raises ``errors.failed``."""
        self._check_open()
        try:
            return self._sqlite.execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def rows(self, sql: str, *parameters: object) -> Generator[Any, None, None]:
        """Rows one by one, from one snapshot. Close the generator: an open one blocks checkpoints."""
        self._check_open()
        try:
            with closing(self._sqlite.execute(sql, parameters)) as cursor:
                yield from cursor
        except sqlite3.Error as error:
            raise self._translated(error) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing; waits for other writers. Raises ``errors.full`` or ``errors.write_failed``."""
        self._check_open()
        try:
            self._sqlite.execute("BEGIN IMMEDIATE")
            try:
                yield self._sqlite
                self._sqlite.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # an I/O error has rolled back already
                    self._sqlite.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._translated(error, is_write=True) from error

    def checkpoint(self) -> bool:
        """Move pages from the WAL into the file without blocking; returns whether all were moved."""
        _, in_wal, moved = self.row("PRAGMA wal_checkpoint(PASSIVE)")
        return bool(in_wal == moved)

    def limit_wal(self) -> bool:
        """Restart a WAL that is past its limit; returns whether it is within the limit.

        Overlapping reads leave no gap in which a writer could restart it. So appends wait until the current reads have
        ended, or for `RESTART_MS` if one is stuck.
        """
        _, in_wal, _ = self.row("PRAGMA wal_checkpoint(PASSIVE)")
        if in_wal * PAGE_BYTES < WAL_LIMIT_BYTES:
            return True
        self.row(f"PRAGMA busy_timeout = {RESTART_MS}")
        try:
            is_busy, _, _ = self.row("PRAGMA wal_checkpoint(RESTART)")
        finally:
            self.row(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1_000:.0f}")
        return not is_busy

    def close(self) -> None:
        """Release the connection."""
        self._sqlite.close()

    def __del__(self) -> None:
        # Nobody closes the readers of a flow that died, and Python's connection is part of a reference cycle: without
        # this, its files would stay open until the garbage collector runs.
        with suppress(AttributeError):  # it never connected
            self.close()

    def _write_ahead(self) -> None:
        # The first connection switches the file to WAL mode. If several try at once, SQLite refuses all but one without
        # waiting, because each already reads what another wants to write.
        give_up = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._sqlite.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
            time.sleep(SWITCH_PAUSE_SECONDS)

    def _check_open(self) -> None:
        if self._file.closed:
            raise self._file.errors.failed(f"{self._file.path} was closed; open it again")

    def _translated(self, error: sqlite3.Error, *, is_write: bool = False) -> Exception:
        """Return the file's own exception for one of SQLite."""
        errors, path = self._file.errors, self._file.path
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")):  # SHMSIZE: no room for the index of the WAL
            return errors.full(f"{path}: the disk is full; make room, or lower the retention in the workspace")
        kind = errors.write_failed if is_write else errors.failed
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return kind(f"{path} is damaged ({error}); stop Waybill and put the file back from a backup")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return kind(f"{path} was locked for {BUSY_SECONDS:.0f} s; another process is stuck in it: stop that one")
        return kind(f"{path}: {error}; check that the disk is there and may be written to")
