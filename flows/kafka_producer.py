"""Appends to topics on Kafka: idempotent, acknowledged by all replicas, with an error for each record refused."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from flows.kafka_errors import named
from flows.topics import ProduceFailed, UnknownTopic
from model.identity import partition_of

FLUSH_SECONDS = 10.0  # then whoever flushes hears of it; the records stay where they are, and a later flush goes on
QUEUE_KIB = 64 * 1024  # held by the library; more waits here, in the buffer of the epoch

_SETTINGS = {
    "enable.idempotence": True,  # a record the library sends again is written once, and in order
    "acks": "all",
    # Given up by nobody but us: a record whose time is up may have been written all the same, and would be twice.
    "message.timeout.ms": 0,
    "delivery.report.only.error": True,
    "queue.buffering.max.kbytes": QUEUE_KIB,
    "compression.type": "lz4",
}


class IdleProducers:
    """Connected producers that nobody uses now: to be known to the brokers takes one half a second."""

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
        """Give back one that has nothing left to append."""
        self._idle.put(producer)

    def connect(self) -> Producer:
        """A new one."""
        return Producer(self._settings)


class KafkaProducer:
    """`flows.topics.Producer`. A flush that failed may have written a part; flushing again writes the rest, once."""

    def __init__(
        self,
        idle: "IdleProducers",
        partitions: Callable[[str], int],
        name_of: Callable[[str], str],
        check_open: Callable[[], None],
    ) -> None:
        """``partitions`` and ``name_of``: how many a topic has, and what the brokers call it."""
        self._idle = idle
        self._partitions = partitions
        self._name_of = name_of
        self._check_open = check_open
        self._buffer: deque[tuple[str, int, bytes, bytes]] = deque()
        self._round = 0  # what was discarded with an earlier one is nobody's concern any more
        self._refused: list[KafkaError] = []
        self._producer = idle.take()

    def send(self, topic: str, key: bytes, value: bytes, partition: int | None = None) -> None:
        self._check_open()
        count = self._partitions(topic)
        if partition is None:
            partition = partition_of(key, count)
        elif not 0 <= partition < count:
            raise UnknownTopic(f"topic {topic} has {count} partitions, no partition {partition}")
        self._buffer.append((self._name_of(topic), partition, key, value))

    def push(self) -> None:
        self._check_open()
        if self._refused:  # a flush puts that right
            return
        with suppress(KafkaException):  # what was not taken stays in the buffer
            self._hand_over(deadline=0.0)
            self._producer.poll(0)

    def flush(self) -> None:
        self._check_open()
        deadline = time.monotonic() + FLUSH_SECONDS
        try:
            if any(error.fatal() for error in self._refused):
                # It will not append any more. What it still has is reported first, or it would be forgotten.
                if left := self._producer.flush(FLUSH_SECONDS):
                    raise ProduceFailed(f"{left} records of a producer that cannot go on were not reported yet")
                self._producer = self._idle.connect()
            self._refused.clear()  # they are in the buffer again
            self._hand_over(deadline)
            left = self._producer.flush(max(0.0, deadline - time.monotonic()))
        except KafkaException as error:
            raise ProduceFailed(str(named(error, "appending to topics"))) from None
        if self._refused:
            raise ProduceFailed(str(named(self._refused[0], f"{len(self._refused)} records were not appended")))
        if left or self._buffer:
            waiting = left + len(self._buffer)
            raise ProduceFailed(
                f"{waiting} records were not acknowledged within {FLUSH_SECONDS:.0f} s; "
                "check topics.url, the brokers and the network"
            )

    def discard(self) -> None:
        self._round += 1
        self._buffer.clear()
        if len(self._producer):
            self._producer.purge()  # this takes its time, and would take with it what is sent meanwhile
            self._producer = self._idle.take()

    def close(self) -> None:
        self._round += 1
        self._buffer.clear()
        if len(self._producer):
            self._producer.purge()
        else:
            self._idle.put(self._producer)

    def _hand_over(self, deadline: float) -> None:
        while self._buffer:
            record = self._buffer[0]
            topic, partition, key, value = record
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=self._report(record))
            except BufferError:  # the library holds as much as it may
                if time.monotonic() > deadline:
                    return
                self._producer.poll(0.05)
                continue
            self._buffer.popleft()

    def _report(self, record: tuple[str, int, bytes, bytes]) -> Callable[[KafkaError | None, Message], None]:
        made_in = self._round

        def report(error: KafkaError | None, _: Message) -> None:
            if error is not None and made_in == self._round:
                self._refused.append(error)
                self._buffer.append(record)

        return report
