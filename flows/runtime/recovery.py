"""A flow's positions live in its recovery directory. One that was lost must not become a silent restart from zero.

The first start writes the same random identity into the topic store and the recovery directory; a later start with
one of them missing, or with two that differ, is refused (design 5.8). It also names the log, once: what is named by
its place there gets another name when topics are made anew.
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
    """Check that the recovery directory is this flow's, creating both on the first start. Raises `RecoveryLost`."""
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
            f"The recovery directory of flow {flow} is gone: {recovery}. Its positions were in it. "
            f"Put it back from a backup, or run `waybill recover {flow}`, which restarts from the last position the "
            "flow published: nothing is lost, some deliveries may be sent twice."
        )
    raise RecoveryLost(
        f"The recovery directory {recovery} belongs to other topics than those configured. "
        f"Check topics.url and the data directory; if the topics were replaced on purpose, "
        f"run `waybill recover {flow}`."
    )


def identity_of(topics: Topics, flow: str) -> bytes | None:
    """The identity of a flow as the topics know it; None before its first start."""
    return topics.get_metadata(_identity_key(flow))


def log_id(topics: Topics, flow: str) -> str:
    """The name of the log that a flow reads, since its first start there."""
    return (topics.get_metadata(f"{flow}.log") or b"").decode()


def _identity_key(flow: str) -> str:
    return f"{flow}.identity"


def reset_recovery(topics: Topics, flow: str, recovery: Path) -> None:
    """Make an empty recovery directory and the identity of both. The caller has set where the flow begins."""
    recovery.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in (*recovery.glob(SNAPSHOTS), *recovery.glob("*.sqlite3-*")):
        old.unlink()
    init_db_dir(recovery, 1)  # type: ignore[no-untyped-call]
    identity = secrets.token_hex(16).encode()
    if identity_of(topics, flow) is None:  # a log that has been read before keeps its name, also if that is none
        topics.put_metadata(f"{flow}.log", secrets.token_hex(8).encode())
    # The directory first: a crash between the two is refused as "other topics", never resumed from zero.
    (recovery / IDENTITY_FILE).write_bytes(identity)
    topics.put_metadata(_identity_key(flow), identity)


def start_offset(topics: Topics, flow: str) -> Callable[[str, int], int]:
    """Where each partition begins: as `set_start_offset` has set it, else at the earliest record kept."""
    mark = topics.get_metadata(f"{flow}.begin")
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
    """The least settled positions of the delivery flow's last ticks; None if topic outcomes holds none.

    Everything below them has an outcome or a retry record, so restarting there loses nothing.
    """
    newest: dict[str, WatermarkReport] = {}
    workers = 0
    for value in _backwards(topics, OUTCOMES, 0):
        try:
            fact = decode(value)
        except UnreadableRecord:
            continue
        if isinstance(fact, WatermarkReport) and fact.workers == (workers or fact.workers):
            workers = fact.workers
            newest.setdefault(fact.worker, fact)
            if len(newest) == workers:
                break
    if not newest or len(newest) < workers:
        return None
    settled: dict[tuple[str, int], int] = {}
    for position in (position for tick in newest.values() for position in tick.positions):
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
