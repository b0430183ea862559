"""Names that come out the same every time they are computed, so that replayed work folds instead of adding up."""

from hashlib import blake2b
from zlib import crc32

ID_BYTES = 16


def _digest(*parts: str | int) -> str:
    # 0x1f (unit separator) cannot occur in slugs or numbers, so two different part lists never join to the same text.
    text = "\x1f".join(map(str, parts))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=ID_BYTES).hexdigest()


def delivery_id(
    log: str, events_partition: int, events_offset: int, source: str, destination: str, mapping: str
) -> str:
    """Name one event x connection x mapping by where the event stands in the events log (32 hex digits).

    ``log`` names the log itself: in new topics, offsets begin anew. '' for one older than such names.
    """
    return _digest("delivery", *filter(None, [log]), events_partition, events_offset, source, destination, mapping)


def attempt_id(delivery: str, run: str, attempt: int) -> str:
    """Name one HTTP call. It includes the run: a call made again after a crash is another call."""
    return _digest("attempt", delivery, run, attempt)


def event_key(source: str, message_id: str) -> bytes:
    """Partition key of topic events, and what makes two events duplicates of each other."""
    return bytes.fromhex(_digest("event", source, message_id))


def partition_of(key: bytes, partitions: int) -> int:
    """Spread keys over partitions; the same in every process and version."""
    return crc32(key) % partitions


def shard_of(destination: str, shards: int) -> int:
    """The shard that owns a destination."""
    return crc32(destination.encode()) % shards


def request_key(keys: list[str]) -> str:
    """Name a request by the keys of what it carries: a single one's own, or a digest of all whatever their order."""
    return keys[0] if len(keys) == 1 else _digest("request", *sorted(keys))


def uniform(*parts: str | int) -> float:
    """A number from [0, 1) that is evenly spread over names and always the same for the same ones."""
    return int(_digest("uniform", *parts)[:13], 16) / (1 << 52)
