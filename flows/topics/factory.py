"""Opens the topics that a URL names."""

from collections.abc import Callable, Mapping
from pathlib import Path

from flows.engine.clock import wall_clock_ms
from flows.topics.interface import TopicError, Topics
from flows.topics.kafka.topics import KafkaTopics
from flows.topics.sqlite.topics import SqliteTopics

SQLITE = "sqlite:///"
KAFKA = "kafka://"


def open_topics(
    url: str,
    *,
    fsync: bool = False,
    disk_budget_bytes: int | None = None,
    clock: Callable[[], int] = wall_clock_ms,
    kafka: Mapping[str, str | int | bool] | None = None,
    replication: int | None = None,
) -> Topics:
    """Open ``sqlite:///relative/directory``, ``sqlite:////absolute/directory`` or ``kafka://host:9092,…[/prefix]``.

    ``fsync``, ``disk_budget_bytes`` and ``clock`` apply to SQLite only. ``kafka``: settings of librdkafka;
    ``replication``: the replication factor of new topics. Raises `TopicError`.
    """
    if url.startswith(KAFKA):
        servers, _, prefix = url.removeprefix(KAFKA).partition("/")
        return KafkaTopics(servers, prefix, kafka or {}, replication)
    directory = url.removeprefix(SQLITE)
    if not url.startswith(SQLITE) or not directory:
        raise TopicError(
            "the topics URL must be sqlite:///relative/directory, sqlite:////absolute/directory or kafka://host:9092"
        )
    return SqliteTopics(Path(directory), fsync=fsync, disk_budget_bytes=disk_budget_bytes, clock=clock)
