"""Topics on SQLite: one file a topic, so that topics have writers of their own; one table a partition.

A commit survives kill -9 of any process, and loss of power too with ``fsync``. Space of deleted records is used again
by new ones; files do not shrink.
"""

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from flows.sqlite_file import SqliteFile
from flows.topics import EVENTS, PositionLost, Record, TopicError, TopicFull, TopicSpec, UnknownTopic
from model.identity import partition_of

EXPIRE_CHUNK_RECORDS = 1_000  # deleted in one transaction: some milliseconds, so that writers hardly wait
BUDGET_LOOK_SECONDS = 1.0
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.]{0,99}")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS partitions (number INTEGER PRIMARY KEY, next_offset INTEGER, appended_ms INTEGER);
"""
_PARTITION = """
CREATE TABLE IF NOT EXISTS records_{number} (
    offset INTEGER PRIMARY KEY, appended_ms INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL
);
INSERT OR IGNORE INTO partitions VALUES ({number}, 0, 0);
"""


class SqliteTopics:
    """The topics in one directory. `flows.topics.Topics` says what each method promises."""

    def __init__(
        self, directory: Path, *, fsync: bool, disk_budget_bytes: int | None, clock: Callable[[], int]
    ) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise TopicError(f"cannot make the topics directory {directory}: {error}") from error
        self._directory = directory
        self._fsync = fsync
        self._budget_bytes = disk_budget_bytes
        self._over_budget = False
        self._budget_seen = float("-inf")
        self._clock = clock
        self._files: dict[str, SqliteFile] = {}
        self._partitions: dict[str, int] = {}
        self._marks = self._open("marks")
        with self._marks.errors_named():
            self._marks.connection.execute(
                "CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value BLOB NOT NULL)"
            )

    def create(self, specs: Sequence[TopicSpec]) -> None:
        for spec in specs:
            if not _NAME.fullmatch(spec.name) or spec.name == "marks" or spec.partitions < 1:
                raise TopicError(f"{spec.name!r} with {spec.partitions} partitions is no topic")
            file = self._files[spec.name] = self._files.get(spec.name) or self._open(spec.name)
            with file.transaction() as connection:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                settings = dict(connection.execute("SELECT name, value FROM settings"))
                found = settings.get("partitions", spec.partitions)
                if found != spec.partitions:
                    raise TopicError(
                        f"topic {spec.name} has {found} partitions, the workspace says {spec.partitions}: "
                        "the number cannot be changed; set topics.partitions back, or begin with new topics"
                    )
                values = {"partitions": spec.partitions, "retention_seconds": spec.retention_seconds}
                connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", values.items())
                for number in range(spec.partitions):
                    for statement in _PARTITION.format(number=number).split(";"):
                        connection.execute(statement)

    def partitions(self, topic: str) -> int:
        if topic not in self._partitions:
            file = self.file(topic)
            with file.errors_named():
                row = file.connection.execute("SELECT value FROM settings WHERE name = 'partitions'").fetchone()
            self._partitions[topic] = int(row[0])
        return self._partitions[topic]

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        file = self.file(topic, partition)
        with file.errors_named():
            # The end first: a record appended in between is then simply not seen yet.
            [end] = file.connection.execute(
                "SELECT next_offset FROM partitions WHERE number = ?", (partition,)
            ).fetchone()
            [earliest] = file.connection.execute(f"SELECT min(offset) FROM records_{partition:d}").fetchone()
        return (end if earliest is None else min(earliest, end)), end

    def offset_at(self, topic: str, partition: int, appended_ms: int) -> int:
        # Append times never go back along the log, so halving finds the place without an index to keep.
        low, high = self.bounds(topic, partition)
        file = self.file(topic, partition)
        with file.errors_named():
            while low < high:
                middle = (low + high) // 2
                row = file.connection.execute(
                    f"SELECT appended_ms FROM records_{partition:d} WHERE offset = ?",
                    (middle,),  # noqa: S608
                ).fetchone()
                if row is None or row[0] < appended_ms:  # None: deleted meanwhile, so older than what is asked for
                    low = middle + 1
                else:
                    high = middle
        return low

    def producer(self) -> "SqliteProducer":
        return SqliteProducer(self)

    def reader(self, topic: str, partition: int, position: int) -> "SqliteReader":
        return SqliteReader(self.file(topic, partition), topic, partition, position)

    def expire(self) -> int:
        deleted = 0
        for topic, file in list(self._files.items()):
            with file.errors_named():
                row = file.connection.execute("SELECT value FROM settings WHERE name = 'retention_seconds'").fetchone()
            for partition in range(self.partitions(topic)):
                keep_from = self.offset_at(topic, partition, self._clock() - row[0] * 1_000)
                deleted += _delete_below(file, partition, keep_from)
        return deleted

    def mark(self, name: str) -> bytes | None:
        with self._marks.errors_named():
            row = self._marks.connection.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def put_mark(self, name: str, value: bytes) -> None:
        with self._marks.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))

    def close(self) -> None:
        for file in (*self._files.values(), self._marks):
            file.close()

    def file(self, topic: str, partition: int = 0) -> SqliteFile:
        """The file of a topic. Raises `UnknownTopic` also for a partition it does not have."""
        file = self._files.get(topic)
        if file is None:
            if not _NAME.fullmatch(topic) or not (self._directory / f"{topic}.sqlite").exists():
                raise UnknownTopic(f"there is no topic {topic!r} in {self._directory}: it must be created first")
            file = self._files[topic] = self._open(topic)
        if partition and not 0 <= partition < self.partitions(topic):
            raise UnknownTopic(f"topic {topic} has {self.partitions(topic)} partitions, no partition {partition}")
        return file

    def append(self, topic: str, records: Sequence[tuple[int, bytes, bytes]]) -> None:
        """Append (partition, key, value) in one transaction."""
        if topic == EVENTS and self._is_over_budget():
            raise TopicFull("the topics have used up disk.topics_budget_bytes; raise it, or lower the retention")
        by_partition: dict[int, list[tuple[bytes, bytes]]] = {}
        for partition, key, value in records:
            by_partition.setdefault(partition, []).append((key, value))
        now_ms = self._clock()
        with self.file(topic).transaction() as connection:
            for partition, appended in by_partition.items():
                row = connection.execute(
                    "SELECT next_offset, appended_ms FROM partitions WHERE number = ?", (partition,)
                ).fetchone()
                if row is None:
                    raise UnknownTopic(f"topic {topic} has no partition {partition}")
                start, appended_ms = row[0], max(row[1], now_ms)
                connection.executemany(
                    f"INSERT INTO records_{partition:d} VALUES (?, ?, ?, ?)",  # noqa: S608
                    [(offset, appended_ms, key, value) for offset, (key, value) in enumerate(appended, start)],
                )
                connection.execute(
                    "UPDATE partitions SET next_offset = ?, appended_ms = ? WHERE number = ?",
                    (start + len(appended), appended_ms, partition),
                )

    def _is_over_budget(self) -> bool:
        # Only events are held to the budget: what is already here must be delivered and told of to make room again.
        if self._budget_bytes is None:
            return False
        now = time.monotonic()
        if now - self._budget_seen >= BUDGET_LOOK_SECONDS:
            self._budget_seen = now
            self._over_budget = sum(file.used_bytes() for file in self._files.values()) >= self._budget_bytes
        return self._over_budget

    def _open(self, name: str) -> SqliteFile:
        try:
            return SqliteFile(self._directory / f"{name}.sqlite", fsync=self._fsync)
        except OSError as error:
            raise TopicError(f"cannot open topic {name} in {self._directory}: {error}") from error


class SqliteProducer:
    """Appends to topics; `flows.topics.Producer`."""

    def __init__(self, topics: SqliteTopics) -> None:
        self._topics = topics
        self._buffers: dict[str, list[tuple[int, bytes, bytes]]] = {}

    def send(self, topic: str, key: bytes, value: bytes, partition: int | None = None) -> None:
        if partition is None:
            partition = partition_of(key, self._topics.partitions(topic))
        self._buffers.setdefault(topic, []).append((partition, key, value))

    def flush(self) -> None:
        for topic in list(self._buffers):
            self._topics.append(topic, self._buffers[topic])
            del self._buffers[topic]  # acknowledged: a flush that is repeated for a later topic leaves it alone

    def discard(self) -> None:
        self._buffers.clear()

    def close(self) -> None:
        self._buffers.clear()


class SqliteReader:
    """Reads one partition; `flows.topics.Reader`."""

    def __init__(self, file: SqliteFile, topic: str, partition: int, position: int) -> None:
        self.position = position
        self._file = file
        self._topic = topic
        self._partition = partition
        self._select = (
            f"SELECT offset, appended_ms, key, value FROM records_{partition:d} "  # noqa: S608
            "WHERE offset >= ? ORDER BY offset LIMIT ?"
        )

    def read(self, max_records: int, max_bytes: int) -> list[Record]:
        records: list[Record] = []
        size_bytes = 0
        with self._file.errors_named():
            cursor = self._file.connection.execute(self._select, (self.position, max_records))
            try:
                for row in cursor:
                    size_bytes += len(row[2]) + len(row[3])
                    if records and size_bytes > max_bytes:
                        break
                    records.append(Record(self._partition, *row))
            finally:
                cursor.close()  # an open one would hold back checkpoints
        if not records:
            self._check_end()
        elif records[0].offset != self.position:
            raise self._lost(records[0].offset, records[-1].offset + 1)
        else:
            self.position = records[-1].offset + 1
        return records

    def close(self) -> None:
        """The connection belongs to the thread, not to the reader."""

    def _check_end(self) -> None:
        with self._file.errors_named():
            [end] = self._file.connection.execute(
                "SELECT next_offset FROM partitions WHERE number = ?", (self._partition,)
            ).fetchone()
            if end > self.position:  # appended since the read, or deleted before it
                [earliest] = self._file.connection.execute(
                    f"SELECT min(offset) FROM records_{self._partition:d}"  # noqa: S608
                ).fetchone()
                if earliest is None or earliest > self.position:
                    raise self._lost(end if earliest is None else earliest, end)
        if end < self.position:
            raise self._lost(0, end)

    def _lost(self, earliest: int, end: int) -> PositionLost:
        where = f"topic {self._topic}, partition {self._partition}"
        if self.position > end:
            text = f"{where} ends at {end}, before position {self.position}: the log was replaced or cut short"
        else:
            text = (
                f"{where} begins at {earliest}: {earliest - self.position} records from {self.position} on were deleted"
            )
        text += "; put the topics back from a backup, or run `waybill recover` to go on with what is there"
        return PositionLost(
            text, topic=self._topic, partition=self._partition, position=self.position, earliest=earliest, end=end
        )


def _delete_below(file: SqliteFile, partition: int, keep_from: int) -> int:
    deleted = 0
    while True:
        with file.transaction() as connection:
            count = connection.execute(
                f"DELETE FROM records_{partition:d} WHERE offset IN "  # noqa: S608
                f"(SELECT offset FROM records_{partition:d} WHERE offset < ? ORDER BY offset LIMIT ?)",
                (keep_from, EXPIRE_CHUNK_RECORDS),
            ).rowcount
        deleted += count
        if count < EXPIRE_CHUNK_RECORDS:
            return deleted
