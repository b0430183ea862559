"""Deliver events: topics events and retries -> HTTP destinations -> topics outcomes, retries, dead_letters.

At least once; no order is promised. One outcome per delivery counts. Delivery never waits for monitoring.
"""

import logging
import random
import secrets
from collections.abc import Callable
from math import ceil
from threading import Event as StopEvent
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream

from flows.delivery.budget import InFlightBudget
from flows.delivery.context import Removals, ShardContext
from flows.delivery.routing.dedup import DedupStores
from flows.delivery.routing.replay_marks import REPLAY_MARKS_DIRECTORY, ReplayMarks
from flows.delivery.routing.router import Router, ShardItem
from flows.delivery.routing.versions import VERSIONS_DIRECTORY, WorkspaceVersions
from flows.delivery.sending import BatchSender, HttpLoop
from flows.delivery.shard import Shard
from flows.engine.clock import wall_clock_ms
from flows.engine.epochs import EpochAligner
from flows.engine.sharding import ShardBatch, WorkerShare
from flows.functions.host import FunctionHost
from flows.runtime.deployment import Deployment
from flows.runtime.recovery import log_id, start_offset
from flows.runtime.runner import RunnableFlow
from flows.runtime.worker import Worker, run_worker
from flows.topics.interface import EVENTS, OUTCOMES
from flows.topics.sink import OutgoingRecord, TopicSink
from flows.topics.source import SourceConfig, TopicSource, TopicsSource
from flows.workspace.outbound import outbound_of
from model.delivery.retry_tiers import RETRY_TIERS, TIER_OF_TOPIC
from model.delivery.sampling import Sampler
from model.http.failure import RETRY_AFTER_LIMIT_MS, FailureClass
from model.workspace.workspace import Workspace
from sinks.http.client import HttpClient
from sinks.http.ssrf_guard import SsrfGuard

FLOW = "delivery"
SOURCES = (EVENTS, *(tier.topic for tier in RETRY_TIERS))

log = logging.getLogger("waybill.delivery")


def delivery_flow(
    source: Callable[[str], TopicSource],
    router: Router,
    shard: Callable[[dict[str, Any] | None], Shard],
    sink: TopicSink,
    epochs: EpochAligner | None = None,
) -> Dataflow:
    """Wire the flow from its parts; ``source`` creates the source of a topic, ``shard`` a shard from its snapshot.

    ``epochs``: given if several processes share the flow.
    """
    flow = Dataflow(FLOW)
    items = op.input("topics", flow, TopicsSource({topic: source(topic) for topic in SOURCES}, epochs))
    # Sourced("events", Record(0, 17, 1763690000000, key, b'{"v":1,"source":"web"}\n{"type":"track",...}'))
    routed: KeyedStream[ShardBatch[ShardItem]] = op.flat_map_batch("route", items, router)
    # ("3.5", [QueuedDelivery(Delivery(destination="crm", ...), topic="events", partition=0, offset=17)])
    # ("0.3", [OutgoingRecord("outcomes", b"0:17", b'{"v":1,"kind":"received","routes":[["9f..","crm",""]],...}')])
    settled: KeyedStream[list[OutgoingRecord]] = op.stateful_batch("deliver", routed, shard)
    # ("3.5", [OutgoingRecord("outcomes", b"9f..", b'{"v":1,"kind":"outcome","state":"delivered",...}'),
    #        OutgoingRecord("retries.30s", b"9f..",
    # b'{"v":1,"delivery_id":"9f..","attempts":1,...}\n{"type":"track",...}')])
    homed: KeyedStream[list[OutgoingRecord]] = op.map("assign_local_partition", settled, sink.assign_local_partition)
    # ("5", [...]): appended by the process that produced them
    op.output("append", homed, sink)
    return flow


