"""Bytewax sink into topics: what was written is acknowledged before the epoch's snapshot counts (design 5.1)."""

from typing import NamedTuple

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.backoff import until_it_works
from flows.topics import OUTCOMES, Producer, TopicError, Topics


class Output(NamedTuple):
    """One record to append. ``partition`` None: by key."""

    topic: str
    key: bytes
    value: bytes
    partition: int | None = None


class TopicSinkPartition(StatefulSinkPartition[Output, None]):
    """Buffers, and appends everything in `snapshot`: one flush an epoch. A broken topic blocks, never loses."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._facts: list[Output] = []

    def write_batch(self, values: list[Output]) -> None:
        """Buffer."""
        for output in values:
            if output.topic == OUTCOMES:
                self._facts.append(output)
            else:
                self._producer.send(output.topic, output.key, output.value, output.partition)

    def snapshot(self) -> None:
        """Return after every record is acknowledged."""
        self._flush()
        # Facts last: a tick among them says that each retry record it relies on is in its topic.
        for output in self._facts:
            self._producer.send(output.topic, output.key, output.value, output.partition)
        self._facts.clear()
        self._flush()

    def close(self) -> None:
        """Release the producer."""
        self._producer.close()

    def _flush(self) -> None:
        until_it_works(self._producer.flush, TopicError, "appending to topics")


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
