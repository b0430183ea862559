"""Which process of a flow owns which shard, and how items reach it.

Bytewax routes a state key to a process by its hash: SipHash-1-3 with zero keys, as Rust's standard library hashes text.
Shards with the keys "0", "1", ... could all hash to one process. So each shard gets a key that makes them spread
evenly, and a process can route its own facts through a shard it owns.
"""

import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import TypeVar

from siphash24 import siphash13

EVEN_FOR = 12  # shards spread evenly over 2, 3, 4, 6 and 12 processes

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """One of several processes."""

    process: int = 0
    processes: int = 1

    def shards_here(self, shards: int) -> tuple[int, ...]:
        """The shards that this process owns; all of them if it owns none."""
        here = tuple(shard for shard in range(shards) if process_of(shard_key(shard), self.processes) == self.process)
        return here or tuple(range(shards))


@lru_cache(256)
def shard_key(shard: int) -> str:
    """The state key of a shard."""
    candidates: Iterable[str] = (f"{shard}.{attempt}" for attempt in count())
    return next(key for key in candidates if process_of(key, EVEN_FOR) == shard % EVEN_FOR)


def process_of(key: str, processes: int) -> int:
    """The process that Bytewax assigns a key to, where each process has one worker."""
    # Rust's Hasher for str appends one byte 0xFF.
    return int.from_bytes(siphash13(key.encode() + b"\xff", key=bytes(16)).digest(), "little") % processes


class ShardBatch(list[Item]):
    """Items for one shard. The list must not change once it is sent.

    Bytewax pickles what crosses processes twice, to learn its size and to send it; a batch is pickled once.
    """

    _pickled: bytes | None = None

    def __init__(self, shard: int, items: Iterable[Item] = ()) -> None:
        super().__init__(items)
        self.shard = shard

    def __reduce__(self) -> tuple[Callable[[int, bytes], "ShardBatch[Item]"], tuple[int, bytes]]:
        if self._pickled is None:
            self._pickled = pickle.dumps(list(self), pickle.HIGHEST_PROTOCOL)
        return _unpickle, (self.shard, self._pickled)


def _unpickle(shard: int, items: bytes) -> ShardBatch[Item]:
    return ShardBatch(shard, pickle.loads(items))  # noqa: S301 (pickled by a process of this flow)
