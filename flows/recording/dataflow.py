"""Record facts: topic outcomes -> ClickHouse (facts, samples, watermark reports, minutes) and topic minutes.

A pure function of the log: recording it again writes the same rows, which replace the earlier ones.
"""

import logging
from collections.abc import Mapping, Sequence
from threading import Event as StopEvent
from typing import Any, Protocol, TypeGuard

import bytewax.operators as op
import orjson
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream
from bytewax.outputs import StatefulSinkPartition

from flows.engine.backoff import retry_forever
from flows.engine.clock import wall_clock_ms
from flows.engine.single_sink import SingleSink
from flows.recording.recorder import RebuildHours, Recorded, Recorder, StoreItem
from flows.recording.replays import FactLookup, ReplayDeduplicator, StoreLookup
from flows.runtime.deployment import Deployment, migrate_store
from flows.runtime.recovery import start_offset
from flows.runtime.runner import RunnableFlow
from flows.runtime.worker import Worker, run_worker
from flows.topics.interface import OUTCOMES, Producer, Record, TopicError
from flows.topics.records import dead_letter
from flows.topics.sink import OutgoingRecord, TopicSink
from flows.topics.source import Item, SourceConfig, SourcedRecord, TopicPartition, TopicSource
from model.durations import MINUTE_MS
from sinks.clickhouse.rows import RefusedRow
from sinks.clickhouse.store import Store, StoreUnavailable, open_store

FLOW = "recording"
# Watermark reports last: each one claims that everything before it is in the store.
TABLES = ("facts", "samples", "minutes", "minute_totals", "watermarks", "destination_states", "audit")

log = logging.getLogger("waybill.recording")


class OutcomesPartition(TopicPartition):
    """Resumes at the start of the open append minute, so that the whole minute is counted again."""

    def __init__(self, config: SourceConfig, partition: int, position: int) -> None:
        super().__init__(config, partition, position)
        self._minute_ms = -1
        self._minute_began = position

    def next_batch(self) -> Sequence[Item]:
        """Emit the next batch, noting where append minutes start."""
        items = super().next_batch()
        for item in items:
            if isinstance(item, SourcedRecord):
                minute_ms = item.record.appended_ms // MINUTE_MS
                if minute_ms > self._minute_ms:
                    self._minute_ms, self._minute_began = minute_ms, item.record.offset
        return items

    def snapshot(self) -> int:
        """Offset of the first record of the open append minute."""
        return self._minute_began


class Tables(Protocol):
    """What the sink needs of a store."""

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> list[RefusedRow]:
        """Insert rows; return those refused for their content. Raises `StoreUnavailable`."""

    def rebuild_hours(self, log_partition: int, hours_ms: Sequence[int], through_ms: int) -> None:
        """Sum hours again. Raises `StoreUnavailable`."""


class StoreSinkPartition(StatefulSinkPartition[StoreItem, None]):
    """Buffers rows by table and inserts them in `snapshot`: one insert per table and epoch, acknowledged before its
    snapshot is committed. An unavailable store blocks recording, nothing else."""

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


def recording_flow(
    source: TopicSource, lookup: FactLookup, store: SingleSink[StoreItem], minutes: TopicSink
) -> Dataflow:
    """Wire the flow from its parts."""
    flow = Dataflow(FLOW)
    items = op.input("outcomes", flow, source)
    # Sourced("outcomes", Record(1, 88, 1763690000000, b"9f..", b'{"v":1,"kind":"outcome","state":"delivered",...}'))
    keyed: KeyedStream[Record] = op.flat_map("by_partition", items, by_partition)
    # ("1", Record(1, 88, 1763690000000, b"9f..", b'{"v":1,"kind":"outcome",...}'))
    recorded: KeyedStream[Recorded] = op.stateful_batch("record", keyed, lambda _: Recorder(ReplayDeduplicator(lookup)))
    # ("1", Row("facts", {"kind": "outcome", "state": "delivered", "count": 1, "log_offset": 88, ...}))
    # ("1", Row("minutes", {"minute": 1763690000, "status": "delivered", "count": 412, "latency": {"530": 3, ...}}))
    # ("1", OutgoingRecord("minutes", b"1", b'{"v":1,"append_minute_ms":1763690000000,"partition":1,"rows":[...]}'))
    branches = op.branch("rows_or_records", recorded, is_row)
    rows: KeyedStream[StoreItem] = branches.trues
    records: KeyedStream[list[OutgoingRecord]] = op.map_value("each", branches.falses, lambda output: [output])
    op.output("store", rows, store)
    op.output("append", records, minutes)
    return flow


def by_partition(item: Item) -> list[tuple[str, Record]]:
    """Key a record by its partition; drop progress items."""
    return [(str(item.record.partition), item.record)] if isinstance(item, SourcedRecord) else []


def is_row(keyed: tuple[str, Recorded]) -> TypeGuard[tuple[str, StoreItem]]:
    """Whether an item goes to the store."""
    return not isinstance(keyed[1], OutgoingRecord)


def prepare(deployment: Deployment, store: Store, stop: StopEvent) -> Dataflow:
    """Make the flow of one deployment, writing to ``store``."""
    topics = deployment.topics
    start = start_offset(topics, FLOW)
    config = SourceConfig(topics=topics, topic=OUTCOMES, clock=wall_clock_ms, stop=stop, start=start, drain=True)
    source = TopicSource(config, OutcomesPartition)
    sink = SingleSink(lambda: StoreSinkPartition(store, topics.producer()))
    return recording_flow(source, StoreLookup(store), sink, TopicSink(topics))


def flow() -> Dataflow:
    """For ``python -m bytewax.run "flows.recording:flow()"``; see `flows.runtime.worker`."""

    def make(deployment: Deployment, worker: Worker) -> RunnableFlow:
        store = open_store(deployment.store_url)
        migrate_store(deployment, store)
        return RunnableFlow(prepare(deployment, store, worker.stop), lambda clean: store.close())

    return run_worker(FLOW, make)
