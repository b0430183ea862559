"""What the conformance suite of topics shares. Another implementation joins with one more `Installed` class."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Protocol

from flows.open_topics import open_topics
from flows.topics import Record, Topics

DAY_SECONDS = 86_400
START_MS = 1_700_000_000_000
ALL = 1 << 30
WAIT_SECONDS = 60.0


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.ms = START_MS

    def __call__(self) -> int:
        return self.ms


class Installed(Protocol):
    """One installation's topics, which may be opened any number of times."""

    url: str
    clock: Clock

    def __call__(self) -> Topics:
        """Open them once more, as another process would."""

    def forget(self, topic: str, partition: int, before: int) -> None:
        """Delete the records below an offset, as retention does."""


class SqliteInstalled:
    def __init__(self, directory: Path) -> None:
        self.url = f"sqlite:///{directory}"
        self.clock = Clock()
        self._directory = directory
        self._opened: list[Topics] = []

    def __call__(self) -> Topics:
        topics = open_topics(self.url, clock=self.clock)
        self._opened.append(topics)
        return topics

    def forget(self, topic: str, partition: int, before: int) -> None:
        with closing(sqlite3.connect(self._directory / f"{topic}.sqlite", timeout=30)) as connection, connection:
            connection.execute(f"DELETE FROM records_{partition} WHERE offset < ?", (before,))

    def close(self) -> None:
        for topics in self._opened:
            topics.close()


def append(topics: Topics, *values: bytes, topic: str = "events", partition: int = 0, key: bytes = b"k") -> None:
    producer = topics.producer()
    for value in values:
        producer.send(topic, key, value, partition)
    producer.flush()
    producer.close()


def read_all(topics: Topics, topic: str = "events", partition: int = 0, position: int = 0) -> list[Record]:
    with closing(topics.reader(topic, partition, position)) as reader:
        found: list[Record] = []
        while batch := reader.read(1_000, 1 << 20):
            found.extend(batch)
        return found


def values(records: list[Record]) -> list[bytes]:
    return [record.value for record in records]
