"""Rules over a real store: a workspace to name things of, people of every role, a clock, and what was audited."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from console.access import Caller
from console.alerts.channel_tester import ChannelTester
from console.alerts.rule_checks import RuleTargets
from console.alerts.rules import Rules
from console.api.services import Services, identify_by_token
from flows.runtime.deployment import Deployment
from flows.workspace.live import CurrentWorkspace
from model.alerts.channels import AlertsConfig
from model.alerts.rule import DeliveryRate, Rule
from model.recording.facts import Audited
from model.workspace.permissions import Role
from model.workspace.workspace import Workspace
from sinks.clickhouse.store import Store
from tests.kit.recording import BASE_MS
from tests.kit.workspaces import connection, webhook, workspace

TABLES = ("alert_rules", "alert_events", "alert_states", "alert_messages", "alert_channels")
ADA, BOB = Caller("ada", Role.WRITE), Caller("bob", Role.WRITE)
OWNER, READER = Caller("olga", Role.OWNER), Caller("rita", Role.READ)
SMTP = {"host": "mail.example.com", "security": "none", "from": "waybill@example.com"}
TEAM = {"id": "team", "type": "webhook", "url": "https://hooks.example.com/x"}
FILE_RULE = {"id": "file-rule", "kind": "failed-events", "name": "From the file", "destination": "crm"}


def empty(store: Store) -> Store:
    with store.client() as client:
        for table in TABLES:
            client.command(f"TRUNCATE TABLE {table}")
    return store


def rate(**settings: Any) -> Rule:
    values = {"kind": "delivery-rate", "name": "Arrives", "destination": "crm", "below_percent": 95, **settings}
    rule: Rule = DeliveryRate(**values)
    return rule


def example_workspace() -> Workspace:
    users = [
        {"id": "ada", "role": "write", "email": "ada@example.com"},
        {"id": "rita", "role": "read", "email": "rita@example.com"},
        {"id": "bob", "role": "write"},
    ]
    mapped = connection("web", "crm", mappings=[{"name": "orders"}])
    return workspace(
        [webhook("crm"), webhook("mail"), {"id": "lake", "type": "s3"}],
        [mapped, connection("ios", "mail", mode="device"), connection("web", "lake")],
        users=users,
    )


def config(*rules: dict[str, Any], smtp: bool = True) -> AlertsConfig:
    sections = {"channels": [TEAM], "rules": list(rules), **({"smtp": SMTP} if smtp else {})}
    return AlertsConfig.model_validate(
        {name: tuple(value) if isinstance(value, list) else value for name, value in sections.items()}
    )


@dataclass
class Kit:
    """``now_ms`` is the time; ``audited`` what was said."""

    store: Store
    alerts_config: AlertsConfig = field(default_factory=config)
    now_ms: int = BASE_MS
    audited: list[Audited] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def targets(self) -> RuleTargets:
        return RuleTargets(example_workspace(), self.alerts_config)

    def rules(self) -> Rules:
        return Rules(self.store, self.audited.append, self.targets, lambda: self.now_ms, lambda: f"r{next(self.ids)}")

    def services(self, live: CurrentWorkspace, owner_token: str, topics: Any = None) -> Services:
        new_id = lambda: f"{next(self.ids):032x}"  # noqa: E731
        return Services(
            identify=identify_by_token(owner_token, live),
            installation=Deployment(live, Path("unused"), topics),
            view=lambda name, parameters: self.store.view(name, **parameters),
            rules=self.rules(),
            tester=ChannelTester(self.store, self.audited.append, self.targets, lambda: self.now_ms, new_id),
            targets=self.targets,
            clock=lambda: self.now_ms,
        )
