"""Which process of a flow has which shard.

Bytewax gives a key to a process by a hash of it: SipHash-1-3 with zero keys, as Rust's standard library hashes text. Of
a few shards called "0", "1", ... all may fall to one process. So they are called something that spreads evenly, and
what a process says itself can go through a shard of its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

EVEN_FOR = 12  # shards spread evenly over 2, 3, 4, 6 and 12 processes
_WORD = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """One of several processes."""

    process: int = 0
    processes: int = 1

    def shards_here(self, shards: int) -> tuple[int, ...]:
        """The shards that this process has; all of them if it has none."""
        here = tuple(shard for shard in range(shards) if process_of(shard_key(shard), self.processes) == self.process)
        return here or tuple(range(shards))


@lru_cache(256)
def shard_key(shard: int) -> str:
    """The state key of a shard."""
    candidates: Iterable[str] = (f"{shard}.{attempt}" for attempt in count())
    return next(key for key in candidates if process_of(key, EVEN_FOR) == shard % EVEN_FOR)


def process_of(key: str, processes: int) -> int:
    """The process, of those with one worker each, that Bytewax gives a key to."""
    return _siphash_1_3(key.encode() + b"\xff") % processes


def _siphash_1_3(data: bytes) -> int:
    state = [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573]
    whole = len(data) // 8 * 8
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, whole, 8)]
    words.append((len(data) & 0xFF) << 56 | int.from_bytes(data[whole:], "little"))
    for word in words:
        state[3] ^= word
        _round(state)
        state[0] ^= word
    state[2] ^= 0xFF
    for _ in range(3):
        _round(state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _round(v: list[int]) -> None:
    v[0] = (v[0] + v[1]) & _WORD
    v[1] = _rotate(v[1], 13) ^ v[0]
    v[0] = _rotate(v[0], 32)
    v[2] = (v[2] + v[3]) & _WORD
    v[3] = _rotate(v[3], 16) ^ v[2]
    v[0] = (v[0] + v[3]) & _WORD
    v[3] = _rotate(v[3], 21) ^ v[0]
    v[2] = (v[2] + v[1]) & _WORD
    v[1] = _rotate(v[1], 17) ^ v[2]
    v[2] = _rotate(v[2], 32)


def _rotate(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) & _WORD
