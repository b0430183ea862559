"""Topics on Apache Kafka: ``kafka://host:9092,host:9092/prefix``.

The brokers' topics are named prefix.events, prefix.outcomes and so on. The brokers set append times and apply the
retention, which is configured when topics are created.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from flows.topics.interface import (
    TopicError,
    TopicSpec,
    TopicsUnavailable,
    UnknownTopic,
    check_partition,
    check_partitions,
    choose_partition,
)
from flows.topics.kafka.admin import ANSWER_SECONDS, APPEND_TIME, count_partitions, create_topics
from flows.topics.kafka.consumer import KafkaReader, SharedConsumer
from flows.topics.kafka.errors import UNKNOWN, kafka_error, to_topic_error
from flows.topics.kafka.producer import KafkaProducer, ProducerPool
from model.events.envelope import UnreadableRecord, decode_record, encode_record

DEFAULT_PREFIX = "waybill"
METADATA = TopicSpec("marks", 1, 0)
CLIENT = {
    "client.id": "waybill",
    "socket.keepalive.enable": True,
    "reconnect.backoff.max.ms": 2_000,
    "allow.auto.create.topics": False,
}

QUERY_SECONDS = 5.0
UNAVAILABLE_SECONDS = 1.0

Found = TypeVar("Found")
log = logging.getLogger("waybill.kafka")


class KafkaTopics:
    """The topics of one prefix. `flows.topics.interface.Topics` says what each method promises."""

    def __init__(self, servers: str, prefix: str, settings: Mapping[str, Any], replication: int | None) -> None:
        """``settings``: librdkafka's, for security; ``replication``: of new topics, None for the brokers' default."""
        self._prefix = prefix or DEFAULT_PREFIX
        self._settings = {**CLIENT, **settings, "bootstrap.servers": servers, "logger": log}
        self._replication = replication
        self._closed = False
        self._counts: dict[str, int] = {}
        self._producers = ProducerPool(self._settings)
        self._own = threading.local()
        self._admin = AdminClient(self._settings)
        # For queries of bounds, by one thread at a time (two at once may deadlock); it never fetches.
        self._query_lock = threading.Lock()
        self._unavailable_until_seconds = 0.0
        self._query_consumer = Consumer({**self._settings, "group.id": "waybill"})

    def create(self, specs: Sequence[TopicSpec]) -> None:
        self._check_open()
        create_topics(
            self._admin,
            [(self._name_of(spec.name), spec) for spec in specs],
            self._replication,
            {**APPEND_TIME, "cleanup.policy": "delete"},
        )
        marks = [(self._name_of(METADATA.name), METADATA)]
        create_topics(self._admin, marks, self._replication, {"cleanup.policy": "compact", "retention.ms": "-1"})

    def partitions(self, topic: str) -> int:
        self._check_open()
        count = self._counts.get(topic)
        if count is None:
            found = count_partitions(self._admin, self._name_of(topic)) if topic else None
            if found is None:
                raise UnknownTopic(f"there is no topic {self._name_of(topic)!r}: it must be created first")
            count = self._counts[topic] = found
        return count

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        check_partition(topic, partition, self.partitions(topic))
        place = TopicPartition(self._name_of(topic), partition)
        found = self._query(topic, lambda: self._query_consumer.get_watermark_offsets(place, timeout=QUERY_SECONDS))
        return min(found), found[1]  # not read at one moment: the start may have moved past the end

    def offset_at(self, topic: str, partition: int, appended_ms: int) -> int:
        earliest, end = self.bounds(topic, partition)
        place = TopicPartition(self._name_of(topic), partition, appended_ms)
        [found] = self._query(topic, lambda: self._query_consumer.offsets_for_times([place], timeout=QUERY_SECONDS))
        return end if found.offset < 0 else max(found.offset, earliest)

    def producer(self) -> KafkaProducer:
        self._check_open()
        return KafkaProducer(self._producers, self._place, self._check_open)

    def reader(self, topic: str, partition: int, position: int) -> KafkaReader:
        check_partition(topic, partition, self.partitions(topic))
        name = self._name_of(topic)
        consumers: list[SharedConsumer] = self._own.__dict__.setdefault("fetchers", [])
        consumer = next((one for one in consumers if not one.reads(name, partition)), None)
        if consumer is None:
            consumer = SharedConsumer(self._settings)
            consumers.append(consumer)
        place = TopicPartition(name, partition, position)
        return KafkaReader(consumer, topic, place, lambda: self.bounds(topic, partition), self._check_open)

    def expire(self) -> int:
        """The brokers apply the retention; check that no topic was given more partitions. Raises `TopicError`."""
        for topic, count in list(self._counts.items()):
            check_partitions(topic, count_partitions(self._admin, self._name_of(topic)) or 0, count)
        return 0

    def get_metadata(self, name: str) -> bytes | None:
        found: bytes | None = None
        earliest, end = self.bounds(METADATA.name, 0)
        reader = self.reader(METADATA.name, 0, earliest)
        deadline = time.monotonic() + ANSWER_SECONDS
        try:
            while reader.position < end:
                for record in reader.read(100, 1 << 20):
                    if record.key == name.encode():
                        found = decode_record(record.value)[1]
                if time.monotonic() > deadline:
                    raise TopicError("reading the metadata: no response; check the brokers and the network")
                time.sleep(0.005)
        except UnreadableRecord as error:
            raise TopicError(f"a metadata value cannot be read: {error}") from None
        finally:
            reader.close()
        return found

    def put_metadata(self, name: str, value: bytes) -> None:
        producer = self.producer()
        producer.send(METADATA.name, name.encode(), encode_record({}, value), 0)
        producer.flush()
        producer.close()

    def close(self) -> None:
        # Safe for threads that are inside librdkafka: objects they use are released when the last thread leaves.
        self._closed = True
        self._own.__dict__.pop("fetchers", None)

    def _place(self, topic: str, key: bytes, partition: int | None) -> tuple[str, int]:
        """The topic's name on the brokers, and the partition that a record goes to."""
        return self._name_of(topic), choose_partition(topic, key, partition, self.partitions(topic))

    def _name_of(self, topic: str) -> str:
        return f"{self._prefix}.{topic}"

    def _query(self, topic: str, query: Callable[[], Found | None]) -> Found:
        with self._query_lock:
            if time.monotonic() < self._unavailable_until_seconds:  # do not let each partition wait for the timeout
                raise TopicsUnavailable(f"the brokers do not respond for topic {topic}")
            try:
                found = query()
            except KafkaException as error:
                self._unavailable_until_seconds = time.monotonic() + UNAVAILABLE_SECONDS
                if kafka_error(error).code() in UNKNOWN:  # the topic existed before, so a broker is starting
                    raise TopicsUnavailable(f"the brokers do not know topic {topic} now; was it deleted?") from None
                raise to_topic_error(error, f"querying the offsets of topic {topic}") from None
        if found is None:
            raise TopicsUnavailable(f"the brokers do not answer for topic {topic}")
        return found

    def _check_open(self) -> None:
        if self._closed:
            raise TopicError(f"the topics {self._prefix}.* were closed; open them again")
