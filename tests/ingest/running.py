"""A real ingest server over real topics, what arrived in them, and topics that fail on demand."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from console.http_server import serve_in_thread
from console.ingest import IngestLimits, IngestSource, IngestSources, create_ingest
from flows.clock import wall_clock_ms
from flows.open_topics import open_topics
from flows.topics import EVENTS, OUTCOMES, Producer, Record, Topics, TopicSpec
from model.envelope import unseal
from model.facts import Rejected, decode

WRITE_KEY = "web-key"
SOURCES = IngestSources(
    {WRITE_KEY: IngestSource("web"), "app-key": IngestSource("app"), "off-key": IngestSource("off", enabled=False)}
)
DAY_SECONDS = 86_400


def new_topics(directory: Path) -> Topics:
    """Topics `events` and `outcomes` with two partitions each."""
    topics = open_topics(f"sqlite:///{directory.absolute()}")
    topics.create([TopicSpec(name, 2, DAY_SECONDS) for name in (EVENTS, OUTCOMES)])
    return topics


@contextmanager
def running_ingest(topics: Topics, limits: IngestLimits | None = None) -> Iterator[str]:
    """Serve ingest; yields its base URL."""
    app = create_ingest(
        SOURCES, topics, clock=wall_clock_ms, run="test", limits=limits, anonymous_interval_seconds=0.05
    )
    server = serve_in_thread(app, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


def records(topics: Topics, topic: str) -> list[Record]:
    """Every record of a topic."""
    found: list[Record] = []
    for partition in range(topics.partitions(topic)):
        reader = topics.reader(topic, partition, 0)
        while batch := reader.read(1_000, 1 << 24):
            found.extend(batch)
        reader.close()
    return found


def events(topics: Topics) -> list[tuple[str, dict[str, Any]]]:
    """(source, event) of every accepted event, by messageId."""
    found = []
    for record in records(topics, EVENTS):
        header, payload = unseal(record.value)
        found.append((header["source"], orjson.loads(payload)))
    return sorted(found, key=lambda pair: str(pair[1]["messageId"]))


def rejections(topics: Topics) -> list[Rejected]:
    """Every rejection recorded."""
    facts = [decode(record.value) for record in records(topics, OUTCOMES)]
    return [fact for fact in facts if isinstance(fact, Rejected)]


class FaultyTopics:
    """Topics whose producers fail with ``failure`` while it is set, and whose flushes wait for ``gate``."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self.failure: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.flushes = 0
        self.waiting = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._topics, name)

    def producer(self) -> "FaultyProducer":
        return FaultyProducer(self, self._topics.producer())


class FaultyProducer:
    def __init__(self, faults: FaultyTopics, producer: Producer) -> None:
        self._faults = faults
        self._producer = producer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def flush(self) -> None:
        self._faults.waiting = True
        self._faults.gate.wait(10)
        self._faults.flushes += 1
        if self._faults.failure is not None:
            raise self._faults.failure
        self._producer.flush()
