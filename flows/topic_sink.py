"""Bytewax sink into topics: what was written is acknowledged before the epoch's snapshot counts (design 5.1)."""

from typing import NamedTuple

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.backoff import until_it_works
from flows.topics import OUTCOMES, Producer, TopicError, Topics

FLUSH_FACTS = 64  # appended in 2 ms or so; an epoch's worth at once would hold everything up for ten times as long


class Output(NamedTuple):
    """One record to append. ``partition`` None: by key."""

    topic: str
    key: bytes
    value: bytes
    partition: int | None = None


class TopicSinkPartition(StatefulSinkPartition[Output, None]):
    """Appends facts in small parts and the rest in `snapshot`. A broken topic blocks, never loses.

    A fact said again after a crash folds, so it may be appended at any time. A retry record would be tried twice: it
    waits for the snapshot, which makes it the only one.
    """

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._facts = 0
        self._records: list[Output] = []
        self._ticks: list[Output] = []

    def write_batch(self, values: list[Output]) -> None:
        """Buffer, and append facts when there are enough."""
        for output in values:
            if output.topic != OUTCOMES:
                self._records.append(output)
            elif output.partition is not None:  # only ticks are addressed to a partition
                self._ticks.append(output)
            else:
                self._producer.send(*output)
                self._facts += 1
                if self._facts >= FLUSH_FACTS:
                    self._flush()

    def snapshot(self) -> None:
        """Return after every record is acknowledged."""
        # Ticks last: each says that the facts and the retry records it relies on are in their topics.
        for outputs in (self._records, self._ticks):
            for output in outputs:
                self._producer.send(*output)
            outputs.clear()
            self._flush()

    def close(self) -> None:
        """Release the producer."""
        self._producer.close()

    def _flush(self) -> None:
        until_it_works(self._producer.flush, TopicError, "appending to topics")
        self._facts = 0


class TopicSink(FixedPartitionedSink[Output, None]):
    """One partition per worker (a `DynamicSink` is outside the commit path and loses on kill -9)."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    def list_parts(self) -> list[str]:
        """This worker's partition."""
        return ["0"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> TopicSinkPartition:
        """Make the worker's producer."""
        return TopicSinkPartition(self._topics.producer())
