"""One run of the delivery flow in this process: its parts, made from an installation, and their end."""

import logging
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from threading import Event as StopEvent

from bytewax.dataflow import Dataflow

from flows.calls import CallLoop
from flows.clock import wall_clock_ms
from flows.delivery import FLOW, SOURCES, delivery_flow
from flows.desk import Desk
from flows.duplicates import DuplicateStores
from flows.functions.host import FunctionHost
from flows.held import Held
from flows.installation import Installation
from flows.journal import JOURNAL_FILE, Journal
from flows.lane import Lane
from flows.live_workspace import LiveWorkspace
from flows.positions import start_of
from flows.router import Router
from flows.shipping import Shipper
from flows.ticks import TickBook
from flows.topic_sink import TopicSink
from flows.topic_source import Reading, TopicSource
from flows.topics import EVENTS, OUTCOMES
from flows.workspace_versions import VERSIONS_FILE, WorkspaceVersions
from model.rungs import RUNG_OF_TOPIC
from model.sampling import Sampler
from model.schedule import RETRY_AFTER_LIMIT_MS
from model.workspace import Workspace
from sinks.addresses import AddressGuard
from sinks.pyreqwest_engine import PyreqwestEngine

log = logging.getLogger("waybill")


@dataclass(frozen=True, slots=True)
class DeliveryRun:
    """A flow ready to run, and what must be closed after it."""

    flow: Dataflow
    calls: CallLoop
    journal: Journal
    duplicates: DuplicateStores
    versions: WorkspaceVersions
    functions: FunctionHost
    live: LiveWorkspace

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
    installation: Installation,
    stop: StopEvent,
    *,
    clock: Callable[[], int] = wall_clock_ms,
    progress_ms: int = 10_000,
) -> DeliveryRun:
    """Make the parts of one run. Reads the journal of the run before, so call it once per run."""
    workspace, topics = installation.workspace, installation.topics
    config = workspace.delivery
    run = secrets.token_hex(8)
    journal = Journal(installation.recovery(FLOW) / JOURNAL_FILE)
    parts = [(topic, partition) for topic in SOURCES for partition in range(topics.partitions(topic))]
    # What the log holds now may have been handled, its facts said, by the run before, unless that one stopped cleanly.
    fences = journal.fences({part: topics.bounds(*part)[1] for part in parts})
    held = Held(max_deliveries=config.max_held_deliveries, max_bytes=config.max_held_bytes, clock=clock)
    duplicates = DuplicateStores(
        topics, installation.data / "duplicates", window_seconds=config.duplicate_window_seconds, clock=clock
    )
    next_offsets = {}
    for partition in range(topics.partitions(EVENTS)):
        end = topics.bounds(EVENTS, partition)[1]
        next_offsets[partition] = min(journal.horizon(EVENTS, partition), end)
    versions = WorkspaceVersions(installation.recovery(FLOW) / VERSIONS_FILE, workspace, next_offsets)
    router = Router(
        versions=versions,
        lanes=config.lanes,
        duplicates=duplicates,
        journal=journal,
        fences=fences,
        run=run,
        clock=clock,
    )
    policy = config.retry_policy()
    functions = FunctionHost(show=lambda line: log.info("insert function: %s", versions.current.redactor.text(line)))

    def shipper() -> Shipper:
        engine = PyreqwestEngine(AddressGuard(config.allow_addresses))
        return Shipper(configuration=lambda: versions.current, engine=engine, functions=functions, clock=clock)

    calls = CallLoop(shipper, clock)
    desk = Desk(
        run=run,
        clock=clock,
        random=random.Random().random,  # noqa: S311 (jitter, not a secret)
        configuration=lambda: versions.current,
        setup_probe_ms=round(config.setup_probe_seconds * 1_000),
        max_wait_in_room_ms=round(config.max_wait_in_room_seconds * 1_000),
        held=held,
        calls=calls,
        ticks=TickBook(parts, lanes=config.lanes, run=run, clock=clock),
        sampler=Sampler(),
        restored_after_crash=not journal.clean,
        outcomes_partitions=topics.partitions(OUTCOMES),
    )
    start = start_of(topics, FLOW)
    longest_wait_ms = max(round(policy.max_wait_ms * (1 + policy.jitter)), RETRY_AFTER_LIMIT_MS)

    def source(topic: str) -> TopicSource:
        reading = Reading(
            topics=topics,
            topic=topic,
            clock=clock,
            stop=stop,
            start=start,
            # An event becomes as many deliveries as its source has connections; on the rungs each is one.
            may_read=(lambda: ceil(held.room / versions.current.fan_out)) if topic == EVENTS else lambda: held.room,
            before_reading=journal.reading,
            progress_ms=progress_ms,
        )
        rung = RUNG_OF_TOPIC.get(topic)
        if rung is not None:
            reading = reading.ripening(rung.wait_ms, lambda ms: rung.earliest_due_ms(ms, longest_wait_ms))
        return TopicSource(reading)

    flow = delivery_flow(source, router, lambda resume_state: Lane(desk, resume_state), TopicSink(topics))
    made = DeliveryRun(flow, calls, journal, duplicates, versions, functions, installation.live)
    installation.live.listen(made.reload)
    return made
