"""The ClickHouse store: one client for chDB in this process and for a server.

    store = open_store("chdb:///var/lib/waybill/store")
    migrate(store, {"facts": 30 * 86_400}, reasons)          # sinks.clickhouse.schema
    refused = store.insert("facts", rows)
    [row] = store.view("delivery_metrics", from_ms=0, to_ms=now_ms)

Times: a row gives Unix ms for DateTime64 columns (facts, samples, watermarks) and Unix seconds for DateTime columns
(minutes, hours); `view` returns Unix ms for both.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Lock
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from model.durations import HOUR_MS, MINUTE_MS
from sinks.clickhouse.rows import LATEST_TIME_MS, RefusedRow, TableWriter, describe
from sinks.clickhouse.views import SQL, VIEWS, statements_of

DATABASE = "waybill"
DEFAULTS = {"source": "", "destination": "", "code": "", "settle_seconds": 120, "limit": 10}
CONNECT_TIMEOUT_SECONDS = 10
ANSWER_TIMEOUT_SECONDS = 120  # more than a query may take
_REBUILD_HOURS = statements_of((SQL / "statements" / "rebuild_hours.sql").read_text(encoding="utf-8"))
_QUERY_LIMITS = {"max_execution_time": 60, "max_memory_usage": 4_000_000_000}
_MIGRATE = "run `waybill up` or `waybill migrate`"
_SCHEMA_ERRORS = {
    "UNKNOWN_FUNCTION", "UNKNOWN_TABLE", "UNKNOWN_IDENTIFIER", "NO_SUCH_COLUMN_IN_TABLE", "THERE_IS_NO_COLUMN",
    "UNKNOWN_DATABASE",
}  # fmt: skip
_LOGIN_ERRORS = {"AUTHENTICATION_FAILED", "REQUIRED_PASSWORD", "UNKNOWN_USER", "WRONG_PASSWORD", "ACCESS_DENIED"}


class StoreError(Exception):
    """The store cannot do what was asked; the text names the store and the remedy.

    StoreError
      StoreUnavailable  temporary: try again with backoff, for ever
      StoreLocked       another process holds the chDB directory
      ViewRefused       the view does not accept these parameters
    """


class StoreUnavailable(StoreError):
    """The store does not respond, or refuses everything at the moment."""


class ViewRefused(StoreError):
    """A view does not accept these parameters; the text is the view's."""


class StoreLocked(StoreError):
    """Another process holds the chDB directory; ``pid`` is that process, if it is known."""

    def __init__(self, text: str, pid: int | None) -> None:
        super().__init__(text)
        self.pid = pid


def open_store(url: str, *, lazy: bool = False) -> "Store":
    """Open ``chdb:///directory`` (made with mode 0700) or ``http(s)://user:password@host:8123/database``.

    ``lazy``: connect to a server at the first use only. Raises `StoreLocked`, `StoreUnavailable`, or `StoreError`
    for a URL that is neither.
    """
    parts = urlsplit(url)
    if parts.scheme == "chdb" and url.startswith("chdb:///") and len(parts.path) > 1:
        # chdb:///./rel and chdb:///../rel are relative to the working directory, the rest is absolute.
        relative = parts.path[1:].startswith(".")
        directory = Path(unquote(parts.path[1:] if relative else "/" + parts.path.lstrip("/"))).absolute()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        store = Store({"interface": "chdb", "path": str(directory)}, DATABASE, f"chDB in {directory}")
        store.connect()
        return store
    if parts.scheme in {"http", "https"} and parts.hostname:
        port = parts.port or (8443 if parts.scheme == "https" else 8123)
        options = {
            "interface": parts.scheme,
            "host": parts.hostname,
            "port": port,
            "username": unquote(parts.username or "default"),
            "password": unquote(parts.password or ""),
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "send_receive_timeout": ANSWER_TIMEOUT_SECONDS,
            "autogenerate_session_id": False,
        }
        database = unquote(parts.path.strip("/")) or DATABASE
        store = Store(options, database, f"ClickHouse at {parts.hostname}:{port}")
        if not lazy:
            store.connect()
        return store
    raise StoreError("the store's URL must be chdb:///directory or http(s)://user:password@host:8123/database")


