"""What a run of the delivery flow leaves for the next one: did it stop cleanly, and how far may it have read?

Bytewax resumes a source at its last snapshot; a crash may have happened up to an epoch later. To tell which records
may have been handled twice, the flow writes a *horizon* ahead of its reading: no record at or beyond it was read.
Kept in the recovery directory, because it speaks of the same run as the snapshots there.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

HORIZON_STEP = 2_000  # records read between two writes of the journal; also how many too many may be called resent
JOURNAL_FILE = "journal.json"  # in the recovery directory


def write_lost(path: Path, ends: Mapping[str, int]) -> None:
    """Write the journal of a run nothing is known of: it may have read everything up to ``ends``."""
    _write(path, clean=False, horizons=ends, fences={})


class Journal:
    """One process' journal. `clean` and the horizons of the previous run are fixed when it is opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        state: dict[str, Any] = (
            orjson.loads(path.read_bytes()) if path.exists() else {"clean": True, "horizons": {}, "fences": {}}
        )
        self.clean: bool = state["clean"]
        self._fences: dict[str, int] = state["fences"]
        self._previous: Mapping[str, int] = state["horizons"]
        self._horizons: dict[str, int] = dict(self._previous)
        self._write(clean=False)

    def fences(self, ends: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], int]:
        """Offsets below which a run that crashed may have handled records; ``ends`` of the logs now, by partition.

        They outlive a clean stop: a run that is stopped soon after a crash has not read up to them again.
        """
        if not self.clean:
            self._fences = {f"{topic}/{partition}": end for (topic, partition), end in ends.items()}
            self._write(clean=False)
        return {part: self._fences.get(f"{part[0]}/{part[1]}", 0) for part in ends}

    def horizon(self, topic: str, partition: int) -> int:
        """First offset the runs before cannot have read."""
        return self._previous.get(f"{topic}/{partition}", 0)

    def reading(self, topic: str, partition: int, next_offset: int) -> None:
        """Say that everything below ``next_offset`` is about to be handled; durable on return."""
        key = f"{topic}/{partition}"
        if next_offset > self._horizons.get(key, 0):
            self._horizons[key] = next_offset + HORIZON_STEP
            self._write(clean=False)

    def stopped(self) -> None:
        """Say that everything read was settled or is in the last snapshot."""
        self._write(clean=True)

    def _write(self, *, clean: bool) -> None:
        _write(self._path, clean=clean, horizons=self._horizons, fences=self._fences)


def _write(path: Path, *, clean: bool, horizons: Mapping[str, int], fences: Mapping[str, int]) -> None:
    # Written beside and renamed: a kill leaves the old journal or the new one, never half of one.
    beside = path.with_suffix(".new")
    beside.write_bytes(orjson.dumps({"clean": clean, "horizons": dict(horizons), "fences": dict(fences)}))
    os.replace(beside, path)
