"""A real ingest server over real topics, what arrived in them, and topics that fail on demand."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from console.ingest.app import IngestSources, create_ingest
from console.ingest.limits import IngestLimits
from console.server.http_server import serve_in_thread
from flows.engine.clock import wall_clock_ms
from flows.topics.factory import open_topics
from flows.topics.interface import EVENTS, OUTCOMES, Producer, Record, Topics, TopicSpec
from model.config.env_string import EnvString
from model.events.envelope import decode_record
from model.recording.facts import Rejected, decode
from model.workspace.workspace import Source

WRITE_KEY = "web-key"


def sources_of(*keys: tuple[str, str], off: str = "") -> IngestSources:
    """Sources by id and write key; ``off``: the id of a disabled one."""
    made = (Source(id=id_, write_keys=(EnvString.constant(key),), enabled=id_ != off) for id_, key in keys)
    return IngestSources({source.write_keys[0].value: source for source in made})


SOURCES = sources_of(("web", WRITE_KEY), ("app", "app-key"), ("off", "off-key"), off="off")
DAY_SECONDS = 86_400
DEADLINE_SECONDS = 10


def new_topics(directory: Path) -> Topics:
    """Topics `events` and `outcomes` with two partitions each."""
    topics = open_topics(f"sqlite:///{directory.absolute()}")
    topics.create([TopicSpec(name, 2, DAY_SECONDS) for name in (EVENTS, OUTCOMES)])
    return topics


@contextmanager
def running_ingest(
    topics: Topics, limits: IngestLimits | None = None, trusted_proxies: Sequence[str] = ()
) -> Iterator[str]:
    """Serve ingest; yields its base URL."""
    app = create_ingest(
        SOURCES,
        topics,
        clock=wall_clock_ms,
        run="test",
        limits=limits,
        anonymous_interval_seconds=0.05,
        trusted_proxies=[ip_network(network) for network in trusted_proxies],
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
        header, payload = decode_record(record.value)
        found.append((header["source"], orjson.loads(payload)))
    return sorted(found, key=lambda pair: str(pair[1]["messageId"]))


def rejections(topics: Topics) -> list[Rejected]:
    """Every rejection recorded."""
    facts = [decode(record.value) for record in records(topics, OUTCOMES)]
    return [fact for fact in facts if isinstance(fact, Rejected)]


def call(name: str = "Signed Up", **fields: Any) -> dict[str, Any]:
    """Make a track call."""
    return {"type": "track", "event": name, "userId": "u1", **fields}


def post(
    url: str, body: Any, path: str = "/v1/batch", *, key: str | None = WRITE_KEY, **headers: str
) -> httpx.Response:
    """Post JSON (or bytes as they are); header names are written with underscores."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return httpx.post(url + path, content=content, headers=sent, auth=(key, "") if key else None, timeout=30)


def eventually(ready: Callable[[], Any]) -> Any:
    """Wait until ``ready`` says something true, and return it."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := ready()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


class FaultyTopics:
    """Topics whose producers fail with ``failure`` while it is set, and whose flushes wait for ``circuit``."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self.failure: Exception | None = None
        self.circuit = threading.Event()
        self.circuit.set()
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
        self._faults.circuit.wait(10)
        self._faults.flushes += 1
        if self._faults.failure is not None:
            raise self._faults.failure
        self._producer.flush()


@pytest.fixture
def topics(tmp_path: Path) -> Iterator[Topics]:
    opened = new_topics(tmp_path / "topics")
    yield opened
    opened.close()


@pytest.fixture
def url(topics: Topics) -> Iterator[str]:
    with running_ingest(topics) as base:
        yield base
