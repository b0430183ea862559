"""Bytewax sources over topics. Progress items in the stream report how far each partition has been read.

A source never sleeps long, because that would delay the epoch of all sources: with nothing to emit it returns an empty
batch and asks to be polled again within 20 ms.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Event as StopEvent

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.engine.clock import next_poll
from flows.engine.epochs import AlignedPartition, EpochAligner
from flows.engine.error_capture import capture_errors
from flows.engine.timer_slack import restore_timer_slack
from flows.topics.interface import Reader, Record, Topics, TopicsUnavailable

BATCH_RECORDS = 250
RETRY_TIER_BATCH_RECORDS = 25  # per partition and tier, so that many due retries do not delay events
BATCH_BYTES = 1024 * 1024
POLL_MS = 20
RETRY_TIER_POLL_MS = 100  # waits last a second or more; the events source keeps the epoch going


@dataclass(frozen=True, slots=True)
class SourceProgress:
    """How far one partition has been read; emitted in order with its records.

    ``watermark_ms``: no unread record of the partition is due before this time.
    """

    topic: str
    partition: int
    position: int
    end: int
    watermark_ms: int


@dataclass(frozen=True, slots=True)
class SourcedRecord:
    """A record and the topic it was read from."""

    topic: str
    record: Record


Item = SourcedRecord | SourceProgress


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """How a topic is read; shared by all of its partitions."""

    topics: Topics
    topic: str
    clock: Callable[[], int]
    stop: StopEvent
    start: Callable[[str, int], int]  # offset at which a partition without a snapshot starts
    on_open: Callable[[str, int, bool], None] = lambda topic, partition, resumed: None  # before a partition is read
    drain: bool = False  # when stopped, first read everything the log held at that moment
    wait_ms: int = 0  # a record is emitted this long after it was appended (retry tiers)
    max_records: int = BATCH_RECORDS  # per batch
    budget_records: Callable[[], int] = lambda: BATCH_RECORDS  # how many more records the process may take in
    before_emit: Callable[[str, int, int], None] = lambda topic, partition, next_offset: None
    earliest_due_ms: Callable[[int], int] = lambda appended_ms: appended_ms
    progress_ms: int = 10_000  # between two progress items
    poll_ms: int = POLL_MS

    def with_delay(self, wait_ms: int, earliest_due_ms: Callable[[int], int]) -> "SourceConfig":
        """The same for a retry tier: records wait ``wait_ms``; ``earliest_due_ms`` is the earliest due time of a record
        appended at a given time."""
        return replace(
            self,
            wait_ms=wait_ms,
            max_records=RETRY_TIER_BATCH_RECORDS,
            earliest_due_ms=earliest_due_ms,
            poll_ms=RETRY_TIER_POLL_MS,
        )


class TopicPartition(StatefulSourcePartition[Item, int]):
    """One partition of one topic; its state is the offset of the next record to emit."""

    def __init__(self, config: SourceConfig, partition: int, position: int) -> None:
        self._config = config
        self._partition = partition
        self._reader: Reader = config.topics.reader(config.topic, partition, position)
        self._position = position
        self._ahead: list[Record] = []  # read and not emitted yet; at most one batch
        self._next_progress_ms = 0
        self._idle = True
        self._stop_at: int | None = None

    @capture_errors
    def next_batch(self) -> Sequence[Item]:
        """Emit the records that are due and fit the budget, and a progress item when it is time.

        Emits nothing while the topics are unavailable; the sink logs that.
        """
        config = self._config
        if config.stop.is_set() and self._may_stop():
            raise StopIteration
        with suppress(TopicsUnavailable):
            self._read_ahead()
        now_ms = config.clock()
        items: list[Item] = []
        allowed = min(len(self._ahead), config.max_records, config.budget_records()) if self._ahead else 0
        due = 0
        while due < allowed and self._ahead[due].appended_ms + config.wait_ms <= now_ms:
            due += 1
        if due:
            emitted, self._ahead = self._ahead[:due], self._ahead[due:]
            self._position = emitted[-1].offset + 1
            config.before_emit(config.topic, self._partition, self._position)
            items.extend(SourcedRecord(config.topic, record) for record in emitted)
        if now_ms >= self._next_progress_ms:
            with suppress(TopicsUnavailable):
                progress = self._progress(now_ms)
                if progress is not None:
                    items.append(progress)
                    self._next_progress_ms = now_ms + config.progress_ms
        self._idle = not due
        return items

    def next_awake(self) -> datetime | None:
        """At once while records flow, else after a short poll."""
        return next_poll(self._config.poll_ms) if self._idle else None

    def snapshot(self) -> int:
        """Offset of the next record to emit."""
        return self._position

    def close(self) -> None:
        """Release the reader."""
        self._reader.close()

    def _may_stop(self) -> bool:
        if not self._config.drain:
            return True
        if self._stop_at is None:
            with suppress(TopicsUnavailable):
                _, self._stop_at = self._config.topics.bounds(self._config.topic, self._partition)
        return self._stop_at is not None and self._position >= self._stop_at

    def _read_ahead(self) -> None:
        if not self._ahead:
            self._ahead = self._reader.read(BATCH_RECORDS, BATCH_BYTES)

    def _progress(self, now_ms: int) -> SourceProgress | None:
        config = self._config
        self._read_ahead()  # everything read may have been emitted, but the log may hold more
        _, end = config.topics.bounds(config.topic, self._partition)
        if not self._ahead and self._position < end:
            return None  # the next record is being fetched, so its append time is not known yet
        watermark_ms = config.earliest_due_ms(self._ahead[0].appended_ms) if self._ahead else now_ms
        return SourceProgress(config.topic, self._partition, self._position, end, watermark_ms)


class TopicSource(FixedPartitionedSource[Item, int]):
    """All partitions of one topic, as a Bytewax source."""

    def __init__(
        self, config: SourceConfig, open_partition: Callable[[SourceConfig, int, int], TopicPartition] = TopicPartition
    ) -> None:
        """``open_partition``: a subclass of `TopicPartition`."""
        self._config = config
        self._open_partition = open_partition

    @capture_errors
    def list_parts(self) -> list[str]:
        """Partition numbers as text. Bytewax calls this first on its working thread."""
        restore_timer_slack()
        return [str(number) for number in range(self._config.topics.partitions(self._config.topic))]

    @capture_errors
    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> TopicPartition:
        """Resume at the snapshot's offset, or start at the configured one."""
        partition = int(for_part)
        self._config.on_open(self._config.topic, partition, resume_state is not None)
        position = self._config.start(self._config.topic, partition) if resume_state is None else resume_state
        return self._open_partition(self._config, partition, position)


class TopicsSource(FixedPartitionedSource[Item, int]):
    """All partitions of several topics as one Bytewax source, which has one epoch.

    Separate sources end their epochs at different times, which drift apart. In each epoch the first would wait for the
    last, and events would be delayed by that long every second.
    """

    def __init__(self, sources: Mapping[str, TopicSource], epochs: EpochAligner | None = None) -> None:
        """``sources``: by topic; ``epochs``: given if several processes share the flow."""
        self._sources = sources
        self._epochs = epochs

    def list_parts(self) -> list[str]:
        """Topic and partition number, such as ``events/0``."""
        return [f"{topic}/{part}" for topic, source in self._sources.items() for part in source.list_parts()]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> StatefulSourcePartition[Item, int]:
        """Resume at the snapshot's offset, or start at the configured one."""
        topic, _, part = for_part.rpartition("/")
        partition = self._sources[topic].build_part(step_id, part, resume_state)
        return partition if self._epochs is None else AlignedPartition(partition, self._epochs)
