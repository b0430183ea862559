"""One run of the delivery flow in this process: its parts, made from an installation, and their end."""

import logging
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from threading import Event as StopEvent

from bytewax.dataflow import Dataflow

from flows.delivery.budget import InFlightBudget
from flows.delivery.context import ShardContext
from flows.delivery.dataflow import FLOW, SOURCES, delivery_flow
from flows.delivery.dedup import DuplicateStores
from flows.delivery.http_loop import HttpLoop
from flows.delivery.removals import Removals
from flows.delivery.replay_marks import REPLAY_MARKS_DIRECTORY, ReplayMarks
from flows.delivery.router import Router
from flows.delivery.sender import BatchSender
from flows.delivery.shard import Shard
from flows.delivery.versions import VERSIONS_DIRECTORY, WorkspaceVersions
from flows.engine.clock import wall_clock_ms
from flows.engine.epochs import EpochAligner
from flows.engine.sharding import WorkerShare
from flows.functions.host import FunctionHost
from flows.runtime.installation import Deployment
from flows.runtime.positions import start_offset
from flows.runtime.recovery import log_id
from flows.topics.interface import EVENTS, OUTCOMES
from flows.topics.sink import TopicSink
from flows.topics.source import SourceConfig, TopicSource
from flows.workspace.live import CurrentWorkspace
from flows.workspace.outbound import outbound_of
from model.delivery.retry_tiers import TIER_OF_TOPIC
from model.delivery.sampling import Sampler
from model.http.failure import RETRY_AFTER_LIMIT_MS, FailureClass
from model.workspace.workspace import Workspace
from sinks.http.pyreqwest_engine import PyreqwestEngine
from sinks.http.ssrf_guard import SsrfGuard

log = logging.getLogger("waybill")


@dataclass(frozen=True, slots=True)
class DeliveryRun:
    """A flow ready to run, and what must be closed after it."""

    flow: Dataflow
    calls: HttpLoop
    journal: ReplayMarks
    duplicates: DuplicateStores
    versions: WorkspaceVersions
    functions: FunctionHost
    live: CurrentWorkspace

    def reload(self, workspace: Workspace) -> None:
        """Put a changed workspace in force: for events not yet read, and for every delivery's next attempt."""
        self.versions.change(workspace)
        self.functions.reload()

    def close(self, clean: bool) -> None:
        """Release everything; ``clean`` says that the flow ended by itself, all of it in its last snapshot."""
        self.live.forget(self.reload)
        self.calls.close()
        self.duplicates.close()
        if clean:
            self.journal.stopped()


def prepare(
    installation: Deployment,
    stop: StopEvent,
    *,
    clock: Callable[[], int] = wall_clock_ms,
    progress_ms: int = 10_000,
    share: WorkerShare = WorkerShare(),  # noqa: B008 (frozen)
    connected: Callable[[], None] = lambda: None,
) -> DeliveryRun:
    """Make the parts of a run in this process. ``connected`` is called when all processes of the run are there."""
    workspace, topics = installation.workspace, installation.topics
    config = workspace.delivery
    run = secrets.token_hex(8)
    recovery = installation.recovery(FLOW)
    journal = ReplayMarks(
        recovery / REPLAY_MARKS_DIRECTORY, lambda topic, partition: topics.bounds(topic, partition)[1]
    )
    parts = [(topic, partition) for topic in SOURCES for partition in range(topics.partitions(topic))]
    budget = InFlightBudget(max_deliveries=config.max_held_deliveries, max_bytes=config.max_held_bytes, clock=clock)
    duplicates = DuplicateStores(
        topics, installation.data / "duplicates", window_seconds=config.duplicate_window_seconds, clock=clock
    )
    versions = WorkspaceVersions(recovery / VERSIONS_DIRECTORY, workspace)
    router = Router(
        versions=versions,
        shards=config.shards,
        share=share,
        duplicates=duplicates,
        journal=journal,
        log=log_id(topics, FLOW),
        run=run,
        clock=clock,
        look=installation.live.look,
    )
    policy = config.retry_policy()
    outbound = outbound_of(config)
    functions = FunctionHost(show=lambda line: log.info("insert function: %s", versions.current.redactor.text(line)))

    def sender() -> BatchSender:
        engine = PyreqwestEngine(SsrfGuard(config.allow_addresses), outbound)
        return BatchSender(
            configuration=lambda: versions.current,
            engine=engine,
            functions=functions,
            clock=clock,
            removed=FailureClass.THROTTLE,  # it comes back to its shard, which keeps it for a while
        )

    calls = HttpLoop(sender, clock)
    context = ShardContext(
        run=run,
        clock=clock,
        random=random.Random().random,  # noqa: S311 (jitter, not a secret)
        configuration=lambda: versions.current,
        setup_probe_ms=round(config.setup_probe_seconds * 1_000),
        max_wait_in_queue_ms=round(config.max_wait_in_queue_seconds * 1_000),
        budget=budget,
        calls=calls,
        parts=tuple(parts),
        shards=config.shards,
        sampler=Sampler(),
        open_shard=journal.open_shard,
        outcomes_partitions=topics.partitions(OUTCOMES),
        removals=Removals(lambda: round(versions.current.workspace.delivery.keep_removed_seconds * 1_000)),
    )
    start = start_offset(topics, FLOW)
    longest_wait_ms = max(round(policy.max_wait_ms * (1 + policy.jitter)), RETRY_AFTER_LIMIT_MS)

    def opening(topic: str, partition: int, resumed: bool) -> None:
        journal.open(topic, partition, resumed=resumed)
        if topic == EVENTS:
            versions.open(partition, min(journal.horizon(topic, partition), topics.bounds(topic, partition)[1]))
        connected()

    def source(topic: str) -> TopicSource:
        reading = SourceConfig(
            topics=topics,
            topic=topic,
            clock=clock,
            stop=stop,
            start=start,
            # An event becomes as many deliveries as its source has connections; on the tiers each is one.
            budget_records=(lambda: ceil(budget.free / versions.current.fan_out))
            if topic == EVENTS
            else lambda: budget.free,
            opening=opening,
            before_reading=journal.reading,
            progress_ms=progress_ms,
        )
        tier = TIER_OF_TOPIC.get(topic)
        if tier is not None:
            reading = reading.with_delay(tier.wait_ms, lambda ms: tier.earliest_due_ms(ms, longest_wait_ms))
        return TopicSource(reading)

    epochs = EpochAligner(clock) if share.processes > 1 else None
    flow = delivery_flow(source, router, lambda resume_state: Shard(context, resume_state), TopicSink(topics), epochs)
    made = DeliveryRun(flow, calls, journal, duplicates, versions, functions, installation.live)
    installation.live.listen(made.reload)
    return made
