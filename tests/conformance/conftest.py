"""Each implementation of a seam runs the whole suite of that seam."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.topics.interface import Topics, TopicSpec
from sinks.http.client import HttpClient
from tests.kit.http_calls import MakeEngine
from tests.kit.topics import DAY_SECONDS, Installed, KafkaInstalled, SqliteInstalled


@pytest.fixture
def make_engine() -> MakeEngine:
    return HttpClient


@pytest.fixture(params=["sqlite", "kafka"])
def topics_factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installed]:
    installed: SqliteInstalled | KafkaInstalled
    if request.param == "kafka":
        installed = KafkaInstalled(request.getfixturevalue("kafka").address)
    else:
        installed = SqliteInstalled(tmp_path / "topics")
    yield installed
    installed.close()


@pytest.fixture
def topics(topics_factory: Installed) -> Topics:
    """Topics `events` with two partitions and `quiet` with one."""
    opened = topics_factory()
    opened.create([TopicSpec("events", 2, DAY_SECONDS), TopicSpec("quiet", 1, DAY_SECONDS)])
    return opened
