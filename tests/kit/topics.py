"""What the conformance suite of topics shares. Another implementation joins with one more `Installed` class."""

import secrets
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Protocol

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from flows.topics.factory import open_topics
from flows.topics.interface import Reader, Record, Topics

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
    """One deployment's topics, which may be opened any number of times."""

    url: str
    whole_batches: bool  # what one flush appends to a topic is there as a whole, also after kill -9

    def __call__(self) -> Topics:
        """Open them once more, as another process would."""

    def forget(self, topic: str, partition: int, before: int) -> None:
        """Delete the records below an offset, as retention does."""

    def now_ms(self) -> int:
        """The log's clock."""

    def wait(self, ms: int) -> None:
        """Let time pass on the log's clock."""

    def set_back(self, ms: int) -> None:
        """Set the log's clock back, if it can be set."""


class SqliteInstalled:
    whole_batches = True

    def __init__(self, directory: Path) -> None:
        self.url = f"sqlite:///{directory}"
        self._clock = Clock()
        self._directory = directory
        self._opened: list[Topics] = []

    def __call__(self) -> Topics:
        topics = open_topics(self.url, clock=self._clock)
        self._opened.append(topics)
        return topics

    def forget(self, topic: str, partition: int, before: int) -> None:
        with closing(sqlite3.connect(self._directory / f"{topic}.sqlite", timeout=30)) as connection, connection:
            connection.execute(f"DELETE FROM records_{partition} WHERE offset < ?", (before,))

    def now_ms(self) -> int:
        return self._clock.ms

    def wait(self, ms: int) -> None:
        self._clock.ms += ms

    def set_back(self, ms: int) -> None:
        self._clock.ms -= ms

    def close(self) -> None:
        for topics in self._opened:
            topics.close()


class KafkaInstalled:
    """Topics of a prefix of its own, on brokers that others may use too."""

    whole_batches = False  # but each record of it, with flushes repeated until one succeeds

    def __init__(self, address: str) -> None:
        self._prefix = f"test-{secrets.token_hex(8)}"
        self.url = f"kafka://{address}/{self._prefix}"
        self._admin = AdminClient({"bootstrap.servers": address})
        self._opened: list[Topics] = []

    def __call__(self) -> Topics:
        topics = open_topics(self.url)
        self._opened.append(topics)
        return topics

    def forget(self, topic: str, partition: int, before: int) -> None:
        place = TopicPartition(f"{self._prefix}.{topic}", partition, before)
        self._admin.delete_records([place])[place].result()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000  # the broker runs on this machine

    def wait(self, ms: int) -> None:
        time.sleep(ms / 1_000)

    def set_back(self, ms: int) -> None:
        """A broker's clock is the machine's."""

    def close(self) -> None:
        for topics in self._opened:
            topics.close()
        names = [name for name in self._admin.list_topics(timeout=10).topics if name.startswith(self._prefix)]
        for done in self._admin.delete_topics(names).values() if names else ():
            done.result()


def append(topics: Topics, *values: bytes, topic: str = "events", partition: int = 0, key: bytes = b"k") -> None:
    producer = topics.producer()
    for value in values:
        producer.send(topic, key, value, partition)
    producer.flush()
    producer.close()


def read_all(topics: Topics, topic: str = "events", partition: int = 0, position: int = 0) -> list[Record]:
    """Everything that is there now."""
    _, end = topics.bounds(topic, partition)
    with closing(topics.reader(topic, partition, position)) as reader:
        return read_to(reader, end)


def read_to(reader: Reader, end: int, max_records: int = 1_000, max_bytes: int = 1 << 20) -> list[Record]:
    """Read up to an offset. What was appended is there to be read soon, but not always at once."""
    found: list[Record] = []
    deadline = time.monotonic() + WAIT_SECONDS
    while reader.position < end and time.monotonic() < deadline:
        found.extend(reader.read(min(max_records, end - reader.position), max_bytes))
    return found


def values(records: list[Record]) -> list[bytes]:
    return [record.value for record in records]
