"""Where a flow begins in partitions its recovery directory knows nothing of, and how `waybill recover` sets that."""

from collections.abc import Callable, Iterator

import orjson

from flows.topics.interface import OUTCOMES, Topics
from model.events.envelope import UnreadableRecord
from model.recording.facts import WatermarkReport, decode

LOOK_BACK_RECORDS = 5_000
LOOK_BACK_BYTES = 16 * 1024 * 1024


def start_offset(topics: Topics, flow: str) -> Callable[[str, int], int]:
    """Where each partition begins: as `set_start_offset` has set it, else at the earliest record kept."""
    mark = topics.mark(f"{flow}.begin")
    begin: dict[str, int] = orjson.loads(mark) if mark else {}

    def start(topic: str, partition: int) -> int:
        earliest, _ = topics.bounds(topic, partition)
        return max(earliest, begin.get(f"{topic}/{partition}", 0))

    return start


def set_start_offset(topics: Topics, flow: str, positions: dict[tuple[str, int], int]) -> None:
    """Set where the flow begins the next time it starts without a snapshot."""
    begin = {f"{topic}/{partition}": offset for (topic, partition), offset in positions.items()}
    topics.put_metadata(f"{flow}.begin", orjson.dumps(begin))


def last_committed(topics: Topics) -> dict[tuple[str, int], int] | None:
    """The least settled positions of the delivery flow's last watermark reports; None if topic outcomes holds none.

    Everything below them has an outcome or a retry record, so restarting there loses nothing.
    """
    newest: dict[str, WatermarkReport] = {}
    shards = 0
    for value in _backwards(topics, OUTCOMES, 0):
        try:
            fact = decode(value)
        except UnreadableRecord:
            continue
        if isinstance(fact, WatermarkReport) and fact.shards == (shards or fact.shards):
            shards = fact.shards
            newest.setdefault(fact.shard, fact)
            if len(newest) == shards:
                break
    if not newest or len(newest) < shards:
        return None
    settled: dict[tuple[str, int], int] = {}
    for position in (position for report in newest.values() for position in report.positions):
        part = (position.topic, position.partition)
        settled[part] = min(settled.get(part, position.settled), position.settled)
    return settled


def _backwards(topics: Topics, topic: str, partition: int) -> Iterator[bytes]:
    earliest, end = topics.bounds(topic, partition)
    while end > earliest:
        start = max(earliest, end - LOOK_BACK_RECORDS)
        reader = topics.reader(topic, partition, start)
        values: list[bytes] = []
        while reader.position < end:
            values.extend(record.value for record in reader.read(end - reader.position, LOOK_BACK_BYTES))
        reader.close()
        yield from reversed(values)
        end = start
