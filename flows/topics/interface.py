"""Topics: the logs that carry events, retries, facts, minutes and dead letters, behind one interface.

The model is Kafka's (partitions, keys, offsets, append times); one conformance suite tests SQLite files and brokers.
Offsets of a partition are contiguous from 0. Append times are set by the log and never go back.

Threads may share a `Topics`; a `Producer` or `Reader` belongs to the thread that created it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from model.events.ids import partition_of

EVENTS = "events"
OUTCOMES = "outcomes"
DEAD_LETTERS = "dead_letters"
MINUTES = "minutes"


class Record(NamedTuple):
    """One record as read: its position, when it was appended (Unix ms), its key and value."""

    partition: int
    offset: int
    appended_ms: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How to create a topic. Records older than the retention may be deleted, oldest first."""

    name: str
    partitions: int
    retention_seconds: int


class TopicError(Exception):
    """An operation on a topic failed; the text names the topic and the remedy.

    TopicError
      UnknownTopic        the topic was not created
      TopicsUnavailable   the brokers do not respond now; try again
      PositionLost        retention deleted the position; ``missing`` records are lost
      ProduceFailed       records were not acknowledged; treat the whole batch as not written
        TopicFull         the disk or the disk budget is full; try again when there is space
    """


class UnknownTopic(TopicError):
    """The topic does not exist."""


class TopicsUnavailable(TopicError):
    """The topics cannot be reached now (a broker is down or starting). Waiting loses nothing."""


class PositionLost(TopicError):
    """A reader's offset was deleted by retention, or lies past the end (the log was replaced)."""

    def __init__(self, topic: str, partition: int, position: int, *, earliest: int, end: int) -> None:
        where = f"topic {topic}, partition {partition}"
        self.missing = max(0, earliest - position)  # records between the position and the earliest one left
        if position > end:
            text = f"{where} ends at {end}, before position {position}: the log was replaced or cut short"
        else:
            text = f"{where} continues at {earliest}: {self.missing} records from {position} on were deleted"
        super().__init__(
            f"{text}; restore the topics from a backup, or run `waybill recover` to continue with what is left"
        )
        self.topic = topic
        self.partition = partition
        self.position = position
        self.earliest = earliest
        self.end = end


class ProduceFailed(TopicError):
    """A flush could not get every record acknowledged."""


class TopicFull(ProduceFailed):
    """There is no space: nothing was written."""


def check_partition(topic: str, partition: int, partitions: int) -> None:
    """Raise `UnknownTopic` if the topic has no such partition."""
    if not 0 <= partition < partitions:
        raise UnknownTopic(f"topic {topic} has {partitions} partitions, no partition {partition}")


def check_partitions(topic: str, found: int, wanted: int) -> None:
    """Raise `TopicError` if an existing topic has another number of partitions than configured."""
    if found != wanted:
        raise TopicError(
            f"topic {topic} has {found} partitions, not {wanted} as configured: the number cannot be changed; set "
            "topics.partitions back, or start with new topics"
        )


def choose_partition(topic: str, key: bytes, partition: int | None, partitions: int) -> int:
    """The partition given, or the one that the key hashes to. Raises `UnknownTopic`."""
    if partition is None:
        return partition_of(key, partitions)
    check_partition(topic, partition, partitions)
    return partition


class Producer(Protocol):
    """Appends records. `send` only buffers; only `flush` guarantees that they are written."""

    def send(self, topic: str, key: bytes, value: bytes, partition: int | None = None) -> None:
        """Buffer one record for the partition given, or the one the key hashes to (model.events.ids.partition_of)."""

    def poll(self) -> None:
        """Start sending what is buffered without waiting: brokers append it in the background, a file appends it now.
        Guarantees nothing. Failures in the background are raised by `flush`; a file raises `ProduceFailed` here."""

    def flush(self) -> None:
        """Return after every buffered record is acknowledged: it survives kill -9 of any process (with fsync, a power
        loss too). On `ProduceFailed`, unwritten records stay buffered and the next flush retries them. On SQLite a
        flush is atomic for each topic."""

    def discard(self) -> None:
        """Drop what is buffered and not flushed."""

    def close(self) -> None:
        """Release resources; does not flush."""


class Reader(Protocol):
    """Reads one partition forward from a position. Never waits."""

    position: int  # offset of the next record `read` returns

    def read(self, max_records: int, max_bytes: int) -> list[Record]:
        """Return the next records, the first one even if it is larger than max_bytes. [] at the end, and while records
        are being fetched from a broker.

        Advances `position`. Raises `PositionLost`, also for a gap in the log, and `TopicsUnavailable`."""

    def close(self) -> None:
        """Release resources."""


class Topics(Protocol):
    """The topics of one deployment, and small durable metadata values beside them."""

    def create(self, specs: Sequence[TopicSpec]) -> None:
        """Create missing topics and update the retention of existing ones. Raises `TopicError` if an existing topic has
        another number of partitions."""

    def partitions(self, topic: str) -> int:
        """Number of partitions. Raises `UnknownTopic`."""

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """(earliest offset kept, offset the next record will get). Raises `UnknownTopic` and `TopicsUnavailable`."""

    def offset_at(self, topic: str, partition: int, appended_ms: int) -> int:
        """Lowest offset whose append time is >= appended_ms; the end if there is none."""

    def producer(self) -> Producer:
        """Make a producer for this thread."""

    def reader(self, topic: str, partition: int, position: int) -> Reader:
        """Make a reader for this thread."""

    def expire(self) -> int:
        """Delete what is past retention, in small transactions; return the number of records deleted."""

    def get_metadata(self, name: str) -> bytes | None:
        """Read a metadata value (such as a flow's identity); None if it was never written."""

    def put_metadata(self, name: str, value: bytes) -> None:
        """Write a metadata value; acknowledged on return."""

    def close(self) -> None:
        """Release resources."""
