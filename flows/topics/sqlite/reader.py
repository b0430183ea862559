"""Reads one partition of a topic on SQLite."""

from contextlib import closing

from flows.topics.interface import PositionLost, Record, check_partition
from flows.topics.sqlite.topic import SqliteTopic


class SqliteReader:
    """`flows.topics.interface.Reader`, with a connection of its own."""

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
