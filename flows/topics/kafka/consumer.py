"""One Kafka consumer for all partitions that a thread reads, with a small prefetch buffer for each.

Partitions are assigned, not subscribed to: Bytewax decides which worker reads which partition, and its snapshots hold
the positions. Nothing is committed to the brokers. A partition with a full buffer (such as a retry tier whose records
are not due) is paused, so that it neither fills memory nor delays the others.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, Message, TopicPartition

from flows.topics.interface import Record, TopicError
from flows.topics.kafka.errors import PASSING, UNKNOWN, to_topic_error

# Several fetches' worth, so that a partition that is being read never pauses: resuming costs a new fetch.
PAUSE_AT_RECORDS = 2_000
PAUSE_AT_BYTES = 1024 * 1024
CONSUME_RECORDS = 250

_SETTINGS = {
    "group.id": "waybill",  # librdkafka requires one; no consumer joins it
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "fetch.wait.max.ms": 100,
    "fetch.error.backoff.ms": 100,
    "fetch.message.max.bytes": 128 * 1024,
    "queued.min.messages": 500,
    "fetch.queue.backoff.ms": 20,  # when the queue is full; with the default of 1 s only 500 records/s are read
    "queued.max.messages.kbytes": 4 * 1024,
}


@dataclass(slots=True)
class PartitionBuffer:
    """Records of one partition that were fetched and not read yet."""

    topic: str
    partition: int
    next_offset: int  # offset of the record to fetch next
    records: deque[Record] = field(default_factory=deque)
    size_bytes: int = 0
    paused: bool = False
    sought: int = -1  # the offset of the last seek
    out_of_range: bool = False

    @property
    def place(self) -> TopicPartition:
        """The partition, as librdkafka names it."""
        return TopicPartition(self.topic, self.partition)

    def take(self, max_records: int, max_bytes: int) -> list[Record]:
        """Remove and return the next records within both limits; the first one whatever its size."""
        taken: list[Record] = []
        size_bytes = 0
        while self.records and len(taken) < max_records:
            weight = _weight(self.records[0])
            if taken and size_bytes + weight > max_bytes:
                break
            size_bytes += weight
            taken.append(self.records.popleft())
        self.size_bytes -= size_bytes
        return taken

    def add(self, record: Record) -> None:
        """Append the next record."""
        self.records.append(record)
        self.size_bytes += _weight(record)
        self.next_offset = record.offset + 1


class SharedConsumer:
    """Used only by the thread that created it."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._consumer = Consumer({**settings, **_SETTINGS})
        self._assigned: dict[tuple[str, int], PartitionBuffer] = {}

    def reads(self, topic: str, partition: int) -> bool:
        """Whether the partition is assigned already: a consumer has one position per partition."""
        return (topic, partition) in self._assigned

    def assign(self, topic: str, partition: int, position: int) -> PartitionBuffer:
        """Start fetching a partition. Raises `TopicError`."""
        buffer = PartitionBuffer(topic, partition, position)
        try:
            self._consumer.incremental_assign([TopicPartition(topic, partition, position)])
        except KafkaException as error:
            raise to_topic_error(error, f"reading topic {topic}") from None
        self._assigned[topic, partition] = buffer
        return buffer

    def unassign(self, buffer: PartitionBuffer) -> None:
        """Stop fetching a partition."""
        del self._assigned[buffer.topic, buffer.partition]
        self._consumer.incremental_unassign([buffer.place])

    def fetch(self) -> None:
        """Buffer what has arrived for all partitions; never waits. Raises `TopicError`."""
        for message in self._consumer.consume(CONSUME_RECORDS, timeout=0):
            buffer = self._assigned.get((message.topic() or "", message.partition() or 0))
            if buffer is None:
                error = message.error()
                if error is not None and error.code() not in PASSING:
                    raise to_topic_error(error, "reading topics")
            else:
                self._take_in(buffer, message)

    def resume_if_low(self, buffer: PartitionBuffer) -> None:
        """Resume a paused partition once its buffer is nearly empty."""
        if buffer.paused and len(buffer.records) < PAUSE_AT_RECORDS // 4:
            self._consumer.resume([buffer.place])
            buffer.paused = False

    def seek(self, buffer: PartitionBuffer) -> None:
        """Fetch again from the next offset. Raises `TopicError`."""
        position = TopicPartition(buffer.topic, buffer.partition, buffer.next_offset)
        try:
            self._consumer.seek(position)
        except KafkaException:  # librdkafka has stopped fetching the partition, as after an offset out of range
            try:
                self._consumer.incremental_unassign([buffer.place])
                self._consumer.incremental_assign([position])
            except KafkaException as error:
                raise to_topic_error(error, f"reading topic {buffer.topic}") from None
        buffer.sought = buffer.next_offset
        buffer.out_of_range = False

    def close(self) -> None:
        """Disconnect from the brokers."""
        self._consumer.close()

    def _take_in(self, buffer: PartitionBuffer, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.code() in {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}:
                buffer.out_of_range = True
                return
            if error.code() in PASSING or error.code() in UNKNOWN:  # a broker that starts knows no topic at first
                return
            raise to_topic_error(error, f"reading topic {buffer.topic}, partition {buffer.partition}")
        offset = message.offset() or 0
        if offset < buffer.next_offset or buffer.out_of_range:
            return
        if offset > buffer.next_offset and buffer.sought != buffer.next_offset:
            # A gap. The reader finds out whether records were lost; if they still exist, a seek fetches them.
            buffer.out_of_range = True
            return
        kind, appended_ms = message.timestamp()
        if kind == TIMESTAMP_NOT_AVAILABLE:
            raise TopicError(f"topic {buffer.topic} has records without a time; they were written by an old client")
        key, value = message.key() or b"", message.value() or b""
        buffer.add(Record(buffer.partition, offset, appended_ms, _bytes(key), _bytes(value)))
        if not buffer.paused and (len(buffer.records) >= PAUSE_AT_RECORDS or buffer.size_bytes >= PAUSE_AT_BYTES):
            self._consumer.pause([buffer.place])
            buffer.paused = True


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _weight(record: Record) -> int:
    return len(record.key) + len(record.value)
