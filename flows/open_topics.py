"""Which topics a URL names."""

from collections.abc import Callable
from pathlib import Path

from flows.clock import wall_clock_ms
from flows.sqlite_topics import SqliteTopics
from flows.topics import TopicError, Topics

SQLITE = "sqlite:///"


def open_topics(
    url: str,
    *,
    fsync: bool = False,
    disk_budget_bytes: int | None = None,
    clock: Callable[[], int] = wall_clock_ms,
) -> Topics:
    """Open ``sqlite:///relative/directory`` or ``sqlite:////absolute/directory``. Raises `TopicError` for others."""
    directory = url.removeprefix(SQLITE)
    if not url.startswith(SQLITE) or not directory:
        raise TopicError("the topics URL must be sqlite:///relative/directory or sqlite:////absolute/directory")
    return SqliteTopics(Path(directory), fsync=fsync, disk_budget_bytes=disk_budget_bytes, clock=clock)
