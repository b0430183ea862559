"""The workspace: sources, destinations, connections, and the settings of the deployment.

This is the schema of ``workspace.yaml``. `model.workspace.reader` makes a `Workspace` from the text of the file and
checks the rules across fields; a `Workspace` made directly skips those checks.
"""

import json
from typing import Any, Literal

from model.alerts.channels import AlertsConfig
from model.config.fields import FormerIds, Name, Slug, WriteKeys
from model.config.section import Section
from model.destinations.catalogue import AnyDestination, StorageDestination
from model.destinations.destination import HttpDestination
from model.workspace.connections import Connection
from model.workspace.permissions import User, hash_of
from model.workspace.settings import (
    DeliveryConfig,
    DiskConfig,
    IngestConfig,
    RedactionConfig,
    RetentionConfig,
    StoreConfig,
    TopicsConfig,
)


class Source(Section):
    """Something that sends events: a site, an app, a server."""

    id: Slug
    """Short name used in reports and connections: lower-case letters, digits, '_' and '-'."""
    was: FormerIds = ()
    """Its former id, or several: events received under it are routed as events of this source."""
    name: Name = ""
    """Name for people; not given: the id."""
    enabled: bool = True
    """false: events with its write keys are refused."""
    write_keys: WriteKeys
    """What its SDK authenticates with; several, so that a key can be replaced without a gap. ${NAME} is allowed."""


class Workspace(Section):
    """The whole file."""

    version: Literal[1]
    """Format of this file."""
    topics: TopicsConfig = TopicsConfig()
    store: StoreConfig = StoreConfig()
    ingest: IngestConfig = IngestConfig()
    sources: tuple[Source, ...] = ()
    destinations: tuple[AnyDestination, ...] = ()
    connections: tuple[Connection, ...] = ()
    users: tuple[User, ...] = ()
    alerts: AlertsConfig = AlertsConfig()
    delivery: DeliveryConfig = DeliveryConfig()
    redaction: RedactionConfig = RedactionConfig()
    retention: RetentionConfig = RetentionConfig()
    disk: DiskConfig = DiskConfig()

    def http_destinations(self) -> dict[str, HttpDestination]:
        """Return the destinations Waybill delivers to, by id."""
        return {d.id: d for d in self.destinations if isinstance(d, HttpDestination)}

    def sources_by_write_key(self) -> dict[str, Source]:
        """Return the source of each write key; disabled sources included."""
        return {key.value: source for source in self.sources for key in source.write_keys}

    def user_of(self, token: str) -> User | None:
        """Return the user of an API token."""
        known = hash_of(token)
        return next((user for user in self.users if known in user.token_hashes), None)

    def not_reportable(self) -> list[tuple[Connection, str]]:
        """Return the connections that Waybill does not deliver, each with the reason."""
        storage = {d.id: d.type for d in self.destinations if isinstance(d, StorageDestination)}
        reasons = []
        for connection in self.connections:
            if connection.destination in storage:
                reasons.append((connection, f"{storage[connection.destination]} is loaded in bulk, not event by event"))
            elif connection.mode == "device":
                reasons.append((connection, "device mode: the SDK sends it directly from the device"))
        return reasons


def workspace_schema() -> dict[str, Any]:
    """Return the JSON Schema of the workspace file."""
    schema = Workspace.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Waybill workspace"}


def workspace_schema_text() -> str:
    """Return the schema as published for editors in ``workspace.schema.json``."""
    return json.dumps(workspace_schema(), indent=2, ensure_ascii=False) + "\n"
