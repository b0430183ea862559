"""Reads the partitions of topic minutes in step, so that in a backlog few minutes wait for other partitions."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from flows.engine.error_capture import capture_errors
from flows.topics.source import Item, SourceConfig, SourcedRecord, TopicPartition, TopicSource
from model.durations import HOUR_MS

MAX_LEAD_MS = HOUR_MS


@dataclass(slots=True)
class PartitionAligner:
    """The append time that each partition with unread records has reached."""

    next_ms: dict[int, int] = field(default_factory=dict)

    def may_read(self, partition: int) -> bool:
        """Whether a partition is at most an hour ahead of the slowest one."""
        at_ms = self.next_ms.get(partition)
        return at_ms is None or at_ms <= min(self.next_ms.values()) + MAX_LEAD_MS


class MinutesPartition(TopicPartition):
    """Waits while it is too far ahead of the other partitions."""

    def __init__(self, config: SourceConfig, partition: int, position: int, aligner: PartitionAligner) -> None:
        super().__init__(config, partition, position)
        self._aligner = aligner

    @capture_errors
    def next_batch(self) -> Sequence[Item]:
        """Emit a batch, unless other partitions are far behind."""
        if not self._config.stop.is_set() and not self._aligner.may_read(self._partition):
            self._idle = True
            return []
        items = super().next_batch()
        records = [item.record for item in items if isinstance(item, SourcedRecord)]
        if records:
            self._aligner.next_ms[self._partition] = records[-1].appended_ms
        else:
            self._aligner.next_ms.pop(self._partition, None)  # a partition without records holds none back
        return items

    def close(self) -> None:
        """Release the reader."""
        self._aligner.next_ms.pop(self._partition, None)
        super().close()


class MinutesSource(TopicSource):
    """All partitions of topic minutes."""

    def __init__(self, config: SourceConfig) -> None:
        super().__init__(config)
        self._aligner = PartitionAligner()

    @capture_errors
    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> MinutesPartition:
        """Resume at the snapshot's offset, or start at the configured one."""
        partition = int(for_part)
        position = self._config.start(self._config.topic, partition) if resume_state is None else resume_state
        return MinutesPartition(self._config, partition, position, self._aligner)
