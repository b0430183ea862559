"""Reads the partitions of topic minutes in step, so that in a backlog few minutes wait for other partitions."""

from collections.abc import Sequence
from functools import partial

from flows.engine.error_capture import capture_errors
from flows.topics.source import Item, SourceConfig, SourcedRecord, TopicPartition, TopicSource
from model.durations import HOUR_MS

MAX_LEAD_MS = HOUR_MS


class MinutesPartition(TopicPartition):
    """Waits while it is too far ahead of the other partitions."""

    def __init__(self, reached_ms: dict[int, int], config: SourceConfig, partition: int, position: int) -> None:
        """``reached_ms``: shared, the append time that each partition with unread records has reached."""
        super().__init__(config, partition, position)
        self._reached_ms = reached_ms

    @capture_errors
    def next_batch(self) -> Sequence[Item]:
        """Emit a batch, unless other partitions are far behind."""
        if not self._config.stop.is_set() and self._is_far_ahead():
            self._idle = True
            return []
        items = super().next_batch()
        records = [item.record for item in items if isinstance(item, SourcedRecord)]
        if records:
            self._reached_ms[self._partition] = records[-1].appended_ms
        else:
            self._reached_ms.pop(self._partition, None)  # a partition without records holds none back
        return items

    def close(self) -> None:
        """Release the reader."""
        self._reached_ms.pop(self._partition, None)
        super().close()

    def _is_far_ahead(self) -> bool:
        at_ms = self._reached_ms.get(self._partition)
        return at_ms is not None and at_ms > min(self._reached_ms.values()) + MAX_LEAD_MS


def minutes_source(config: SourceConfig) -> TopicSource:
    """All partitions of topic minutes."""
    reached_ms: dict[int, int] = {}
    return TopicSource(config, partial(MinutesPartition, reached_ms))
