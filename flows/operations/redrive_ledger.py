"""The ledger of redrives: what was sent from a data directory, and the candidates of the current command.

A separate SQLite file. A chunk is recorded before it is appended to its topic, so that after a kill the next command
knows where to search for it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from flows.sqlite.database import SqliteFile
from model.delivery.redrive import Skip

LOOKUP_LETTERS = 1_000  # per query of store and ledger
LEDGER_FILE = "redrives.sqlite"

_SCHEMA = (
    # before: by partition of the tier, the first offset the chunk can have there (JSON)
    "CREATE TABLE IF NOT EXISTS chunks (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, batch TEXT NOT NULL, "
    "author TEXT NOT NULL, before TEXT NOT NULL, state TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS redrives (root TEXT PRIMARY KEY, number INTEGER NOT NULL, chunk INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS redrives_of_chunk ON redrives (chunk)",
    # The candidates of a command, on disk because their number is unlimited: one row per delivery, of its last dead
    # letter.
    "CREATE TEMP TABLE found (root TEXT PRIMARY KEY, letter INTEGER, number INTEGER, code TEXT, state TEXT, skip TEXT, "
    '"partition" INTEGER, "offset" INTEGER)',
    'CREATE INDEX temp.found_by_place ON found ("partition", "offset")',
)
_KEEP_LAST = (
    "INSERT INTO found VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (root) DO UPDATE SET letter = excluded.letter, "
    "number = excluded.number, code = excluded.code, state = excluded.state, skip = excluded.skip, "
    '"partition" = excluded."partition", "offset" = excluded."offset" WHERE excluded.letter > letter'
)


class Group(NamedTuple):
    """Deliveries to send with the same state and code."""

    state: str
    code: str
    deliveries: int


@dataclass(frozen=True, slots=True)
class RedrivePlan:
    """What would be sent, largest group first, and what is skipped and why. ``unreadable``: dead letters that hold no
    delivery."""

    groups: tuple[Group, ...]
    skipped: dict[Skip, int]
    unreadable: int

    @property
    def total(self) -> int:
        """Deliveries to be sent."""
        return sum(group.deliveries for group in self.groups)


class Chunk(NamedTuple):
    """Redrives appended together: ``numbers`` by root; ``before`` as in the ledger."""

    at_ms: int
    batch: str
    author: str
    before: list[int]
    numbers: dict[str, int]


class RedriveLedger:
    """The redrives of this data directory, by the id of the first delivery. One process at a time."""

    def __init__(self, path: Path) -> None:
        file = SqliteFile(path, fsync=True)
        file.create()
        self._db = file.connect()
        with self._db.transaction() as sqlite:
            for statement in _SCHEMA:
                sqlite.execute(statement)

    def numbers(self, roots: Collection[str]) -> dict[str, int]:
        """The number of the last redrive of each, of those that had one."""
        sql = "SELECT root, number FROM redrives WHERE root IN (SELECT value FROM json_each(?))"
        return dict(self._db.rows(sql, orjson.dumps(list(roots)).decode()))

    def add_candidates(self, rows: list[tuple[Any, ...]]) -> None:
        """Record dead letters; the last one of each delivery wins."""
        with self._db.transaction() as sqlite:
            sqlite.executemany(_KEEP_LAST, rows)

    def plan(self, unreadable: int) -> RedrivePlan:
        """Count the candidates."""
        groups = self._db.rows(
            "SELECT state, code, count(*) FROM found WHERE skip IS NULL GROUP BY state, code ORDER BY 3 DESC, 1, 2"
        )
        skipped = self._db.rows("SELECT skip, count(*) FROM found WHERE skip IS NOT NULL GROUP BY skip ORDER BY skip")
        return RedrivePlan(tuple(map(Group._make, groups)), {Skip(name): count for name, count in skipped}, unreadable)

    def next_page(self, after: tuple[int, int]) -> list[tuple[int, int, int]]:
        """The next (partition, offset, number) of the plan, in order of place."""
        sql = (
            'SELECT "partition", "offset", number FROM found WHERE skip IS NULL AND ("partition", "offset") > (?, ?) '
            'ORDER BY "partition", "offset" LIMIT ?'
        )
        return list(self._db.rows(sql, *after, LOOKUP_LETTERS))

    def start_chunk(self, chunk: Chunk) -> None:
        """Record a chunk before it is appended."""
        with self._db.transaction() as sqlite:
            values = (chunk.at_ms, chunk.batch, chunk.author, orjson.dumps(chunk.before).decode())
            insert = "INSERT INTO chunks (at_ms, batch, author, before, state) VALUES (?, ?, ?, ?, 'sending')"
            made = sqlite.execute(insert, values).lastrowid
            rows = [(root, number, made) for root, number in chunk.numbers.items()]
            sqlite.executemany("INSERT OR REPLACE INTO redrives VALUES (?, ?, ?)", rows)

    def finish_chunk(self, missing: Iterable[str] = ()) -> None:
        """Mark the last chunk as appended, except for those ``missing``, which were not sent."""
        with self._db.transaction() as sqlite:
            back = "UPDATE redrives SET number = number - 1 WHERE root = ?"
            sqlite.executemany(back, [(root,) for root in missing])
            sqlite.execute("UPDATE chunks SET state = 'sent' WHERE state = 'sending'")

    def unfinished_chunk(self) -> Chunk | None:
        """The chunk that a kill left unfinished."""
        sql = "SELECT id, at_ms, batch, author, before FROM chunks WHERE state = 'sending'"
        row = self._db.row(sql)
        if row is None:
            return None
        chunk, at_ms, batch, author, before = row
        numbers = dict(self._db.rows("SELECT root, number FROM redrives WHERE chunk = ?", chunk))
        return Chunk(at_ms, batch, author, orjson.loads(before), numbers)

    def forget(self, before_ms: int) -> None:
        """Delete what is older."""
        with self._db.transaction() as sqlite:
            old = "state = 'sent' AND at_ms < ?"
            sqlite.execute(f"DELETE FROM redrives WHERE chunk IN (SELECT id FROM chunks WHERE {old})", (before_ms,))  # noqa: S608
            sqlite.execute(f"DELETE FROM chunks WHERE {old}", (before_ms,))  # noqa: S608

    def close(self) -> None:
        """Release the file."""
        self._db.close()