class Store:
    """One open store. Thread-safe: each call takes a client from a pool."""

    def __init__(self, options: Mapping[str, Any], database: str, name: str) -> None:
        self.name = name  # for messages: without user and password
        self.database = database
        self._options = options
        self._idle: LifoQueue[Client] = LifoQueue()
        self._writers: dict[str, TableWriter] = {}
        self._connecting = Lock()
        self._connected = False

    def with_timeout(self, seconds: float) -> "Store":
        """Return this store with a limit on the wait for a server's response."""
        hasty = {"send_receive_timeout": seconds} if "host" in self._options else {}
        return Store({**self._options, **hasty}, self.database, self.name)

    def connect(self) -> None:
        """Connect to the store and create its database, unless that is done. Raises `StoreLocked` and
        `StoreUnavailable`."""
        with self._connecting, self._errors_named():
            if self._connected:
                return
            first = self._new_client(None)
            try:
                if first.command(f"EXISTS DATABASE `{self.database}`") != 1:
                    # chDB's own default database cannot hold everything that an Atomic one can.
                    first.command(f"CREATE DATABASE IF NOT EXISTS `{self.database}` ENGINE = Atomic")
            finally:
                first.close()
            self._idle.put(self._new_client(self.database))
            self._connected = True

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Lend a client of the database to this thread. Errors of the driver are raised as `StoreError`."""
        self.connect()
        with self._errors_named():
            try:
                client = self._idle.get_nowait()
            except Empty:
                client = self._new_client(self.database)
            try:
                yield client
            finally:
                self._idle.put(client)

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> list[RefusedRow]:
        """Insert rows and return once they are stored; return those that the store will never accept.

        A refused batch is halved until the bad row is isolated. Raises `StoreUnavailable`: then all rows must be
        inserted again, which is idempotent; `StoreError`: the table or a column is missing.
        """
        writer = self._writer(table)
        if unknown := writer.unknown_columns(rows):
            self._writers.pop(table, None)  # read the columns again next time
            raise StoreError(f"{self.name}: table {table} has no column {', '.join(sorted(unknown))}; {_MIGRATE}")
        with self.client() as client:
            return writer.insert(client, rows)

    def view(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        """Read a view of ``sql/views/``; rows by column name, times as Unix ms. `DEFAULTS` fill what is not given.

        Raises `ValueError` for an unknown view or parameter, or one that is missing, and `ViewRefused`.
        """
        types = VIEWS.get(name)
        if types is None:
            raise ValueError(f"no view {name!r}; there are {', '.join(sorted(VIEWS))}")
        if unknown := parameters.keys() - types.keys():
            raise ValueError(f"view {name} has no parameter {', '.join(sorted(unknown))}; it takes {', '.join(types)}")
        values: dict[str, Any] = {key: parameters[key] if key in parameters else DEFAULTS.get(key) for key in types}
        if missing := [key for key, value in values.items() if value is None]:
            raise ValueError(f"view {name} needs {', '.join(missing)}")
        for key in {"from_ms", "to_ms"} & values.keys():
            if not 0 <= values[key] <= LATEST_TIME_MS:
                raise ValueError(f"view {name}: {key} is {values[key]}, not Unix milliseconds before the year 2100")
        arguments = ", ".join(f"{key} = {{{key}:{kind}}}" for key, kind in types.items())
        with self.client() as client:
            called = f"{name}({arguments})" if types else name
            result = client.query(f"SELECT * FROM {called}", parameters=values, settings=_QUERY_LIMITS)  # noqa: S608
            names = result.column_names
            return [dict(zip(names, map(_plain, row), strict=True)) for row in result.result_rows]

    def rebuild_hours(self, log_partition: int, hours_ms: Sequence[int], through_ms: int) -> None:
        """Sum hours (their starts, Unix ms) of one partition again, from minutes up to append minute ``through_ms``.

        Call it only when that append minute is closed and all its rows are inserted. Raises `StoreUnavailable`.
        """
        if not hours_ms:
            return
        values = {
            "log_partition": log_partition,
            "hours": sorted({ms // HOUR_MS * 3_600 for ms in hours_ms}),
            "first": min(hours_ms) // HOUR_MS * 3_600,
            "end": max(hours_ms) // HOUR_MS * 3_600 + 3_600,
            "through": through_ms // MINUTE_MS * 60,
        }
        with self.client() as client:
            for statement in _REBUILD_HOURS:
                client.command(statement, parameters=values, settings={"max_insert_threads": 1})

    def close(self) -> None:
        """Close every idle client. chDB then lets another process open the directory."""
        with suppress(Empty):
            while True:
                self._idle.get_nowait().close()

    def _writer(self, table: str) -> TableWriter:
        if table not in self._writers:
            with self.client() as client:
                sql = "SELECT name, type FROM system.columns WHERE database = {store:String} AND table = {table:String}"
                columns = client.query(sql, parameters={"store": self.database, "table": table}).result_rows
            if not columns:
                raise StoreError(f"{self.name} has no table {table}: {_MIGRATE}")
            ends = {"DateTime64(3, 'UTC')": LATEST_TIME_MS, "DateTime('UTC')": LATEST_TIME_MS // 1000}
            times = {name: ends[kind] for name, kind in columns if kind in ends}
            self._writers[table] = TableWriter(table, [name for name, _ in columns], times)
        return self._writers[table]

    def _new_client(self, database: str | None) -> Client:
        options = dict(self._options)
        if database is not None:
            options["database"] = database
        return clickhouse_connect.get_client(**options)

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except ClickHouseError as error:
            text, name = str(error), getattr(error, "name", None)
            if "Error initializing EmbeddedServer" in text:
                pid = _owner(Path(self._options["path"]))
                by = f" by process {pid}" if pid else ""
                raise StoreLocked(
                    f"{self.name} is in use{by}: chDB lets one process at a time open it."
                    " Ask that process (a running `waybill up` answers the other commands), or stop it.",
                    pid,
                ) from None
            if "EmbeddedServer already initialized" in text:
                raise StoreError(f"{self.name}: this process has another chDB directory open; close it first") from None
            if name == "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO":  # from the view
                raise ViewRefused(text.rpartition("DB::Exception: ")[2].partition(": while")[0]) from None
            if name in _SCHEMA_ERRORS:
                raise StoreError(f"{self.name} has no schema of this version: {_MIGRATE}") from error
            remedy = "; check user and password in store.url" if name in _LOGIN_ERRORS else ""
            raise StoreUnavailable(f"{self.name}: {describe(error)}{remedy}") from error
        except OSError as error:
            raise StoreUnavailable(f"{self.name}: {error}") from error


def _plain(value: Any) -> Any:
    """Convert a driver's value to a JSON value: times to Unix ms, NaN to None."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    if isinstance(value, date):
        return round(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp() * 1000)
    return None if isinstance(value, float) and math.isnan(value) else value


def _owner(directory: Path) -> int | None:
    """The process that holds a chDB directory, as its lock file says."""
    with suppress(OSError, ValueError):
        for line in (directory / "status").read_text(encoding="ascii").splitlines():
            if line.startswith("PID:"):
                return int(line.removeprefix("PID:"))
    return None
