"""A sender over an outbox on disk, with scripted channels and a clock that stands; each `start` is a process' life."""

from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from flows.alerting.enrichment import NotificationEnricher
from flows.alerting.outbox import Outbox
from flows.alerting.sender import Sender
from model.alerts.alert_event import AlertEvent
from model.workspace.workspace import Workspace
from sinks.clickhouse.store import Store, StoreUnavailable
from tests.kit.alert_samples import NOW
from tests.kit.alerting import AtOnce, ScriptedChannel, example_workspace, put
from tests.kit.fakes import Clock


class Errors:
    """A store whose error groups are other ones each time it is asked, and which may be ``away``."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    def view(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        """As views error_details and error_samples."""
        if self.away:
            raise StoreUnavailable("the store is away")
        if name == "error_samples":
            return [{"message_id": f"m-{parameters['code']}"}]
        self.asked += 1
        about = {"destination": "crm", "code": "503", "message": f"look {self.asked}", "description": ""}
        return [about | {"deliveries": self.asked}]


@dataclass
class PostOffice:
    """``channels`` are those there are."""

    directory: Path
    workspace: Workspace = field(default_factory=example_workspace)
    clock: Clock = field(default_factory=lambda: Clock(NOW + 1_000))
    errors: Errors = field(default_factory=Errors)
    channels: dict[str, ScriptedChannel] = field(
        default_factory=lambda: {name: ScriptedChannel() for name in ("team", "ops", "email")}
    )

    def __post_init__(self) -> None:
        self.start()

    def start(self, executor: Executor | None = None) -> None:
        """A new process: nothing is remembered but the file."""
        self.outbox = Outbox(self.directory / "outbox.db")
        self.sender = Sender(
            self.outbox,
            lambda: self.workspace,
            lambda workspace: self.channels,
            NotificationEnricher(cast(Store, self.errors)),
            self.clock,
            executor or AtOnce(),
        )

    def put(self, *alert_events: AlertEvent) -> None:
        """Something to tell."""
        put(self.outbox, self.workspace, *alert_events)

    def work(self, *after_ms: int) -> None:
        """Let it work, each time so much later; without any, once and now."""
        for ms in after_ms or (0,):
            self.clock.advance(ms)
            self.sender.work()
        self.sender.collect_finished()

    def messages(self, channel: str) -> list[tuple[str, str]]:
        """State and code of the messages of a channel, oldest first."""
        found = sorted(self.outbox.unrecorded().messages, key=lambda row: (row.at_ms, row.id))
        return [(row.state, row.code) for row in found if row.channel == channel]

    def titles(self, channel: str) -> list[str]:
        """Titles of the messages of a channel."""
        return [row.notification.title for row in self.outbox.unrecorded().messages if row.channel == channel]
