"""Alert: topic minutes and rules -> alert events -> the outbox, which feeds the notification channels and the store.

Each closed minute is evaluated once, when the parts of all outcomes partitions have arrived.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream
from bytewax.outputs import StatefulSinkPartition

from flows.alerting.evaluation import Evaluation
from flows.alerting.notifications import messages_about
from flows.alerting.outbox import Outbox
from flows.alerting.store_queries import RuleRepository
from flows.alerting.workers import AlertWorkers
from flows.engine.backoff import retry_forever
from flows.engine.clock import wall_clock_ms
from flows.engine.error_capture import capture_errors
from flows.engine.single_sink import SingleSink
from flows.runtime.deployment import Deployment, migrate_store
from flows.runtime.recovery import start_offset
from flows.runtime.runner import RunnableFlow
from flows.runtime.worker import Worker, run_worker
from flows.sqlite.database import DatabaseError
from flows.topics.interface import MINUTES, OUTCOMES, Record
from flows.topics.source import Item, SourceConfig, SourcedRecord, TopicPartition, TopicSource
from model.alerts.alert_event import AlertEvent
from model.durations import HOUR_MS
from model.workspace.workspace import Workspace
from sinks.clickhouse.store import Store, StoreUnavailable, open_store

FLOW = "alerting"
MAX_LEAD_MS = HOUR_MS  # of a partition of topic minutes before the others
THE_KEY = "alerts"  # one state key: a window spans all partitions and cannot be divided
LONGEST_QUERY_SECONDS = 10.0  # a store that hangs must not delay alerts, which can do without it


class MinutesPartition(TopicPartition):
    """Waits while it is too far ahead of the other partitions, so that in a backlog few minutes wait for them."""

    def __init__(self, reached_ms: dict[int, int], config: SourceConfig, partition: int, position: int) -> None:
        """``reached_ms``: shared, the append time that each partition with unread records has reached."""
        super().__init__(config, partition, position)
        self._reached_ms = reached_ms

    @capture_errors
    def next_batch(self) -> Sequence[Item]:
        """Emit a batch, unless other partitions are far behind."""
        if not self._config.stop.is_set() and self._is_far_ahead():
            self._idle = True
            return []
        items = super().next_batch()
        records = [item.record for item in items if isinstance(item, SourcedRecord)]
        if records:
            self._reached_ms[self._partition] = records[-1].appended_ms
        else:
            self._reached_ms.pop(self._partition, None)  # a partition without records holds none back
        return items

    def close(self) -> None:
        """Release the reader."""
        self._reached_ms.pop(self._partition, None)
        super().close()

    def _is_far_ahead(self) -> bool:
        at_ms = self._reached_ms.get(self._partition)
        return at_ms is not None and at_ms > min(self._reached_ms.values()) + MAX_LEAD_MS


def minutes_source(config: SourceConfig) -> TopicSource:
    """All partitions of topic minutes."""
    reached_ms: dict[int, int] = {}
    return TopicSource(config, partial(MinutesPartition, reached_ms))


class OutboxSinkPartition(StatefulSinkPartition[AlertEvent, None]):
    """Writes to the outbox in `snapshot`, so that a position moves only past alert events that are stored."""

    def __init__(self, path: Path, workspace: Callable[[], Workspace]) -> None:
        self._outbox = Outbox(path)
        self._workspace = workspace
        self._alert_events: list[AlertEvent] = []

    def write_batch(self, values: list[AlertEvent]) -> None:
        """Buffer."""
        self._alert_events.extend(values)

    def snapshot(self) -> None:
        """Return when the epoch's alert events and their messages are in the outbox."""
        if not self._alert_events:
            return
        messages = messages_about(self._alert_events, self._workspace())
        retry_forever(lambda: self._outbox.put(self._alert_events, messages), DatabaseError, "writing to the outbox")
        self._alert_events.clear()

    def close(self) -> None:
        """Release the file."""
        self._outbox.close()


def alerting_flow(
    source: TopicSource, evaluation: Callable[[dict[str, Any] | None], Evaluation], outbox: SingleSink[AlertEvent]
) -> Dataflow:
    """Wire the flow from its parts."""
    flow = Dataflow(FLOW)
    items = op.input("minutes", flow, source)
    # Sourced("minutes", Record(0, 88, 1763690065000, b"1", b'{"v":1,"append_minute_ms":1763690000000,...}'))
    bundles: KeyedStream[Record] = op.flat_map("bundles", items, to_the_key)
    # ("alerts", Record(0, 88, 1763690065000, b"1", b'{"v":1,"append_minute_ms":1763690000000,...}'))
    alert_events: KeyedStream[AlertEvent] = op.stateful_batch("evaluate", bundles, evaluation)
    # ("alerts", AlertEvent(rule_id="3f9c21d07a", change="fired", numerator=940, denominator=1000, ...))
    op.output("outbox", alert_events, outbox)
    return flow


def to_the_key(item: Item) -> list[tuple[str, Record]]:
    """Give all minute parts the one key; drop progress items."""
    return [(THE_KEY, item.record)] if isinstance(item, SourcedRecord) else []


def prepare(deployment: Deployment, store: Store, workers: AlertWorkers, stop: StopEvent) -> Dataflow:
    """Build the flow, which runs beside its ``workers``."""
    topics = deployment.topics
    config = SourceConfig(
        topics=topics, topic=MINUTES, clock=wall_clock_ms, stop=stop, start=start_offset(topics, FLOW)
    )
    partitions, knowledge = topics.partitions(OUTCOMES), RuleRepository(store)

    def evaluation(resume_state: dict[str, Any] | None) -> Evaluation:
        return Evaluation(
            partitions, knowledge, workers.workspace, wall_clock_ms, workers.dead_mans_switch.minute_seen, resume_state
        )

    sink = SingleSink(lambda: OutboxSinkPartition(workers.path, workers.workspace))
    return alerting_flow(minutes_source(config), evaluation, sink)


def flow() -> Dataflow:
    """For ``python -m bytewax.run "flows.alerting:flow()"``; see `flows.runtime.worker`."""

    def make(deployment: Deployment, worker: Worker) -> RunnableFlow:
        store = open_store(deployment.store_url, lazy=True)
        try:
            migrate_store(deployment, store)
        except StoreUnavailable:
            pass  # alerting does not wait for the store: the snapshot holds the rules, and notifications are sent
        workers = AlertWorkers(deployment, store, deployment.recovery(FLOW))
        bounded_store = store.with_timeout(LONGEST_QUERY_SECONDS)

        def close(clean: bool) -> None:
            workers.close()
            bounded_store.close()
            store.close()

        return RunnableFlow(prepare(deployment, bounded_store, workers, worker.stop), close)

    return run_worker(FLOW, make)
