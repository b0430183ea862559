"""What a run of the delivery flow leaves for the next one: did it stop cleanly, and how far may it have read?

Bytewax resumes a source at its last snapshot; a crash may have happened up to an epoch later. To tell which records
may have been handled twice, the flow writes a *horizon* ahead of its reading: no record at or beyond it was read.
Kept in the recovery directory, because it speaks of the same runs as the snapshots there: one file for each partition
and each shard. Each is one process' at a time, and opened by it only when Bytewax has given it that part, which is when
all processes of the flow are there: none is left of the run before, and none reads what another has begun to write.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import orjson

from flows.engine.files import write_atomically

READ_AHEAD_RECORDS = 2_000  # records read between two writes; also how many too many may be called resent
REPLAY_MARKS_DIRECTORY = "replay_marks"  # in the recovery directory


class _Marks(NamedTuple):
    """``horizon``: first offset no run can have read. ``fence``: below it, a run that crashed may have handled records.

    The fence outlives a clean stop: a run that is stopped soon after a crash has not read up to it again.
    """

    clean: bool
    max_read_offset: int = 0
    replay_until: int = 0


def write_crashed(directory: Path, ends: Mapping[tuple[str, int], int]) -> None:
    """Write the journal of a run nothing is known of: it may have read everything up to ``ends``, by partition."""
    for old in directory.glob("*.json"):
        old.unlink()
    for part, end in ends.items():
        _write(_path(directory, *part), _Marks(clean=False, max_read_offset=end))


class ReplayMarks:
    """What one process has open of the journal. ``end_of`` tells where a partition of a topic ends now."""

    def __init__(self, directory: Path, end_of: Callable[[str, int], int]) -> None:
        self._directory = directory
        self._end_of = end_of
        self._open: dict[Path, _Marks] = {}
        self._before: dict[tuple[str, int], _Marks] = {}

    def open(self, topic: str, partition: int, *, resumed: bool) -> None:
        """Begin to read a partition, which has been read before if ``resumed``; durable on return."""
        path = _path(self._directory, topic, partition)
        marks = _read(path)
        if marks is None:
            # Of a partition that was read somewhere else, as by a process on another machine, nothing is known.
            marks = _Marks(clean=not resumed, max_read_offset=self._end_of(topic, partition) if resumed else 0)
        if not marks.clean:
            marks = marks._replace(replay_until=self._end_of(topic, partition))
        self._before[topic, partition] = marks
        self._save(path, marks._replace(clean=False))

    def open_shard(self, shard: int) -> bool:
        """Begin to work as a shard; returns whether the run before ended cleanly. Durable on return."""
        path = self._directory / f"shard-{shard}.json"
        marks = _read(path)
        self._save(path, _Marks(clean=False))
        return marks is not None and marks.clean

    def replay_until(self, topic: str, partition: int) -> int:
        """Offset below which a run that crashed may have handled records, and said so."""
        return self._before[topic, partition].replay_until

    def max_read_offset(self, topic: str, partition: int) -> int:
        """First offset the runs before cannot have read."""
        return self._before[topic, partition].max_read_offset

    def extend(self, topic: str, partition: int, next_offset: int) -> None:
        """Say that everything below ``next_offset`` is about to be handled; durable on return."""
        path = _path(self._directory, topic, partition)
        marks = self._open[path]
        if next_offset > marks.max_read_offset:
            self._save(path, marks._replace(max_read_offset=next_offset + READ_AHEAD_RECORDS))

    def mark_clean_stop(self) -> None:
        """Say that everything read was settled or is in the last snapshot."""
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
