"""Reads one partition of a topic on Kafka."""

from collections.abc import Callable

from flows.topics.interface import PositionLost, Record
from flows.topics.kafka.consumer import PartitionBuffer, SharedConsumer


class KafkaReader:
    """`flows.topics.interface.Reader`, on the consumer of its thread."""

    def __init__(
        self,
        consumer: SharedConsumer,
        buffer: PartitionBuffer,
        topic: str,
        bounds: Callable[[], tuple[int, int]],
        check_open: Callable[[], None],
    ) -> None:
        """``topic``: Waybill's name of it. ``bounds`` queries the partition's bounds."""
        self.position = buffer.next_offset
        self._consumer = consumer
        self._buffer = buffer
        self._topic = topic
        self._bounds = bounds
        self._check_open = check_open
        self._latest_ms = 0
        earliest, end = bounds()
        self._lost = not earliest <= self.position <= end

    def read(self, max_records: int, max_bytes: int) -> list[Record]:
        self._check_open()
        buffer = self._buffer
        if self._lost:
            self._relocate()
        if not buffer.records:
            self._consumer.fetch()
            if not buffer.records and buffer.out_of_range:
                self._relocate()
        records = [self._in_time(record) for record in buffer.take(max(1, max_records), max_bytes)]
        if records:
            self.position = records[-1].offset + 1
        self._consumer.resume_if_low(buffer)
        return records

    def close(self) -> None:
        self._consumer.unassign(self._buffer)

    def _in_time(self, record: Record) -> Record:
        # Append times must not go back, even if a broker's clock is set back or another broker takes over.
        self._latest_ms = max(self._latest_ms, record.appended_ms)
        return record if record.appended_ms == self._latest_ms else record._replace(appended_ms=self._latest_ms)

    def _relocate(self) -> None:
        earliest, end = self._bounds()
        if earliest <= self.position <= end:
            self._lost = False
            self._consumer.seek(self._buffer)
            return
        self._lost = True
        raise PositionLost(self._topic, self._buffer.partition, self.position, earliest=earliest, end=end)
