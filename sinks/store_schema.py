"""The schema of the store: migrations and views as they stand in ``sql/``, retention, and the catalogue of reasons."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from clickhouse_migrations.connection import ClickhouseConnectConnection  # type: ignore[import-untyped]
from clickhouse_migrations.exceptions import MigrationException  # type: ignore[import-untyped]
from clickhouse_migrations.migration import MigrationStorage  # type: ignore[import-untyped]
from clickhouse_migrations.migrator import Migrator  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from sinks.store import Store

SQL = Path(__file__).resolve().parent.parent / "sql"
# What a table's retention counts from.
RETAINED = {
    "facts": "toDateTime(received_at)",
    "samples": "toDateTime(received_at)",
    "minutes": "minute",
    "hours": "hour",
}
_RETENTION = re.compile(r"\bTTL .*?toIntervalSecond\((\d+)\)")
_VIEW = re.compile(r"^CREATE (?:OR REPLACE )?VIEW (?:IF NOT EXISTS )?(\w+) AS$(.*?);$", re.MULTILINE | re.DOTALL)
_PARAMETER = re.compile(r"\{(\w+):([\w()]+)\}")


class Reason(Protocol):
    """What the store keeps of a reason code (model.codes)."""

    @property
    def code(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def retryable(self) -> bool: ...
    @property
    def description(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def link(self) -> str: ...


class MigrationFailed(Exception):
    """The schema could not be brought up to date; the text says which migration and why."""


def read_views(directory: Path) -> dict[str, dict[str, str]]:
    """Return the parameters (name to ClickHouse type) of every view the migrations create; a later one replaces."""
    views: dict[str, dict[str, str]] = {}
    for path in sorted(directory.glob("*.sql")):
        for name, body in _VIEW.findall(path.read_text(encoding="utf-8")):
            views[name] = dict(_PARAMETER.findall(body))
    return views


VIEWS = read_views(SQL)


def migrate(store: "Store", retention_seconds: Mapping[str, int], reasons: Iterable[Reason]) -> int:
    """Bring the schema up to date and return how many migrations that took; doing it twice is harmless.

    ``retention_seconds`` is by table (`RETAINED`); tables not named keep theirs. Raises `MigrationFailed`, and
    `sinks.store.StoreUnavailable`.
    """
    with store.client() as client:
        migrator = Migrator(ClickhouseConnectConnection(client))
        try:
            migrator.init_schema()
            incoming = MigrationStorage(SQL).migrations()
            missing = len(migrator.migrations_to_apply(incoming))
            migrator.apply_migration(incoming, True)
        except MigrationException as error:
            raise MigrationFailed(f"{store.name}: {error}") from error
        for table, seconds in retention_seconds.items():
            if table not in RETAINED or seconds <= 0:
                raise ValueError(f"retention of {table!r}: tables are {', '.join(RETAINED)}, seconds more than 0")
            statement = str(client.command(f"SHOW CREATE TABLE {table}")).replace("\\n", " ").replace("\n", " ")
            found = _RETENTION.search(statement)
            if found is None or int(found[1]) != seconds:
                client.command(f"ALTER TABLE {table} MODIFY TTL {RETAINED[table]} + toIntervalSecond({seconds:d})")
    columns = ("code", "severity", "owner", "retryable", "description", "action", "link")
    refused = store.insert("reasons", [{name: getattr(reason, name) for name in columns} for reason in reasons])
    if refused:
        raise MigrationFailed(f"{store.name}: reason {refused[0].row.get('code')!r} was refused: {refused[0].reason}")
    return missing
