"""Topics: the logs that carry events, retries, facts, minutes and dead letters, behind one seam.

Shaped like Kafka (partitions, keys, offsets, append times), so that one conformance suite holds for SQLite files and
for a broker. Offsets of a partition are contiguous from 0; append times are the log's own and never go back.

Who may call what: a `Topics` may be shared by threads; a `Producer` or `Reader` belongs to the thread that made it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

EVENTS = "events"
OUTCOMES = "outcomes"
DEAD_LETTERS = "dead_letters"
MINUTES = "minutes"


class Record(NamedTuple):
    """One record as read: where it stands, when the log took it (Unix ms), its key and bytes."""

    partition: int
    offset: int
    appended_ms: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic is created. Records older than the retention may be deleted, oldest first."""

    name: str
    partitions: int
    retention_seconds: int


class TopicError(Exception):
    """A topic cannot do what was asked; the text names the topic and the remedy.

    TopicError
      UnknownTopic     not created yet
      TopicsUnavailable       nobody answers just now; try again
      PositionLost     the position fell off the log (retention); ``missing`` records are gone
      ProduceFailed    records were not acknowledged; none of the batch may be taken as written
      TopicFull        the disk or the disk budget is used up; try again when there is room
    """


class UnknownTopic(TopicError):
    """The topic does not exist."""


class TopicsUnavailable(TopicError):
    """The topics cannot be reached now (a broker is down or starting). Nothing is lost by waiting."""


class PositionLost(TopicError):
    """A reader asked for an offset that retention has deleted, or that lies past the end (a replaced log)."""

    def __init__(self, text: str, *, topic: str, partition: int, position: int, earliest: int, end: int) -> None:
        super().__init__(text)
        self.topic = topic
        self.partition = partition
        self.position = position
        self.earliest = earliest
        self.end = end

    @property
    def missing(self) -> int:
        """Records between the position and the earliest one left."""
        return max(0, self.earliest - self.position)


class ProduceFailed(TopicError):
    """A flush could not get every record acknowledged."""


class TopicFull(ProduceFailed):
    """There is no room: nothing was written."""


class Producer(Protocol):
    """Appends records. Buffers in `send`; only `flush` makes promises."""

    def send(self, topic: str, key: bytes, value: bytes, partition: int | None = None) -> None:
        """Buffer one record for the partition given, or the one the key hashes to (model.events.ids.partition_of)."""

    def poll(self) -> None:
        """Set off what is buffered: brokers append it in the background, a file appends it now. Promises nothing, and
        what fails is for `flush` to tell, but where there is no background it raises `ProduceFailed` as that does."""

    def flush(self) -> None:
        """Return after every buffered record is acknowledged: it survives kill -9 of any process (and power loss with
        fsync). Raises `ProduceFailed`: nothing may be relied on, what is not written stays buffered, and another flush
        goes on. On SQLite it is all or nothing for each topic."""

    def discard(self) -> None:
        """Forget what is buffered and not flushed."""

    def close(self) -> None:
        """Release resources; does not flush."""


class Reader(Protocol):
    """Reads one partition forward from a position. Never waits."""

    position: int  # offset of the next record `read` returns

    def read(self, max_records: int, max_bytes: int) -> list[Record]:
        """Return the next records, the first one even if it is larger than max_bytes; [] at the end, and where records
        are still on their way from a broker.

        Moves `position`. Raises `PositionLost` when the position fell off the log (also mid-way),
        `TopicsUnavailable`."""

    def close(self) -> None:
        """Release resources."""


class Topics(Protocol):
    """One installation's topics, and small durable marks beside them."""

    def create(self, specs: Sequence[TopicSpec]) -> None:
        """Create what is missing; an existing topic takes the new retention. Changing the number of partitions of an
        existing topic raises `TopicError`."""

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
        """Read a durable mark (a flow's identity, settled positions)."""

    def put_metadata(self, name: str, value: bytes) -> None:
        """Write a durable mark; acknowledged on return."""

    def close(self) -> None:
        """Release resources."""
