"""Appends to topics on Kafka: idempotent, acknowledged by all in-sync replicas, with an error per refused record."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from flows.topics.interface import ProduceFailed
from flows.topics.kafka.errors import kafka_error, to_topic_error

FLUSH_SECONDS = 10.0  # then `flush` raises; unacknowledged records stay buffered for the next flush
QUEUE_KIB = 64 * 1024  # librdkafka's queue; further records wait in our buffer

_SETTINGS = {
    "enable.idempotence": True,  # a record that librdkafka sends again is written once, and in order
    "acks": "all",
    # No timeout: a record that timed out may have been written all the same, and appending it again would duplicate it.
    "message.timeout.ms": 0,
    "delivery.report.only.error": True,
    "queue.buffering.max.kbytes": QUEUE_KIB,
    "compression.type": "lz4",
}


_Record = tuple[str, int, bytes, bytes]  # topic, partition, key, value


class ProducerPool:
    """Connected producers that are not in use: connecting a new one takes half a second."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = {**settings, **_SETTINGS}
        self._idle: SimpleQueue[Producer] = SimpleQueue()

    def take(self) -> Producer:
        """An idle one or a new one."""
        try:
            return self._idle.get_nowait()
        except Empty:
            return self.connect()

    def put(self, producer: Producer) -> None:
        """Return a producer that has nothing left to append."""
        self._idle.put(producer)

    def connect(self) -> Producer:
        """A new one."""
        return Producer(self._settings)


class KafkaProducer:
    """`flows.topics.interface.Producer`. A failed flush may have written some records; the next one writes the rest,
    each once."""

    def __init__(
        self,
        pool: ProducerPool,
        place: Callable[[str, bytes, int | None], tuple[str, int]],
        check_open: Callable[[], None],
    ) -> None:
        """``place``: where a record goes (name on the brokers, partition), by topic, key and chosen partition."""
        self._pool = pool
        self._place = place
        self._check_open = check_open
        self._buffer: deque[_Record] = deque()
        self._generation = 0  # reports about records of an earlier generation are ignored: they were discarded
        self._refused: list[tuple[KafkaError, _Record]] = []
        self._fatal: KafkaError | None = None  # librdkafka's producer has failed for good and appends nothing more
        self._producer = pool.take()

    def send(self, topic: str, key: bytes, value: bytes, partition: int | None = None) -> None:
        self._check_open()
        self._buffer.append((*self._place(topic, key, partition), key, value))

    def poll(self) -> None:
        self._check_open()
        if self._refused or self._fatal:  # `flush` handles it
            return
        with suppress(KafkaException), self._record_failure():  # what was not taken stays in the buffer
            self._produce_buffered(deadline=0.0)
            self._producer.poll(0)

    def flush(self) -> None:
        self._check_open()
        deadline = time.monotonic() + FLUSH_SECONDS
        try:
            with self._record_failure():
                if self._fatal:
                    self._replace_producer()
                self._buffer.extendleft(record for _, record in reversed(self._refused))
                self._refused.clear()
                self._produce_buffered(deadline)
                left = self._producer.flush(max(0.0, deadline - time.monotonic()))
        except KafkaException as error:
            raise ProduceFailed(str(to_topic_error(self._fatal or error, "appending to topics"))) from None
        if self._refused:
            first, _ = self._refused[0]
            raise ProduceFailed(str(to_topic_error(first, f"{len(self._refused)} records were not appended")))
        if left or self._buffer:
            waiting = left + len(self._buffer)
            raise ProduceFailed(
                f"{waiting} records were not acknowledged within {FLUSH_SECONDS:.0f} s; "
                "check topics.url, the brokers and the network"
            )

    def discard(self) -> None:
        self._generation += 1
        self._buffer.clear()
        self._refused.clear()
        if len(self._producer) or self._fatal:
            self._producer.purge()  # asynchronous: it would also purge what is sent meanwhile, so use another producer
            self._producer = self._pool.take()
            self._fatal = None

    def close(self) -> None:
        self._generation += 1
        self._buffer.clear()
        if len(self._producer) or self._fatal:
            self._producer.purge()
        else:
            self._pool.put(self._producer)

    def _replace_producer(self) -> None:
        """Switch to another producer after the failed one has reported on all its records, so that none is lost."""
        if left := self._producer.flush(FLUSH_SECONDS):
            raise ProduceFailed(f"{left} records of a failed producer have no delivery report yet")
        self._producer = self._pool.connect()
        self._fatal = None

    @contextmanager
    def _record_failure(self) -> Iterator[None]:
        """Record an error that ended librdkafka's producer. Raises `KafkaException`."""
        try:
            yield
        except SystemError as error:
            # librdkafka raises the fatal error inside the delivery callback, so it arrives wrapped in SystemError:
            # unwrap it.
            cause = error.__cause__
            ended = cause if isinstance(cause, KafkaException) else KafkaException(KafkaError(KafkaError._FATAL))
            self._fatal = self._fatal or kafka_error(ended)
            raise ended from None
        except KafkaException as error:
            found = kafka_error(error)
            if found.code() == KafkaError._FATAL:  # the next poll raises the cause, once
                with self._record_failure():
                    self._producer.poll(0)
            if found.fatal() or found.code() == KafkaError._FATAL:
                self._fatal = self._fatal or found
            raise

    def _produce_buffered(self, deadline: float) -> None:
        while self._buffer:
            record = self._buffer[0]
            topic, partition, key, value = record
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=self._report(record))
            except BufferError:  # librdkafka's queue is full
                if time.monotonic() > deadline:
                    return
                self._producer.poll(0.05)
                continue
            self._buffer.popleft()

    def _report(self, record: tuple[str, int, bytes, bytes]) -> Callable[[KafkaError | None, Message], None]:
        generation = self._generation

        def report(error: KafkaError | None, _: Message) -> None:
            if error is not None and generation == self._generation:
                # A single step, because the callback may end in an error (`_record_failure`).
                self._refused.append((error, record))

        return report
