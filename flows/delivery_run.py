"""One run of the delivery flow in this process: its parts, made from an installation, and their end."""

import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event as StopEvent

from bytewax.dataflow import Dataflow

from flows.calls import CallLoop
from flows.clock import wall_clock_ms
from flows.delivery import FLOW, SOURCES, delivery_flow
from flows.desk import Desk, DestinationDesk
from flows.duplicates import DuplicateStores
from flows.held import Held
from flows.installation import Installation
from flows.journal import JOURNAL_FILE, Journal
from flows.lane import Lane
from flows.positions import start_of
from flows.router import Route, Router
from flows.ticks import TickBook
from flows.topic_sink import TopicSink
from flows.topic_source import Reading, TopicSource
from flows.topics import OUTCOMES
from model.delivery import Delivery
from model.redaction import Redactor
from model.rungs import RUNG_OF_TOPIC
from model.sampling import Sampler
from model.schedule import RETRY_AFTER_LIMIT_MS
from model.workspace import WebhookDestination, Workspace
from sinks.addresses import AddressGuard
from sinks.http import HttpRequest
from sinks.pyreqwest_engine import PyreqwestEngine
from sinks.webhook import WebhookSettings, build_request


@dataclass(frozen=True, slots=True)
class DeliveryRun:
    """A flow ready to run, and what must be closed after it."""

    flow: Dataflow
    calls: CallLoop
    journal: Journal
    duplicates: DuplicateStores

    def close(self, clean: bool) -> None:
        """Release everything; ``clean`` says that the flow ended by itself, all of it in its last snapshot."""
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
    router = Router(
        routes=routes_of(workspace),
        lanes=config.lanes,
        duplicates=duplicates,
        journal=journal,
        fences=fences,
        run=run,
        clock=clock,
    )
    policy = config.retry_policy()
    calls = CallLoop(lambda: PyreqwestEngine(AddressGuard(config.allow_addresses)), clock)
    desk = Desk(
        run=run,
        clock=clock,
        random=random.Random().random,  # noqa: S311 (jitter, not a secret)
        destinations={name: destination_desk(webhook) for name, webhook in workspace.webhooks().items()},
        off=router.off,
        policy=policy,
        setup_probe_ms=round(config.setup_probe_seconds * 1_000),
        max_wait_in_room_ms=round(config.max_wait_in_room_seconds * 1_000),
        held=held,
        calls=calls,
        ticks=TickBook(parts, lanes=config.lanes, run=run, clock=clock),
        sampler=Sampler(),
        redactor=Redactor(workspace.secret_values()),
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
            may_read=lambda: held.room,
            before_reading=journal.reading,
            progress_ms=progress_ms,
        )
        rung = RUNG_OF_TOPIC.get(topic)
        if rung is not None:
            reading = reading.ripening(rung.wait_ms, lambda ms: rung.earliest_due_ms(ms, longest_wait_ms))
        return TopicSource(reading)

    flow = delivery_flow(source, router, lambda resume_state: Lane(desk, resume_state), TopicSink(topics))
    return DeliveryRun(flow, calls, journal, duplicates)


def routes_of(workspace: Workspace) -> dict[str, tuple[Route, ...]]:
    """The connections Waybill delivers, by source; those in device mode or to storage are not its to count."""
    elsewhere = {(connection.source, connection.destination) for connection, _ in workspace.not_reportable()}
    webhooks = workspace.webhooks()
    routes: dict[str, tuple[Route, ...]] = {}
    for connection in workspace.connections:
        if (connection.source, connection.destination) in elsewhere:
            continue
        off = None
        if not webhooks[connection.destination].enabled:
            off = "DESTINATION_DISABLED"
        elif not connection.enabled:
            off = "CONNECTION_DISABLED"
        routes[connection.source] = (*routes.get(connection.source, ()), Route(connection.destination, off))
    return routes


def destination_desk(webhook: WebhookDestination) -> DestinationDesk:
    """A destination with its secrets in place, for requests only."""
    settings = WebhookSettings(
        url=webhook.url.value,
        method=webhook.method,
        headers=webhook.request_headers(),
        timeout_seconds=webhook.timeout_seconds,
    )

    def request(delivery: Delivery) -> HttpRequest:
        return build_request(settings, delivery.event, delivery.delivery_id)

    return DestinationDesk(build_request=request, concurrency=webhook.concurrency)
