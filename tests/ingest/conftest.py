"""Topics and a running ingest server for every test here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.topics.interface import Topics
from tests.ingest.running import new_topics, running_ingest


@pytest.fixture
def topics(tmp_path: Path) -> Iterator[Topics]:
    opened = new_topics(tmp_path / "topics")
    yield opened
    opened.close()


@pytest.fixture
def url(topics: Topics) -> Iterator[str]:
    with running_ingest(topics) as base:
        yield base