def prepare(
    deployment: Deployment,
    stop: StopEvent,
    *,
    clock: Callable[[], int] = wall_clock_ms,
    progress_ms: int = 10_000,
    share: WorkerShare = WorkerShare(),  # noqa: B008 (frozen)
    connected: Callable[[], None] = lambda: None,
) -> RunnableFlow:
    """Build the parts of one run in this process. ``connected`` is called when all its processes are connected."""
    workspace, topics = deployment.workspace, deployment.topics
    config = workspace.delivery
    run = secrets.token_hex(8)
    recovery = deployment.recovery(FLOW)
    replay_marks = ReplayMarks(
        recovery / REPLAY_MARKS_DIRECTORY, lambda topic, partition: topics.bounds(topic, partition)[1]
    )
    budget = InFlightBudget(
        max_deliveries=config.max_in_flight_deliveries, max_bytes=config.max_in_flight_bytes, clock=clock
    )
    dedup_stores = DedupStores(
        topics, deployment.data / "duplicates", window_seconds=config.duplicate_window_seconds, clock=clock
    )
    versions = WorkspaceVersions(recovery / VERSIONS_DIRECTORY, workspace)
    router = Router(
        versions=versions,
        shards=config.shards,
        share=share,
        dedup_stores=dedup_stores,
        replay_marks=replay_marks,
        log=log_id(topics, FLOW),
        run=run,
        clock=clock,
        reload_workspace=deployment.live.reload,
    )
    policy = config.retry_policy()
    functions = FunctionHost(show=lambda line: log.info("insert function: %s", versions.current.redactor.text(line)))
    sender = BatchSender(
        configuration=lambda: versions.current,
        engine=HttpClient(SsrfGuard(config.allow_addresses), outbound_of(config)),
        functions=functions,
        clock=clock,
        removed=FailureClass.THROTTLE,  # it returns to its shard, which keeps it for a while (see `Removals`)
    )
    calls = HttpLoop(sender)
    context = ShardContext(
        run=run,
        clock=clock,
        random=random.Random().random,  # noqa: S311 (jitter, not a secret)
        configuration=lambda: versions.current,
        setup_probe_ms=round(config.setup_probe_seconds * 1_000),
        max_wait_in_queue_ms=round(config.max_wait_in_queue_seconds * 1_000),
        budget=budget,
        calls=calls,
        parts=tuple((topic, partition) for topic in SOURCES for partition in range(topics.partitions(topic))),
        shards=config.shards,
        sampler=Sampler(),
        open_shard=replay_marks.open_shard,
        outcomes_partitions=topics.partitions(OUTCOMES),
        removals=Removals(lambda: round(versions.current.workspace.delivery.keep_removed_seconds * 1_000)),
    )
    start = start_offset(topics, FLOW)
    longest_wait_ms = max(round(policy.max_wait_ms * (1 + policy.jitter)), RETRY_AFTER_LIMIT_MS)

    def on_open(topic: str, partition: int, resumed: bool) -> None:
        replay_marks.open(topic, partition, resumed=resumed)
        if topic == EVENTS:
            versions.open(
                partition, min(replay_marks.max_read_offset(topic, partition), topics.bounds(topic, partition)[1])
            )
        connected()

    def source(topic: str) -> TopicSource:
        source_config = SourceConfig(
            topics=topics,
            topic=topic,
            clock=clock,
            stop=stop,
            start=start,
            # An event becomes as many deliveries as its source has connections; a retry record is one delivery.
            budget_records=(lambda: ceil(budget.free / versions.current.fan_out))
            if topic == EVENTS
            else lambda: budget.free,
            on_open=on_open,
            before_emit=replay_marks.extend,
            progress_ms=progress_ms,
        )
        tier = TIER_OF_TOPIC.get(topic)
        if tier is not None:
            source_config = source_config.with_delay(tier.wait_ms, lambda ms: tier.earliest_due_ms(ms, longest_wait_ms))
        return TopicSource(source_config)

    epochs = EpochAligner(clock) if share.processes > 1 else None
    flow = delivery_flow(source, router, lambda resume_state: Shard(context, resume_state), TopicSink(topics), epochs)

    def reload(changed: Workspace) -> None:
        """Activate a changed workspace: for events not yet read, and for the next attempt of every delivery."""
        versions.change(changed)
        functions.reload()

    def close(clean: bool) -> None:
        """Release everything; ``clean``: the flow ended normally, so its last snapshot holds all of its state."""
        deployment.live.unsubscribe(reload)
        calls.close()
        dedup_stores.close()
        if clean:
            replay_marks.mark_clean_stop()

    deployment.live.subscribe(reload)
    return RunnableFlow(flow, close)


def flow() -> Dataflow:
    """For ``python -m bytewax.run "flows.delivery:flow()"``; see `flows.runtime.worker`."""

    def make(deployment: Deployment, worker: Worker) -> RunnableFlow:
        return prepare(deployment, worker.stop, share=worker.share, connected=worker.connected)

    return run_worker(FLOW, make)
