"""Topics on SQLite in a directory, with a clock that stands still."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flows.topics.factory import open_topics
from flows.topics.interface import (
    EVENTS,
    Producer,
    Topics,
    TopicSpec,
)

DAY_SECONDS = 86_400
MIB = 1024 * 1024
WAIT_SECONDS = 60.0


class Clock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


def opened(directory: Path, clock: Clock, disk_budget_bytes: int | None = None) -> Topics:
    topics = open_topics(f"sqlite:///{directory}", clock=clock, disk_budget_bytes=disk_budget_bytes)
    topics.create([TopicSpec(EVENTS, 1, DAY_SECONDS), TopicSpec("other", 1, DAY_SECONDS)])
    return topics


def send(producer: Producer, *values: bytes, topic: str = EVENTS) -> None:
    for value in values:
        producer.send(topic, b"k", value, 0)


def append(topics: Topics, *values: bytes, topic: str = EVENTS) -> None:
    with closing(topics.producer()) as producer:
        send(producer, *values, topic=topic)
        producer.flush()


def read_all(topics: Topics, topic: str = EVENTS, position: int = 0) -> list[bytes]:
    with closing(topics.reader(topic, 0, position)) as reader:
        found: list[bytes] = []
        while records := reader.read(1_000, MIB):
            found.extend(record.value for record in records)
        return found


@pytest.fixture
def clock() -> Clock:
    """It stands still."""
    return Clock()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "topics"


@pytest.fixture
def topics(directory: Path, clock: Clock) -> Iterator[Topics]:
    with closing(opened(directory, clock)) as topics:
        yield topics
