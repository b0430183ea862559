"""Bytewax sink into topics: what was written is acknowledged before the epoch's snapshot counts (design 5.1)."""

from itertools import chain
from typing import NamedTuple
from zlib import crc32

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.engine.backoff import retry_forever
from flows.engine.error_capture import capture_errors
from flows.topics.interface import OUTCOMES, Producer, TopicError, Topics

PARTS = 16
PUSH_FACTS = 64  # a file takes 2 ms for them; an epoch's worth at once would hold everything up for ten times as long
APPENDING = "appending to topics"


class OutgoingRecord(NamedTuple):
    """One record to append. ``partition`` None: by key."""

    topic: str
    key: bytes
    value: bytes
    partition: int | None = None


class TopicSinkPartition(StatefulSinkPartition[list[OutgoingRecord], None]):
    """Appends facts in small parts and the rest in `snapshot`. A broken topic blocks, never loses.

    A fact said again after a crash folds, so it may be appended at any time. A retry record would be tried twice: it
    waits for the snapshot, which makes it the only one.
    """

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._facts = 0
        self._records: list[OutgoingRecord] = []
        self._reports: list[OutgoingRecord] = []
        self.users = 0  # how many of Bytewax's partitions it is

    @capture_errors
    def write_batch(self, values: list[list[OutgoingRecord]]) -> None:
        """Buffer, and set facts off when there are enough."""
        for output in chain.from_iterable(values):
            if output.topic != OUTCOMES:
                self._records.append(output)
            elif output.partition is not None:  # only watermark reports are addressed to a partition
                self._reports.append(output)
            else:
                self._producer.send(*output)
                self._facts += 1
                if self._facts >= PUSH_FACTS:
                    self._facts = 0
                    retry_forever(self._producer.push, TopicError, APPENDING)

    @capture_errors
    def snapshot(self) -> None:
        """Return after every record is acknowledged."""
        # Watermark reports last: each states that the facts and the retry records it relies on are in their topics.
        for outputs in (self._records, self._reports):
            for output in outputs:
                self._producer.send(*output)
            outputs.clear()
            self._flush()

    def close(self) -> None:
        """Release the producer, once nobody needs it any more."""
        self.users -= 1
        if not self.users:
            self._producer.close()

    def _flush(self) -> None:
        retry_forever(self._producer.flush, TopicError, APPENDING)
        self._facts = 0


class TopicSink(FixedPartitionedSink[list[OutgoingRecord], None]):
    """Partitions by key, all of a process being one (a `DynamicSink` is outside the commit path and loses on kill -9).

    So what is said with one key stays in order, the number of processes may change, and each flushes once an epoch.
    Bytewax does not let the number of partitions shrink; whatever else is changed, it is the same. Items are lists of
    outputs, because each item has its price.
    """

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._partition: TopicSinkPartition | None = None
        self._here: list[str] = []
        self._keys: dict[str, str] = {}

    def list_parts(self) -> list[str]:
        """As many as there may be processes."""
        return [str(part) for part in range(PARTS)]

    def part_fn(self, item_key: str) -> int:
        """The partition that a key names, or is spread to."""
        return int(item_key) % PARTS if item_key.isdecimal() else crc32(item_key.encode()) % PARTS

    def assign_local_partition(self, keyed: tuple[str, list[OutgoingRecord]]) -> tuple[str, list[OutgoingRecord]]:
        """Give outputs a partition of the process that made them; what has one key gets the same one all the time."""
        key, outputs = keyed
        home = self._keys.get(key)
        if home is None:
            home = self._keys[key] = self._here[0] if self._here else key
        return home, outputs

    @capture_errors
    def build_part(self, step_id: str, for_part: str, resume_state: None) -> TopicSinkPartition:
        """Make the process' partition, or give it once more."""
        self._here.append(for_part)
        if self._partition is None:
            self._partition = TopicSinkPartition(self._topics.producer())
        self._partition.users += 1
        return self._partition
