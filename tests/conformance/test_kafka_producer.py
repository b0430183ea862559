"""A producer of the library that failed for good: what it held is appended by another one, once."""

import secrets
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as LibraryProducer

from flows.topics.factory import open_topics
from flows.topics.interface import ProduceFailed, Producer, Topics, TopicSpec
from tests.kit.kafka.access import allow_appending, deny_appending
from tests.kit.kafka.broker import Broker

TOPIC = "outcomes"
WAIT_SECONDS = 60.0


def settings_of(broker: Broker) -> dict[str, str | bool]:
    """What the library needs to append as the user."""
    return {"bootstrap.servers": broker.secure_address, "enable.idempotence": True, **broker.secure_settings}


def failure_of(producer: LibraryProducer, seconds: float) -> int | None:
    """The code of what ended the library's producer; None if it did not end within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            producer.poll(0.05)
        except KafkaException as error:
            code: int = error.args[0].code()
            return code
    return None


@pytest.fixture
def prefix(own_kafka: Broker) -> Iterator[str]:
    """Of a topic that the user of the secure listener may not append to until `allow_appending`."""
    prefix = f"test-{secrets.token_hex(8)}"
    topics = open_topics(f"kafka://{own_kafka.address}/{prefix}")
    topics.create([TopicSpec(TOPIC, partitions=1, retention_seconds=3_600)])
    topics.close()
    deny_appending(own_kafka.address)
    while failure_of(LibraryProducer(settings_of(own_kafka)), 1.0) != KafkaError.CLUSTER_AUTHORIZATION_FAILED:
        pass  # what was denied is so a moment later
    yield prefix
    allow_appending(own_kafka.address)


@pytest.fixture
def topics(own_kafka: Broker, prefix: str) -> Iterator[Topics]:
    topics = open_topics(f"kafka://{own_kafka.secure_address}/{prefix}", kafka=own_kafka.secure_settings)
    yield topics
    topics.close()


def flush_until(producer: Producer, said: str) -> None:
    """Flush until it fails with these words; '': until it does not fail."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            producer.flush()
            found = ""
        except ProduceFailed as error:
            found = str(error)
        if said in found and bool(said) == bool(found):
            return
        assert time.monotonic() < deadline, found


def values(topics: Topics, count: int) -> list[bytes]:
    """What the topic holds, once it holds so much."""
    reader = topics.reader(TOPIC, 0, 0)
    found: list[bytes] = []
    deadline = time.monotonic() + WAIT_SECONDS
    while len(found) < count and time.monotonic() < deadline:
        found += [record.value for record in reader.read(100, 1 << 20)]
    reader.close()
    return found


@pytest.mark.parametrize("pushed", [False, True])
def test_kafka_what_a_failed_producer_held_is_appended_once(own_kafka: Broker, topics: Topics, pushed: bool) -> None:
    producer = topics.producer()
    for number in range(3):
        producer.send(TOPIC, b"", b"%d" % number)
        if pushed:
            producer.poll()
    flush_until(producer, "CLUSTER_AUTHORIZATION_FAILED); allow Waybill's user")
    producer.send(TOPIC, b"", b"3")
    allow_appending(own_kafka.address)
    flush_until(producer, "")
    assert sorted(values(topics, 4)) == [b"0", b"1", b"2", b"3"]
    producer.close()


def test_kafka_a_failed_producer_is_given_to_nobody_else(own_kafka: Broker, topics: Topics) -> None:
    failed = topics.producer()
    failed.send(TOPIC, b"", b"forgotten")
    flush_until(failed, "CLUSTER_AUTHORIZATION_FAILED")
    failed.discard()
    failed.close()
    allow_appending(own_kafka.address)
    producer = topics.producer()
    producer.send(TOPIC, b"", b"kept")
    flush_until(producer, "")
    assert values(topics, 1) == [b"kept"]


def test_control_kafka_the_librarys_producer_stays_failed_when_it_may_append_again(
    own_kafka: Broker, prefix: str
) -> None:
    producer = LibraryProducer(settings_of(own_kafka))
    assert failure_of(producer, WAIT_SECONDS) == KafkaError.CLUSTER_AUTHORIZATION_FAILED
    allow_appending(own_kafka.address)
    while failure_of(LibraryProducer(settings_of(own_kafka)), 1.0) is not None:
        pass  # what was allowed is so a moment later
    with pytest.raises(KafkaException) as raised:
        producer.produce(f"{prefix}.{TOPIC}", b"of the failed one")
    assert raised.value.args[0].code() == KafkaError._FATAL
