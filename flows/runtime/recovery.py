"""A flow's positions are in its recovery directory. A lost directory must not cause a silent restart from zero.

The first start writes one random identity into both the topics' metadata and the recovery directory. A later start is
refused if one of them is missing or if they differ. The first start also stores a random log id, so that ids made from
offsets differ after topics are recreated.

This module also decides where a flow starts in partitions that its recovery directory does not know.
"""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
from bytewax.recovery import init_db_dir

from flows.topics.interface import OUTCOMES, Topics
from model.events.envelope import UnreadableRecord
from model.recording.facts import WatermarkReport, decode

IDENTITY_FILE = "identity"
SNAPSHOTS = "part-*.sqlite3"  # what Bytewax keeps in a recovery directory
LOOK_BACK_RECORDS = 5_000
LOOK_BACK_BYTES = 16 * 1024 * 1024


class RecoveryLost(Exception):
    """The recovery directory does not belong to the topics; the text says what to do."""


def check_recovery(topics: Topics, flow: str, recovery: Path) -> None:
    """Check that the recovery directory is this flow's; create it on the first start. Raises `RecoveryLost`."""
    known = identity_of(topics, flow)
    file = recovery / IDENTITY_FILE
    whole = file.exists() and any(recovery.glob(SNAPSHOTS))
    found = file.read_bytes() if whole else None
    if known is None and found is None:
        reset_recovery(topics, flow, recovery)
        return
    if known == found:
        return
    if found is None:
        raise RecoveryLost(
            f"The recovery directory of flow {flow} is missing: {recovery}. It held the flow's positions. "
            f"Restore it from a backup, or run `waybill recover {flow}`, which restarts from the last position the "
            "flow reported: nothing is lost, some deliveries may be sent twice."
        )
    raise RecoveryLost(
        f"The recovery directory {recovery} belongs to other topics than those configured. "
        f"Check topics.url and the data directory; if the topics were replaced on purpose, "
        f"run `waybill recover {flow}`."
    )


def identity_of(topics: Topics, flow: str) -> bytes | None:
    """The identity of a flow in the topics' metadata; None before its first start."""
    return topics.get_metadata(f"{flow}.identity")


def log_id(topics: Topics, flow: str) -> str:
    """The log id, written when the flow first started on these topics."""
    return (topics.get_metadata(f"{flow}.log") or b"").decode()


def reset_recovery(topics: Topics, flow: str, recovery: Path) -> None:
    """Create an empty recovery directory with a new identity. The caller has set the flow's start offsets before."""
    recovery.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in (*recovery.glob(SNAPSHOTS), *recovery.glob("*.sqlite3-*")):
        old.unlink()
    init_db_dir(recovery, 1)  # type: ignore[no-untyped-call]
    identity = secrets.token_hex(16).encode()
    if identity_of(topics, flow) is None:  # topics that were read before keep their log id, even a missing one
        topics.put_metadata(f"{flow}.log", secrets.token_hex(8).encode())
    # The directory first: after a crash between the two writes, the next start is refused instead of starting at zero.
    (recovery / IDENTITY_FILE).write_bytes(identity)
    topics.put_metadata(f"{flow}.identity", identity)


def start_offset(topics: Topics, flow: str) -> Callable[[str, int], int]:
    """The offset at which each partition starts: as set by `set_start_offset`, else the earliest record kept."""
    mark = topics.get_metadata(f"{flow}.begin")
    begin: dict[str, int] = orjson.loads(mark) if mark else {}

    def start(topic: str, partition: int) -> int:
        earliest, _ = topics.bounds(topic, partition)
        return max(earliest, begin.get(f"{topic}/{partition}", 0))

    return start


def set_start_offset(topics: Topics, flow: str, positions: dict[tuple[str, int], int]) -> None:
    """Set where the flow starts the next time it has no snapshot."""
    begin = {f"{topic}/{partition}": offset for (topic, partition), offset in positions.items()}
    topics.put_metadata(f"{flow}.begin", orjson.dumps(begin))


def last_committed(topics: Topics) -> dict[tuple[str, int], int] | None:
    """The lowest settled positions in the delivery flow's last watermark reports; None if topic outcomes has none.

    Every record below them has an outcome or a retry record, so restarting there loses nothing.
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
