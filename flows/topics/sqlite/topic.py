"""One topic in one SQLite file, so that writers of different topics do not block each other; one table per partition.

The table ``partitions`` keeps what must outlive deleted records: the next offset and the latest append time. New
records reuse the space of deleted ones; files do not shrink.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

from flows.sqlite.database import SqliteConnection, SqliteFile
from flows.topics.interface import (
    PositionLost,
    Record,
    TopicError,
    TopicSpec,
    UnknownTopic,
    check_partition,
    check_partitions,
)

ROWS = 16  # per INSERT statement: half the time of single rows, and the GIL is released once instead of 16 times
EXPIRE_CHUNK_RECORDS = 1_000  # per transaction: a few milliseconds, so that writers hardly wait
EXPIRE_PAUSE_SECONDS = 0.005  # between two chunks: SQLite's locks are not fair, so a waiting writer needs a gap

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS partitions "
    "(number INTEGER PRIMARY KEY, next_offset INTEGER NOT NULL, appended_ms INTEGER NOT NULL)",
)
_RECORDS = (
    "CREATE TABLE IF NOT EXISTS records_{number} "
    "(offset INTEGER PRIMARY KEY, appended_ms INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL)"
)


def create_topic(file: SqliteFile, spec: TopicSpec) -> None:
    """Create the topic, or update its retention. Raises `TopicError` if it has another number of partitions."""
    file.create()
    with closing(file.connect()) as connection, connection.transaction() as sqlite:
        for statement in _SCHEMA:
            sqlite.execute(statement)
        found = dict(sqlite.execute("SELECT name, value FROM settings")).get("partitions", spec.partitions)
        check_partitions(spec.name, found, spec.partitions)
        values = {"partitions": spec.partitions, "retention_seconds": spec.retention_seconds}
        sqlite.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", values.items())
        for number in range(spec.partitions):
            sqlite.execute(_RECORDS.format(number=number))
            sqlite.execute("INSERT OR IGNORE INTO partitions VALUES (?, 0, 0)", (number,))


class SqliteTopic:
    """An existing topic. Threads may share it; appending and expiring use connections of their own."""

    def __init__(self, file: SqliteFile, name: str) -> None:
        self.file = file
        self.name = name
        self._lock = threading.Lock()
        self._connection = file.connect()  # for short queries, from any thread
        self.partitions = self._count_partitions()

    def bounds(self, partition: int) -> tuple[int, int]:
        """(earliest offset kept, offset the next record will get), read at one moment."""
        check_partition(self.name, partition, self.partitions)
        earliest, end = self._query(
            f"SELECT (SELECT min(offset) FROM records_{partition:d}), "  # noqa: S608
            "(SELECT next_offset FROM partitions WHERE number = ?)",
            partition,
        )
        if end is None:
            raise TopicError(f"{self.file.path} is damaged (no next offset); put the file back from a backup")
        return (end if earliest is None else earliest), end

    def offset_at(self, partition: int, appended_ms: int) -> int:
        """Lowest offset appended at that time or later; the end if there is none."""
        # Append times never go back along the log, so a binary search works without an index.
        low, high = self.bounds(partition)
        while low < high:
            middle = (low + high) // 2
            row = self._query(f"SELECT appended_ms FROM records_{partition:d} WHERE offset = ?", middle)  # noqa: S608
            if row is None or row[0] < appended_ms:  # None: retention deleted it meanwhile, so it is older
                low = middle + 1
            else:
                high = middle
        return low

    def append(
        self,
        connection: SqliteConnection,
        records: Mapping[int, Sequence[tuple[bytes, bytes]]],
        clock: Callable[[], int],
    ) -> None:
        """Append (key, value) pairs by partition in one transaction. Raises `TopicFull` or `ProduceFailed`."""
        with connection.transaction() as sqlite:
            now_ms = clock()
            for partition, pairs in records.items():
                select = "SELECT next_offset, appended_ms FROM partitions WHERE number = ?"
                start, last_ms = sqlite.execute(select, (partition,)).fetchone()
                appended_ms = max(last_ms, now_ms)
                for first in range(0, len(pairs), ROWS):
                    rows = pairs[first : first + ROWS]
                    values = ", ".join(["(?, ?, ?, ?)"] * len(rows))
                    sqlite.execute(
                        f"INSERT INTO records_{partition:d} VALUES {values}",  # noqa: S608
                        [
                            column
                            for offset, (key, value) in enumerate(rows, start + first)
                            for column in (offset, appended_ms, key, value)
                        ],
                    )
                sqlite.execute(
                    "UPDATE partitions SET next_offset = ?, appended_ms = ? WHERE number = ?",
                    (start + len(pairs), appended_ms, partition),
                )

    def expire(self, now_ms: int) -> int:
        """Delete what is past retention; return the number of records deleted."""
        deleted = 0
        [retention_seconds] = self._query("SELECT value FROM settings WHERE name = 'retention_seconds'")
        with closing(self.file.connect()) as connection:
            for partition in range(self.partitions):
                earliest, _ = self.bounds(partition)
                keep_from = self.offset_at(partition, now_ms - retention_seconds * 1_000)
                while earliest < keep_from:
                    earliest = min(earliest + EXPIRE_CHUNK_RECORDS, keep_from)
                    with connection.transaction() as sqlite:
                        delete = f"DELETE FROM records_{partition:d} WHERE offset < ?"  # noqa: S608
                        deleted += sqlite.execute(delete, (earliest,)).rowcount
                    time.sleep(EXPIRE_PAUSE_SECONDS)
        return deleted

    def used_bytes(self) -> int:
        """Size of the records, without the free space that deleted ones left."""
        [used] = self._query(
            "SELECT (page_count - freelist_count) * page_size "
            "FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        )
        return int(used)

    def close(self) -> None:
        """Refuse every further use."""
        self.file.close()
        with self._lock:
            self._connection.close()

    def _count_partitions(self) -> int:
        # A process may have been killed between creating the file and its tables.
        if self._query("SELECT 1 FROM sqlite_master WHERE name = 'settings'") is None:
            raise UnknownTopic(f"topic {self.name} was not created: {self.file.path} is empty")
        [partitions] = self._query("SELECT value FROM settings WHERE name = 'partitions'")
        return int(partitions)

    def _query(self, sql: str, *parameters: object) -> Any:
        with self._lock:
            return self._connection.row(sql, *parameters)


class SqliteReader:
    """`flows.topics.interface.Reader` over a separate connection, so that reads do not wait for appends."""

    def __init__(self, topic: SqliteTopic, partition: int, position: int) -> None:
        check_partition(topic.name, partition, topic.partitions)
        self.position = position
        self._topic = topic
        self._partition = partition
        self._connection = topic.file.connect()
        self._select = (
            f"SELECT {partition:d}, offset, appended_ms, key, value FROM records_{partition:d} "  # noqa: S608
            "WHERE offset >= ? ORDER BY offset LIMIT ?"
        )

    def read(self, max_records: int, max_bytes: int) -> list[Record]:
        # Query the end first: on a quiet topic almost every read returns after this query.
        [end] = self._connection.row("SELECT next_offset FROM partitions WHERE number = ?", self._partition)
        if end == self.position:
            return []
        records = self._next(max(1, max_records), max_bytes) if end > self.position else []
        if not records:
            raise self._lost()
        self.position = records[-1].offset + 1
        return records

    def close(self) -> None:
        self._connection.close()

    def _next(self, max_records: int, max_bytes: int) -> list[Record]:
        """The records from the position up to the first gap, which the next read reports."""
        records: list[Record] = []
        size_bytes = 0
        expected = self.position
        with closing(self._connection.rows(self._select, expected, max_records)) as rows:
            for record in map(Record._make, rows):
                size_bytes += len(record.key) + len(record.value)
                if record.offset != expected or (records and size_bytes > max_bytes):
                    break
                records.append(record)
                expected += 1
        return records

    def _lost(self) -> PositionLost:
        earliest, end = self._topic.bounds(self._partition)
        if self.position <= end:
            found = self._connection.row(
                f"SELECT min(offset) FROM records_{self._partition:d} WHERE offset >= ?",  # noqa: S608
                self.position,
            )[0]
            earliest = end if found is None else found
        return PositionLost(self._topic.name, self._partition, self.position, earliest=earliest, end=end)
