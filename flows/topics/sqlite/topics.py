"""Topics on SQLite: a directory with one file per topic, and one for metadata.

A commit survives kill -9 of any process; with ``fsync`` it survives a power loss too.
"""

import re
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from flows.engine.threads import every
from flows.sqlite.database import ErrorClasses, SqliteConnection, SqliteFile
from flows.topics.interface import (
    EVENTS,
    ProduceFailed,
    TopicError,
    TopicFull,
    TopicSpec,
    UnknownTopic,
    choose_partition,
)
from flows.topics.sqlite.topic import SqliteReader, SqliteTopic, create_topic

BUDGET_CHECK_MS = 1_000
CHECKPOINT_EVERY_SECONDS = 1.0
# A repeated checkpoint moves what was appended during the one before; a WAL moved completely restarts at its beginning.
TRIES = 3
METADATA = "marks"
SUFFIX = ".sqlite"
TOPIC_ERRORS = ErrorClasses(TopicError, ProduceFailed, TopicFull)
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.]{0,99}")


class WalCheckpointer:
    """A background thread that checkpoints the WAL of each file it watches.

    SQLite checkpoints on whichever append finds the WAL grown; that append, and with it an epoch of the delivery flow,
    would then take 50 ms, half of it waiting for the disk. Without this thread, or if it is stuck, appends checkpoint
    when a WAL hits its limit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: list[SqliteFile] = []
        self._connections: dict[SqliteFile, SqliteConnection] = {}
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, file: SqliteFile) -> None:
        """Checkpoint this file from now on."""
        with self._lock:
            if self._closed.is_set() or any(file.path == watched.path for watched in self._files):
                return
            self._files.append(file)
            if self._thread is None:
                self._thread = every(CHECKPOINT_EVERY_SECONDS, self._checkpoint, self._closed, "checkpoints")

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


class SqliteTopics:
    """The topics in one directory. `flows.topics.interface.Topics` says what each method promises."""

    def __init__(
        self, directory: Path, *, fsync: bool, disk_budget_bytes: int | None, clock: Callable[[], int]
    ) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise TopicError(
                f"cannot make the topics directory {directory}: {error.strerror}; check topics.url"
            ) from error
        self.clock = clock
        self.checkpoints = WalCheckpointer()
        self._directory = directory.absolute()
        self._fsync = fsync
        self._budget_bytes = disk_budget_bytes
        self._over_budget = False
        self._budget_checked_ms: int | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._topics: dict[str, SqliteTopic] = {}
        self._metadata = self._file(METADATA)
        self._metadata.create()
        with closing(self._metadata.connect()) as connection, connection.transaction() as sqlite:
            sqlite.execute("CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value BLOB NOT NULL)")

    def create(self, specs: Sequence[TopicSpec]) -> None:
        for spec in specs:
            if not _NAME.fullmatch(spec.name) or spec.name == METADATA or spec.partitions < 1:
                raise TopicError(
                    f"{spec.name!r} with {spec.partitions} partitions is not a valid topic: a name has lower-case "
                    f"letters, digits, _ and dots and is not {METADATA!r}, and there is at least one partition"
                )
            create_topic(self._file(spec.name), spec)

    def partitions(self, topic: str) -> int:
        return self.topic(topic).partitions

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return self.topic(topic).bounds(partition)

    def offset_at(self, topic: str, partition: int, appended_ms: int) -> int:
        return self.topic(topic).offset_at(partition, appended_ms)

    def producer(self) -> "SqliteProducer":
        return SqliteProducer(self)

    def reader(self, topic: str, partition: int, position: int) -> SqliteReader:
        return SqliteReader(self.topic(topic), partition, position)

    def expire(self) -> int:
        deleted = 0
        failure: TopicError | None = None
        for name in self._names():
            try:
                deleted += self.topic(name).expire(self.clock())
            except UnknownTopic:  # another process is creating it
                continue
            except TopicError as error:  # a damaged topic must not keep the others from expiring
                failure = failure or error
        if failure is not None:
            raise failure
        return deleted

    def get_metadata(self, name: str) -> bytes | None:
        with closing(self._metadata.connect()) as connection:
            row = connection.row("SELECT value FROM marks WHERE name = ?", name)
        return None if row is None else bytes(row[0])

    def put_metadata(self, name: str, value: bytes) -> None:
        with closing(self._metadata.connect()) as connection, connection.transaction() as sqlite:
            sqlite.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))

    def close(self) -> None:
        self.checkpoints.close()
        with self._lock:
            self._closed = True
            self._metadata.close()
            for topic in self._topics.values():
                topic.close()

    def topic(self, name: str) -> SqliteTopic:
        """The topic of that name. Raises `UnknownTopic`."""
        topic = self._topics.get(name)
        if topic is not None:
            return topic
        with self._lock:
            file = self._file(name)
            if not _NAME.fullmatch(name) or name == METADATA or not file.path.exists():
                raise UnknownTopic(f"there is no topic {name!r} in {self._directory}: it must be created first")
            topic = self._topics[name] = self._topics.get(name) or SqliteTopic(file, name)
        return topic

    def check_room(self, topic: str) -> None:
        """Raise `TopicFull` when the disk budget does not allow more records in the topic."""
        # The budget limits events only: delivering what was accepted needs the other topics.
        if topic != EVENTS or self._budget_bytes is None:
            return
        now_ms = self.clock()
        if self._budget_checked_ms is None or abs(now_ms - self._budget_checked_ms) >= BUDGET_CHECK_MS:
            self._budget_checked_ms = now_ms
            self._over_budget = self._used_bytes() >= self._budget_bytes
        if self._over_budget:
            raise TopicFull("the topics have used up disk.topics_budget_bytes; raise it, or lower the retention")

    def _used_bytes(self) -> int:
        used = 0
        for name in self._names():
            with suppress(UnknownTopic):  # another process is creating it
                used += self.topic(name).used_bytes()
        return used

    def _names(self) -> list[str]:
        """Every topic in the directory, including those the workspace no longer uses."""
        found = {path.name.removesuffix(SUFFIX) for path in self._directory.glob(f"*{SUFFIX}")}
        return sorted(found - {METADATA})

    def _file(self, name: str) -> SqliteFile:
        if self._closed:
            raise TopicError(f"the topics in {self._directory} were closed; open them again")
        return SqliteFile(self._directory / f"{name}{SUFFIX}", fsync=self._fsync, errors=TOPIC_ERRORS)


class SqliteProducer:
    """`flows.topics.interface.Producer`, with connections of its own."""

    def __init__(self, topics: SqliteTopics) -> None:
        self._topics = topics
        self._connections: dict[str, SqliteConnection] = {}
        self._buffers: dict[str, dict[int, list[tuple[bytes, bytes]]]] = {}

    def send(self, topic: str, key: bytes, value: bytes, partition: int | None = None) -> None:
        partition = choose_partition(topic, key, partition, self._topics.partitions(topic))
        self._buffers.setdefault(topic, {}).setdefault(partition, []).append((key, value))

    def poll(self) -> None:
        self.flush()

    def flush(self) -> None:
        for topic in list(self._buffers):
            try:
                self._append(topic)
            except ProduceFailed:
                raise
            except TopicError as error:  # a connection could not be opened
                raise ProduceFailed(str(error)) from error
            # Acknowledged: a repeated flush after a later topic failed must not append it again.
            del self._buffers[topic]

    def discard(self) -> None:
        self._buffers.clear()

    def close(self) -> None:
        self.discard()
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _append(self, name: str) -> None:
        self._topics.check_room(name)
        topic = self._topics.topic(name)
        connection = self._connections.get(name)
        if connection is None:
            connection = self._connections[name] = topic.file.connect()
            self._topics.checkpoints.watch(topic.file)
        topic.append(connection, self._buffers[name], self._topics.clock)
