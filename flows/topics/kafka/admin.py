"""Creates topics on Kafka, and updates existing ones to match the workspace."""

import time
from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from flows.topics.interface import TopicError, TopicSpec, check_partitions
from flows.topics.kafka.errors import kafka_error, to_topic_error, topic_errors

ANSWER_SECONDS = 15.0
KNOWN_SECONDS = 15.0  # how long a new topic may take to be known to the brokers
_ABSENT = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.TOPIC_EXCEPTION}
APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}  # brokers set append times; clients' clocks do not matter


def create_topics(
    admin: AdminClient, topics: Sequence[tuple[str, TopicSpec]], replication: int | None, config: dict[str, str]
) -> None:
    """Create missing topics, given as (name on the brokers, spec). Raises `TopicError`.

    ``replication``: None for the brokers' default. ``config``: settings of all topics, beside their retention.
    """
    wanted = [
        NewTopic(
            name,
            num_partitions=spec.partitions,
            replication_factor=-1 if replication is None else replication,
            config={**_retention(spec), **config},
        )
        for name, spec in topics
    ]
    existing: list[tuple[str, TopicSpec]] = []
    created = admin.create_topics(wanted, operation_timeout=ANSWER_SECONDS, request_timeout=ANSWER_SECONDS)
    for name, spec in topics:
        try:
            created[name].result()
        except KafkaException as error:
            if kafka_error(error).code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise to_topic_error(error, f"creating topic {name}") from None
            existing.append((name, spec))
    for name, spec in topics:
        _wait_until_known(admin, name, spec)
    if existing:
        _alter(admin, [(name, {**_retention(spec), **config}) for name, spec in existing])


def count_partitions(admin: AdminClient, name: str) -> int | None:
    """How many partitions a topic has; None if there is no such topic. Raises `TopicError`."""
    with topic_errors(f"looking for topic {name}"):
        found = admin.list_topics(name, timeout=ANSWER_SECONDS).topics.get(name)
    if found is None or (found.error is not None and found.error.code() in _ABSENT):
        return None
    if found.error is not None:
        raise to_topic_error(found.error, f"looking for topic {name}")
    return len(found.partitions)


def _wait_until_known(admin: AdminClient, name: str, spec: TopicSpec) -> None:
    deadline = time.monotonic() + KNOWN_SECONDS
    while (found := count_partitions(admin, name)) is None:
        if time.monotonic() > deadline:
            raise TopicError(f"topic {name} was created, but the brokers do not know it yet; try again")
        time.sleep(0.05)
    check_partitions(name, found, spec.partitions)


def _retention(spec: TopicSpec) -> dict[str, str]:
    return {"retention.ms": str(spec.retention_seconds * 1_000)}


def _alter(admin: AdminClient, wanted: Sequence[tuple[str, dict[str, str]]]) -> None:
    """Change only settings that differ, so that it works for a user without the right to change any."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name, _ in wanted]
    described = admin.describe_configs(resources, request_timeout=ANSWER_SECONDS)
    changes: list[ConfigResource] = []
    for resource, (name, settings) in zip(resources, wanted, strict=True):
        with topic_errors(f"reading the settings of topic {name}"):
            found = described[resource].result()
        different = {key: value for key, value in settings.items() if found[key].value != value}
        if different:
            set_it = AlterConfigOpType.SET
            entries = [ConfigEntry(key, value, incremental_operation=set_it) for key, value in different.items()]
            changes.append(ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries))
    if changes:
        for resource, done in admin.incremental_alter_configs(changes, request_timeout=ANSWER_SECONDS).items():
            with topic_errors(f"changing the settings of topic {resource.name}"):
                done.result()
