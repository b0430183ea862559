"""Deterministic ids: replayed work gets the same ids, so that repeated rows fold instead of adding up."""

from hashlib import blake2b
from zlib import crc32

ID_BYTES = 16


def _digest(*parts: str | int) -> str:
    # 0x1f (unit separator) cannot occur in slugs or numbers, so different lists of parts never join to the same text.
    text = "\x1f".join(map(str, parts))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=ID_BYTES).hexdigest()


def delivery_id(
    log: str, events_partition: int, events_offset: int, source: str, destination: str, mapping: str
) -> str:
    """The id of one event x connection x mapping, from the event's offset in the events log (32 hex digits).

    ``log``: id of the log, because offsets start again when topics are recreated; '' for a log without id.
    """
    return _digest("delivery", *filter(None, [log]), events_partition, events_offset, source, destination, mapping)


def attempt_id(delivery: str, run: str, attempt: int) -> str:
    """The id of one HTTP call. It includes the run, because a call repeated after a crash is another call."""
    return _digest("attempt", delivery, run, attempt)


def event_key(source: str, message_id: str) -> bytes:
    """The partition key of topic events; two events with the same key are duplicates."""
    return bytes.fromhex(_digest("event", source, message_id))


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key; the same in every process and version."""
    return crc32(key) % partitions


def shard_of(destination: str, shards: int) -> int:
    """The shard that owns a destination."""
    return crc32(destination.encode()) % shards


def request_key(keys: list[str]) -> str:
    """The Idempotency-Key of a request: the key of its only item, or a digest of all keys independent of order."""
    return keys[0] if len(keys) == 1 else _digest("request", *sorted(keys))


def uniform(*parts: str | int) -> float:
    """A deterministic number from [0, 1), uniformly distributed over names."""
    return int(_digest("uniform", *parts)[:13], 16) / (1 << 52)
