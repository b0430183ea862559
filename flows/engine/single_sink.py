"""A Bytewax sink with one partition per worker, for what one object writes."""

from collections.abc import Callable
from typing import TypeVar

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

Item = TypeVar("Item")


class SingleSink(FixedPartitionedSink[Item, None]):
    """``open_partition`` makes the partition, when the flow starts."""

    def __init__(self, open_partition: Callable[[], StatefulSinkPartition[Item, None]]) -> None:
        self._open_partition = open_partition

    def list_parts(self) -> list[str]:
        """The only one."""
        return ["0"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> StatefulSinkPartition[Item, None]:
        """Open it."""
        return self._open_partition()
