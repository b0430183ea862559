"""Deduplication: an event whose (source, messageId) was seen within the configured window is a duplicate.

One SQLite file per events partition keeps the offset at which each pair was first seen. A record is a duplicate only
of a *lower* offset, so a record read again after a crash is never a duplicate of itself. The store follows the log:
one that was lost, or is behind the position being resumed, is filled from the log before reading starts.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from flows.topics.interface import EVENTS, PositionLost, Record, Topics
from model.events.envelope import UnreadableRecord
from model.events.event import from_record
from model.events.ids import event_key

FILL_RECORDS = 1_000  # per read when a store is filled from the log
FILL_BYTES = 4 * 1024 * 1024
KEYS_PER_QUERY = 500  # far below SQLite's limit of variables; longer lists are not faster


class DedupStore:
    """First-seen offsets of one events partition: one table per time bucket, dropped when the bucket is too old."""

    def __init__(self, path: Path, *, window_seconds: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._window_ms = window_seconds * 1_000
        # Four buckets per window. A bucket is kept for one bucket length past the window, so that records read again
        # after a crash get the same answers as the first time.
        self._bucket_ms = max(1_000, self._window_ms // 4)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS covered (id INTEGER PRIMARY KEY CHECK (id = 0), next_offset INTEGER)"
        )
        self._buckets = self._tables()

    @property
    def next_offset(self) -> int:
        """The store holds every record below this offset that is within the window."""
        row = self._db.execute("SELECT next_offset FROM covered").fetchone()
        return row[0] if row else 0

    def first_seen(self, records: Sequence[tuple[bytes, int, int]]) -> list[int]:
        """For records (key, offset, appended_ms) in log order, return the offset at which each key was first seen.

        A record whose own offset is returned is not a duplicate. Durable against kill -9 on return.
        """
        if not records:
            return []
        now_ms = records[-1][2]
        known = self._lookup([key for key, _, _ in records])
        new: dict[int, list[tuple[bytes, int, int]]] = {}
        answers = []
        for key, offset, appended_ms in records:
            seen = known.setdefault(key, [])
            first = min((at for at, ms in seen if at < offset and appended_ms - ms <= self._window_ms), default=offset)
            if first == offset:
                seen.append((offset, appended_ms))
                new.setdefault(appended_ms // self._bucket_ms, []).append((key, offset, appended_ms))
            answers.append(first)
        self._store(new, records[-1][1] + 1, now_ms)
        return answers

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _lookup(self, keys: list[bytes]) -> dict[bytes, list[tuple[int, int]]]:
        # From every bucket: a key older than the window may stand beside a newer entry.
        known: dict[bytes, list[tuple[int, int]]] = {}
        for bucket in self._buckets:
            for start in range(0, len(keys), KEYS_PER_QUERY):
                part = keys[start : start + KEYS_PER_QUERY]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(f"SELECT key, offset, seen_ms FROM seen_{bucket} WHERE key IN ({marks})", part)  # noqa: S608
                for key, offset, seen_ms in rows:
                    known.setdefault(key, []).append((offset, seen_ms))
        return known

    def _store(self, new: dict[int, list[tuple[bytes, int, int]]], next_offset: int, now_ms: int) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for bucket, rows in new.items():
                if bucket not in self._buckets:
                    self._db.execute(
                        f"CREATE TABLE IF NOT EXISTS seen_{bucket}"
                        " (key BLOB PRIMARY KEY, offset INTEGER, seen_ms INTEGER)"
                        " WITHOUT ROWID"
                    )
                    self._buckets.add(bucket)
                self._db.executemany(f"INSERT OR REPLACE INTO seen_{bucket} VALUES (?, ?, ?)", rows)  # noqa: S608
            for bucket in [b for b in self._buckets if (b + 2) * self._bucket_ms < now_ms - self._window_ms]:
                self._db.execute(f"DROP TABLE IF EXISTS seen_{bucket}")
                self._buckets.discard(bucket)
            self._db.execute(
                "INSERT INTO covered VALUES (0, ?) ON CONFLICT (id) DO UPDATE SET next_offset = max(next_offset, ?)",
                (next_offset, next_offset),
            )
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def _tables(self) -> set[int]:
        rows = self._db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'seen!_%' ESCAPE '!'"
        )
        return {int(name.removeprefix("seen_")) for (name,) in rows}


class DedupStores:
    """The dedup stores of the events partitions that this process reads."""

    def __init__(self, topics: Topics, directory: Path, *, window_seconds: int, clock: Callable[[], int]) -> None:
        self._topics = topics
        self._directory = directory
        self._window_seconds = window_seconds
        self._clock = clock
        self._stores: dict[int, DedupStore] = {}

    def first_seen(self, partition: int, records: Sequence[tuple[bytes, int, int]]) -> list[int]:
        """As `DedupStore.first_seen`, in the partition's store, which is filled first if it is behind."""
        if not records:
            return []
        store = self._stores.get(partition)
        if store is None:
            path = self._directory / f"{partition}.sqlite"
            store = self._stores[partition] = DedupStore(path, window_seconds=self._window_seconds)
            self._fill(store, partition, up_to=records[0][1])
        return store.first_seen(records)

    def close(self) -> None:
        """Release the files."""
        for store in self._stores.values():
            store.close()

    def _fill(self, store: DedupStore, partition: int, *, up_to: int) -> None:
        oldest = self._topics.offset_at(EVENTS, partition, self._clock() - self._window_seconds * 1_000)
        position = max(oldest, store.next_offset)
        if position >= up_to:
            return
        reader = self._topics.reader(EVENTS, partition, position)
        while reader.position < up_to:
            try:
                records = reader.read(min(FILL_RECORDS, up_to - reader.position), FILL_BYTES)
            except PositionLost as lost:  # retention deleted records meanwhile; they are older than the window
                reader.close()
                reader = self._topics.reader(EVENTS, partition, max(lost.earliest, reader.position + 1))
                continue
            store.first_seen([keyed for record in records if (keyed := dedup_key(record)) is not None])
        reader.close()


def dedup_key(record: Record) -> tuple[bytes, int, int] | None:
    """The arguments of `first_seen` for a record; None for an unreadable one."""
    try:
        event = from_record(record.value)
    except UnreadableRecord:
        return None
    return event_key(event.source, event.message_id), record.offset, record.appended_ms
