"""Bytewax sink into the store: one insert per table and epoch, acknowledged before its snapshot is committed."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson
from bytewax.outputs import StatefulSinkPartition

from flows.engine.backoff import retry_forever
from flows.recording.recorder import RebuildHours, StoreItem
from flows.topics.interface import Producer, TopicError
from flows.topics.records import dead_letter
from sinks.clickhouse.rows import RefusedRow
from sinks.clickhouse.store import StoreUnavailable

log = logging.getLogger("waybill.recording")

# Watermark reports last: each one claims that everything before it is in the store.
TABLES = ("facts", "samples", "minutes", "minute_totals", "watermarks", "destination_states", "audit")


class Tables(Protocol):
    """What the sink needs of a store."""

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> list[RefusedRow]:
        """Insert rows; return those refused for their content. Raises `StoreUnavailable`."""

    def rebuild_hours(self, log_partition: int, hours_ms: Sequence[int], through_ms: int) -> None:
        """Sum hours again. Raises `StoreUnavailable`."""


class StoreSinkPartition(StatefulSinkPartition[StoreItem, None]):
    """Buffers rows by table and inserts them in `snapshot`. An unavailable store blocks recording, nothing else."""

    def __init__(self, store: Tables, producer: Producer) -> None:
        self._store = store
        self._producer = producer
        self._rows: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES}
        self._rebuilds: list[RebuildHours] = []

    def write_batch(self, values: list[StoreItem]) -> None:
        """Buffer."""
        for item in values:
            if isinstance(item, RebuildHours):
                self._rebuilds.append(item)
            else:
                self._rows[item.table].append(item.values)

    def snapshot(self) -> None:
        """Return after every row is in the store, or in a dead letter if the store refuses it."""
        for table, rows in self._rows.items():
            if rows:
                self._insert(table, rows)
                rows.clear()
        for rebuild in self._rebuilds:
            retry_forever(lambda todo=rebuild: self._store.rebuild_hours(*todo), StoreUnavailable, "rebuilding hours")  # type: ignore[misc]
        self._rebuilds.clear()

    def close(self) -> None:
        """Release the producer of dead letters."""
        self._producer.close()

    def _insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        refused = retry_forever(lambda: self._store.insert(table, rows), StoreUnavailable, f"inserting into {table}")
        for row in refused:
            letter = dead_letter(orjson.dumps(row.row), table.encode(), "ROW_REFUSED", f"{table}: {row.reason}")
            self._producer.send(*letter)
        if refused:
            log.error(
                "the store refused %(rows)d rows for %(table)s, see dead_letters: %(error)s",
                {"rows": len(refused), "table": table, "error": refused[0].reason},
            )
            retry_forever(self._producer.flush, TopicError, "appending refused rows to dead_letters")
