"""Bytewax sink into topics: every record is acknowledged before the epoch's snapshot is committed."""

from itertools import chain
from typing import NamedTuple
from zlib import crc32

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.engine.backoff import retry_forever
from flows.engine.error_capture import capture_errors
from flows.topics.interface import OUTCOMES, Producer, TopicError, Topics

PARTS = 16
FACTS_PER_POLL = 64  # appending these to a file takes 2 ms; a whole epoch's facts at once would block ten times longer
APPENDING = "appending to topics"


class OutgoingRecord(NamedTuple):
    """One record to append. ``partition`` None: by key."""

    topic: str
    key: bytes
    value: bytes
    partition: int | None = None


class TopicSinkPartition(StatefulSinkPartition[list[OutgoingRecord], None]):
    """Appends facts in small batches, and everything else in `snapshot`. A failing topic blocks it; nothing is lost.

    A fact recorded twice after a crash counts once, so facts may be appended at any time. A retry record appended twice
    would be sent twice, so it waits for the snapshot.
    """

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._facts = 0
        self._records: list[OutgoingRecord] = []
        self._reports: list[OutgoingRecord] = []
        self.users = 0  # how many of Bytewax's partitions share it

    @capture_errors
    def write_batch(self, values: list[list[OutgoingRecord]]) -> None:
        """Buffer, and start appending facts when there are enough."""
        for output in chain.from_iterable(values):
            if output.topic != OUTCOMES:
                self._records.append(output)
            elif output.partition is not None:  # only watermark reports are addressed to a partition
                self._reports.append(output)
            else:
                self._producer.send(*output)
                self._facts += 1
                if self._facts >= FACTS_PER_POLL:
                    self._facts = 0
                    retry_forever(self._producer.poll, TopicError, APPENDING)

    @capture_errors
    def snapshot(self) -> None:
        """Return after every record is acknowledged."""
        # Watermark reports last: each one claims that the facts and retry records before it are in their topics.
        for outputs in (self._records, self._reports):
            for output in outputs:
                self._producer.send(*output)
            outputs.clear()
            self._flush()

    def close(self) -> None:
        """Release the producer when the last partition closes."""
        self.users -= 1
        if not self.users:
            self._producer.close()

    def _flush(self) -> None:
        retry_forever(self._producer.flush, TopicError, APPENDING)
        self._facts = 0


class TopicSink(FixedPartitionedSink[list[OutgoingRecord], None]):
    """Partitioned by key; the partitions of a process share one producer and flush once an epoch.

    Records with one key stay in order, and the number of processes may change. Bytewax does not let the number of
    partitions shrink, so it is fixed. It is no `DynamicSink`, which is outside the commit path and loses records on
    kill -9. Items are lists of records, because Bytewax has a fixed cost for each item.
    """

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._partition: TopicSinkPartition | None = None
        self._here: list[str] = []
        self._keys: dict[str, str] = {}

    def list_parts(self) -> list[str]:
        """As many partitions as there may be processes."""
        return [str(part) for part in range(PARTS)]

    def part_fn(self, item_key: str) -> int:
        """The partition that a key names as a number, or hashes to."""
        return int(item_key) % PARTS if item_key.isdecimal() else crc32(item_key.encode()) % PARTS

    def assign_local_partition(self, keyed: tuple[str, list[OutgoingRecord]]) -> tuple[str, list[OutgoingRecord]]:
        """Key records by a partition of this process; one key always gets the same partition."""
        key, outputs = keyed
        home = self._keys.get(key)
        if home is None:
            home = self._keys[key] = self._here[0] if self._here else key
        return home, outputs

    @capture_errors
    def build_part(self, step_id: str, for_part: str, resume_state: None) -> TopicSinkPartition:
        """Return the partition object that all partitions of this process share."""
        self._here.append(for_part)
        if self._partition is None:
            self._partition = TopicSinkPartition(self._topics.producer())
        self._partition.users += 1
        return self._partition
