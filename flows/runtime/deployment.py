"""A deployment: its workspace, data directory and topics. Opened once per process and passed to everything else."""

from dataclasses import dataclass
from pathlib import Path

from flows.engine.clock import wall_clock_ms
from flows.topics.factory import open_topics
from flows.topics.interface import DEAD_LETTERS, EVENTS, MINUTES, OUTCOMES, Topics, TopicSpec
from flows.workspace.live import CurrentWorkspace
from model.delivery.retry_tiers import RETRY_TIERS
from model.destinations.catalogue import ALL_REASONS
from model.workspace.settings import DAY_SECONDS
from model.workspace.workspace import Workspace
from sinks.clickhouse.schema import RETAINED, migrate
from sinks.clickhouse.store import Store


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the flows and the console share."""

    live: CurrentWorkspace
    data: Path
    topics: Topics

    @property
    def workspace(self) -> Workspace:
        """The active version of the workspace."""
        return self.live.current

    @property
    def store_url(self) -> str:
        """URL of the store that facts and minutes are written to."""
        return store_url(self.workspace, self.data)

    def recovery(self, flow: str) -> Path:
        """Recovery directory of a flow."""
        return self.data / "recovery" / flow


def open_deployment(workspace: Workspace, data: Path) -> Deployment:
    """Open the topics and the data directory, creating what is missing."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = workspace.topics
    topics = open_topics(
        config.url or f"sqlite:///{(data / 'topics').absolute()}",
        fsync=config.fsync,
        disk_budget_bytes=workspace.disk.topics_budget_bytes,
        clock=wall_clock_ms,
        kafka=config.kafka_settings(),
        replication=config.replication,
    )
    topics.create(topic_specs(workspace))
    return Deployment(CurrentWorkspace(workspace), data, topics)


def store_url(workspace: Workspace, data: Path) -> str:
    """The workspace's store, by default chDB under the data directory."""
    configured = workspace.store.url
    return configured.value if configured else f"chdb:///{(data / 'store').absolute()}"


def store_retention_seconds(workspace: Workspace) -> dict[str, int]:
    """How long each table of the store keeps its rows."""
    kept = workspace.retention.store
    return {table: getattr(kept, days) * DAY_SECONDS for table, (_, days) in RETAINED.items()}


def migrate_store(deployment: Deployment, store: Store) -> int:
    """Bring the store's schema up to date; returns how many migrations were applied.

    Raises `sinks.clickhouse.store.StoreError` and `sinks.clickhouse.schema.MigrationFailed`.
    """
    workspace = deployment.workspace
    return migrate(store, store_retention_seconds(workspace), ALL_REASONS, workspace.store.cluster)


def topic_specs(workspace: Workspace) -> list[TopicSpec]:
    """Every topic with the workspace's retention."""
    retention = workspace.retention
    seconds = {
        EVENTS: retention.events_seconds,
        OUTCOMES: retention.outcomes_seconds,
        DEAD_LETTERS: retention.dead_letters_seconds,
        MINUTES: retention.minutes_seconds,
        **{tier.topic: retention.retries_seconds for tier in RETRY_TIERS},
    }
    return [TopicSpec(name, workspace.topics.partitions, kept) for name, kept in seconds.items()]
