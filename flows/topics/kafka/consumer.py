"""One Kafka consumer for all partitions that a thread reads, with a small prefetch buffer for each.

Partitions are assigned, not subscribed to: Bytewax decides which worker reads which partition, and its snapshots hold
the positions. Nothing is committed to the brokers. A partition with a full buffer (such as a retry tier whose records
are not due) is paused, so that it neither fills memory nor delays the others.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, Message, TopicPartition

from flows.topics.interface import PositionLost, Record, TopicError
from flows.topics.kafka.errors import PASSING, UNKNOWN, to_topic_error, topic_errors

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


class KafkaReader:
    """`flows.topics.interface.Reader`, on the consumer of its thread, with the records fetched and not read yet."""

    def __init__(
        self,
        consumer: "SharedConsumer",
        topic: str,
        place: TopicPartition,
        bounds: Callable[[], tuple[int, int]],
        check_open: Callable[[], None],
    ) -> None:
        """``topic``: Waybill's name of it. ``place``: the partition on the brokers, and the position. ``bounds``
        queries the partition's bounds."""
        self.position = self.next_offset = place.offset  # next_offset: of the record to fetch next
        self.place = TopicPartition(place.topic, place.partition)
        self.records: deque[Record] = deque()
        self.size_bytes = 0
        self.paused = False
        self.sought = -1  # the offset of the last seek
        self.out_of_range = False
        self._consumer = consumer
        self._topic = topic
        self._bounds = bounds
        self._check_open = check_open
        self._latest_ms = 0
        earliest, end = bounds()
        self._lost = not earliest <= self.position <= end
        consumer.assign(self)

    def read(self, max_records: int, max_bytes: int) -> list[Record]:
        self._check_open()
        if self._lost:
            self._relocate()
        if not self.records:
            self._consumer.fetch()
            if not self.records and self.out_of_range:
                self._relocate()
        records = self._take(max(1, max_records), max_bytes)
        if records:
            self.position = records[-1].offset + 1
        self._consumer.resume_if_low(self)
        return records

    def add(self, record: Record) -> None:
        """Append the next record that was fetched."""
        self.records.append(record)
        self.size_bytes += _weight(record)
        self.next_offset = record.offset + 1

    def close(self) -> None:
        self._consumer.unassign(self)

    def _take(self, max_records: int, max_bytes: int) -> list[Record]:
        """Remove and return the next records within both limits; the first one whatever its size."""
        taken: list[Record] = []
        size_bytes = 0
        while self.records and len(taken) < max_records:
            weight = _weight(self.records[0])
            if taken and size_bytes + weight > max_bytes:
                break
            size_bytes += weight
            taken.append(self._in_time(self.records.popleft()))
        self.size_bytes -= size_bytes
        return taken

    def _in_time(self, record: Record) -> Record:
        # Append times must not go back, even if a broker's clock is set back or another broker becomes the leader.
        self._latest_ms = max(self._latest_ms, record.appended_ms)
        return record if record.appended_ms == self._latest_ms else record._replace(appended_ms=self._latest_ms)

    def _relocate(self) -> None:
        earliest, end = self._bounds()
        self._lost = not earliest <= self.position <= end
        if self._lost:
            raise PositionLost(self._topic, self.place.partition, self.position, earliest=earliest, end=end)
        self._consumer.seek(self)


class SharedConsumer:
    """Used only by the thread that created it."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._consumer = Consumer({**settings, **_SETTINGS})
        self._assigned: dict[tuple[str, int], KafkaReader] = {}

    def reads(self, topic: str, partition: int) -> bool:
        """Whether the partition is assigned already: a consumer has one position per partition."""
        return (topic, partition) in self._assigned

    def assign(self, reader: KafkaReader) -> None:
        """Start fetching a partition. Raises `TopicError`."""
        place = reader.place
        with topic_errors(f"reading topic {place.topic}"):
            self._consumer.incremental_assign([_at(reader)])
        self._assigned[place.topic, place.partition] = reader

    def unassign(self, reader: KafkaReader) -> None:
        """Stop fetching a partition."""
        del self._assigned[reader.place.topic, reader.place.partition]
        self._consumer.incremental_unassign([reader.place])

    def fetch(self) -> None:
        """Buffer what has arrived for all partitions; never waits. Raises `TopicError`."""
        for message in self._consumer.consume(CONSUME_RECORDS, timeout=0):
            reader = self._assigned.get((message.topic() or "", message.partition() or 0))
            if reader is None:
                error = message.error()
                if error is not None and error.code() not in PASSING:
                    raise to_topic_error(error, "reading topics")
            else:
                self._take_in(reader, message)

    def resume_if_low(self, reader: KafkaReader) -> None:
        """Resume a paused partition once its buffer is nearly empty."""
        if reader.paused and len(reader.records) < PAUSE_AT_RECORDS // 4:
            self._consumer.resume([reader.place])
            reader.paused = False

    def seek(self, reader: KafkaReader) -> None:
        """Fetch again from the next offset. Raises `TopicError`."""
        position = _at(reader)
        try:
            self._consumer.seek(position)
        except KafkaException:  # librdkafka has stopped fetching the partition, as after an offset out of range
            with topic_errors(f"reading topic {reader.place.topic}"):
                self._consumer.incremental_unassign([reader.place])
                self._consumer.incremental_assign([position])
        reader.sought = reader.next_offset
        reader.out_of_range = False

    def close(self) -> None:
        """Disconnect from the brokers."""
        self._consumer.close()

    def _take_in(self, reader: KafkaReader, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.code() in {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}:
                reader.out_of_range = True
                return
            if error.code() in PASSING or error.code() in UNKNOWN:  # a broker that starts knows no topic at first
                return
            raise to_topic_error(error, f"reading topic {reader.place.topic}, partition {reader.place.partition}")
        offset = message.offset() or 0
        if offset < reader.next_offset or reader.out_of_range:
            return
        if offset > reader.next_offset and reader.sought != reader.next_offset:
            # A gap. The reader finds out whether records were lost; if they still exist, a seek fetches them.
            reader.out_of_range = True
            return
        kind, appended_ms = message.timestamp()
        if kind == TIMESTAMP_NOT_AVAILABLE:
            raise TopicError(
                f"topic {reader.place.topic} has records without a time; they were written by an old client"
            )
        key, value = message.key() or b"", message.value() or b""
        reader.add(Record(reader.place.partition, offset, appended_ms, _bytes(key), _bytes(value)))
        if not reader.paused and (len(reader.records) >= PAUSE_AT_RECORDS or reader.size_bytes >= PAUSE_AT_BYTES):
            self._consumer.pause([reader.place])
            reader.paused = True


def _at(reader: KafkaReader) -> TopicPartition:
    return TopicPartition(reader.place.topic, reader.place.partition, reader.next_offset)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _weight(record: Record) -> int:
    return len(record.key) + len(record.value)
