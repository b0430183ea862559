"""A real broker answers as the tests of everything above it need."""

import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.kit.kafka.access import allow_everything, deny_writing
from tests.kit.kafka.broker import Broker
from tests.kit.kafka.fixture import OtherBroker

ANSWER_SECONDS = 60.0
CREATED_MS = 1_000


@pytest.fixture
def topic(kafka: Broker | OtherBroker) -> Iterator[str]:
    """A topic of one partition, whose records the broker stamps."""
    name = f"test-{uuid.uuid4().hex}"
    client = AdminClient({"bootstrap.servers": kafka.address})
    config = {"message.timestamp.type": "LogAppendTime"}
    client.create_topics([NewTopic(name, 1, 1, config=config)])[name].result(ANSWER_SECONDS)
    yield name
    client.delete_topics([name])[name].result(ANSWER_SECONDS)


def append(topic: str, *values: bytes, **settings: Any) -> list[KafkaError | None]:
    """Append, and return what the broker said of each value."""
    said: dict[int, KafkaError | None] = {}
    producer = Producer({"enable.idempotence": True, "message.max.bytes": 1 << 24, **settings})

    for number, value in enumerate(values):

        def note(error: KafkaError | None, _: Message, number: int = number) -> None:
            said[number] = error

        producer.produce(topic, value, timestamp=CREATED_MS, on_delivery=note)
    assert producer.flush(ANSWER_SECONDS) == 0
    return [said[number] for number in range(len(values))]


def read(address: str, topic: str, count: int) -> list[Message]:
    """Read from the start; fewer than ``count`` only if no more come."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "test", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[Message] = []
    deadline = time.monotonic() + ANSWER_SECONDS
    while len(found) < count and time.monotonic() < deadline:
        found.extend(message for message in consumer.consume(count, timeout=0.2) if message.error() is None)
    consumer.close()
    return found


def values(messages: Sequence[Message]) -> list[bytes | None]:
    return [message.value() for message in messages]


def codes(said: list[KafkaError | None]) -> list[int | None]:
    return [None if error is None else error.code() for error in said]


def test_kafka_returns_what_was_appended_at_the_time_the_broker_says(kafka: Broker | OtherBroker, topic: str) -> None:
    before_ms = time.time_ns() // 1_000_000

    assert append(topic, b"a", b"b", **{"bootstrap.servers": kafka.address}) == [None, None]

    found = read(kafka.address, topic, 2)
    assert [(message.offset(), message.value()) for message in found] == [(0, b"a"), (1, b"b")]
    for message in found:
        kind, ms = message.timestamp()
        assert kind == TIMESTAMP_LOG_APPEND_TIME
        assert before_ms - 60_000 < ms < before_ms + 60_000  # another broker may have a clock of its own


@pytest.mark.slow
def test_kafka_keeps_messages_when_it_is_stopped_and_when_it_is_killed(own_kafka: Broker, topic: str) -> None:
    servers = {"bootstrap.servers": own_kafka.address}
    assert append(topic, b"a", **servers) == [None]

    own_kafka.restart()
    assert append(topic, b"b", **servers) == [None]
    own_kafka.kill()
    assert not own_kafka.running
    own_kafka.start()

    assert append(topic, b"c", **servers) == [None]
    assert values(read(own_kafka.address, topic, 3)) == [b"a", b"b", b"c"]


def test_kafka_takes_messages_over_tls_from_a_user_with_the_password(own_kafka: Broker, topic: str) -> None:
    secure = {"bootstrap.servers": own_kafka.secure_address, **own_kafka.secure_settings}

    assert append(topic, b"a", **secure) == [None]
    wrong = append(topic, b"b", **{**secure, "sasl.password": "wrong", "message.timeout.ms": 1_000})

    assert codes(wrong) == [KafkaError._MSG_TIMED_OUT]
    assert values(read(own_kafka.address, topic, 1)) == [b"a"]


def test_kafka_refuses_messages_for_a_topic_that_is_denied(own_kafka: Broker, topic: str) -> None:
    secure = {"bootstrap.servers": own_kafka.secure_address, **own_kafka.secure_settings}
    deny_writing(own_kafka.address, topic)
    try:
        denied = append(topic, b"a", b"b", **secure)
    finally:
        allow_everything(own_kafka.address, topic)

    assert codes(denied) == [KafkaError.TOPIC_AUTHORIZATION_FAILED] * 2
    assert append(topic, b"c", **secure) == [None]
    assert values(read(own_kafka.address, topic, 1)) == [b"c"]


def test_kafka_refuses_a_message_that_is_too_large_and_takes_the_next(kafka: Broker | OtherBroker, topic: str) -> None:
    # One batch each: the broker's limit is on batches.
    settings = {"bootstrap.servers": kafka.address, "batch.num.messages": 1, "compression.type": "none"}

    said = append(topic, b"a", bytes(2 << 20), b"b", **settings)

    assert codes(said) == [None, KafkaError.MSG_SIZE_TOO_LARGE, None]
    assert values(read(kafka.address, topic, 2)) == [b"a", b"b"]
