"""How far earlier runs of the delivery flow may have read, so that records handled twice are marked as replayed.

Bytewax resumes a source at its last snapshot, but a crashed run may have handled up to an epoch of records after it. So
each run writes an offset ahead of its reading (`max_read_offset`), and whether it stopped cleanly. The marks stand in
the recovery directory beside the snapshots of the same runs, one file for each partition and each shard. A process
opens the file of a part when Bytewax assigns it that part. By then all processes of the flow are connected, so no
process of an earlier run still writes to it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import orjson

from flows.engine.files import write_atomically

READ_AHEAD_RECORDS = 2_000  # written at most every so many records; so many too many may be marked as resent
REPLAY_MARKS_DIRECTORY = "replay_marks"  # in the recovery directory


class _Marks(NamedTuple):
    """``max_read_offset``: no run has read at or past it. ``replay_until``: below it, a crashed run may have handled
    records.

    ``replay_until`` survives a clean stop: a run that stops soon after a crash has not read up to it again.
    """

    clean: bool
    max_read_offset: int = 0
    replay_until: int = 0


def write_crashed(directory: Path, ends: Mapping[tuple[str, int], int]) -> None:
    """Write the marks of a crashed run that may have read everything below ``ends``, by partition."""
    for old in directory.glob("*.json"):
        old.unlink()
    for part, end in ends.items():
        _write(_path(directory, *part), _Marks(clean=False, max_read_offset=end))


class ReplayMarks:
    """The marks of the partitions and shards of one process. ``end_of`` returns the end offset of a partition now."""

    def __init__(self, directory: Path, end_of: Callable[[str, int], int]) -> None:
        self._directory = directory
        self._end_of = end_of
        self._open: dict[Path, _Marks] = {}
        self._before: dict[tuple[str, int], _Marks] = {}

    def open(self, topic: str, partition: int, *, resumed: bool) -> None:
        """Start reading a partition; ``resumed``: there is a snapshot of it. Durable on return."""
        path = _path(self._directory, topic, partition)
        marks = _read(path)
        if marks is None:
            # Resumed without marks: a process on another machine read this partition before.
            marks = _Marks(clean=not resumed, max_read_offset=self._end_of(topic, partition) if resumed else 0)
        if not marks.clean:
            marks = marks._replace(replay_until=self._end_of(topic, partition))
        self._before[topic, partition] = marks
        self._save(path, marks._replace(clean=False))

    def open_shard(self, shard: int) -> bool:
        """Start a shard; returns whether the previous run stopped cleanly. Durable on return."""
        path = self._directory / f"shard-{shard}.json"
        marks = _read(path)
        self._save(path, _Marks(clean=False))
        return marks is not None and marks.clean

    def replay_until(self, topic: str, partition: int) -> int:
        """Offset below which a crashed run may have handled records and recorded facts about them."""
        return self._before[topic, partition].replay_until

    def max_read_offset(self, topic: str, partition: int) -> int:
        """First offset that no earlier run can have read."""
        return self._before[topic, partition].max_read_offset

    def extend(self, topic: str, partition: int, next_offset: int) -> None:
        """Note that everything below ``next_offset`` is about to be handled; durable on return."""
        path = _path(self._directory, topic, partition)
        marks = self._open[path]
        if next_offset > marks.max_read_offset:
            self._save(path, marks._replace(max_read_offset=next_offset + READ_AHEAD_RECORDS))

    def mark_clean_stop(self) -> None:
        """Note that everything read has a result or is in the last snapshot."""
        for path, marks in self._open.items():
            self._save(path, marks._replace(clean=True))

    def _save(self, path: Path, marks: _Marks) -> None:
        self._open[path] = marks
        _write(path, marks)


def _path(directory: Path, topic: str, partition: int) -> Path:
    return directory / f"{topic}-{partition}.json"


def _read(path: Path) -> _Marks | None:
    return _Marks(**orjson.loads(path.read_bytes())) if path.exists() else None


def _write(path: Path, marks: _Marks) -> None:
    write_atomically(path, orjson.dumps(marks._asdict()))
