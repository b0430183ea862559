"""Record facts: topic outcomes -> ClickHouse (facts, samples, watermark reports, minutes) and topic minutes.

A pure function of the log: recording it again writes the same rows, which replace the earlier ones.
"""

from collections.abc import Sequence
from threading import Event as StopEvent
from typing import TypeGuard

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream

from flows.engine.clock import wall_clock_ms
from flows.engine.single_sink import SingleSink
from flows.recording.recorder import Recorded, Recorder, StoreItem
from flows.recording.replays import FactLookup, ReplayDeduplicator, StoreLookup
from flows.recording.store_sink import StoreSinkPartition
from flows.runtime.deployment import Deployment, migrate_store
from flows.runtime.recovery import start_offset
from flows.runtime.runner import RunnableFlow
from flows.runtime.worker import Worker, run_worker
from flows.topics.interface import OUTCOMES, Record
from flows.topics.sink import OutgoingRecord, TopicSink
from flows.topics.source import Item, SourceConfig, SourcedRecord, TopicPartition, TopicSource
from model.durations import MINUTE_MS
from sinks.clickhouse.store import Store, open_store

FLOW = "recording"


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
