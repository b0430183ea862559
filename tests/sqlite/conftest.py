"""A directory of SQLite topics with a clock that stands still."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flows.topics.interface import (
    Topics,
)
from tests.sqlite.kit import Clock, opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "topics"


@pytest.fixture
def topics(directory: Path, clock: Clock) -> Iterator[Topics]:
    with closing(opened(directory, clock)) as topics:
        yield topics
