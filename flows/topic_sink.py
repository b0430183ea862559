"""Bytewax sink into topics: what was written is acknowledged before the epoch's snapshot counts (design 5.1)."""

from collections.abc import Callable
from typing import NamedTuple

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.backoff import until_it_works
from flows.topics import Producer, TopicError, Topics


class Output(NamedTuple):
    """One record to append. ``partition`` None: by key."""

    topic: str
    key: bytes
    value: bytes
    partition: int | None = None


class TopicSinkPartition(StatefulSinkPartition[Output, None]):
    """Buffers, and appends everything in `snapshot`: one flush an epoch. A broken topic blocks, never loses."""

    def __init__(self, producer: Producer, after_flush: Callable[[list[Output]], None]) -> None:
        self._producer = producer
        self._after_flush = after_flush
        self._written: list[Output] = []

    def write_batch(self, values: list[Output]) -> None:
        """Buffer."""
        for output in values:
            self._producer.send(output.topic, output.key, output.value, output.partition)
        self._written.extend(values)

    def snapshot(self) -> None:
        """Return after every record is acknowledged."""
        until_it_works(self._producer.flush, TopicError, "appending to topics")
        written, self._written = self._written, []
        self._after_flush(written)

    def close(self) -> None:
        """Release the producer."""
        self._producer.close()


class TopicSink(FixedPartitionedSink[Output, None]):
    """One partition per worker (a `DynamicSink` is outside the commit path and loses on kill -9)."""

    def __init__(self, topics: Topics, after_flush: Callable[[list[Output]], None] = lambda written: None) -> None:
        self._topics = topics
        self._after_flush = after_flush

    def list_parts(self) -> list[str]:
        """This worker's partition."""
        return ["0"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> TopicSinkPartition:
        """Make the worker's producer."""
        return TopicSinkPartition(self._topics.producer(), self._after_flush)
