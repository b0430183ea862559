"""The schema of the store: migrations of ``sql/``, views of ``sql/views/``, retention, and the catalogue of reasons.

On a cluster (one shard, any number of replicas) the same migrations create replicated tables on every replica.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_migrations.connection import ClickhouseConnectConnection  # type: ignore[import-untyped]
from clickhouse_migrations.exceptions import MigrationException  # type: ignore[import-untyped]
from clickhouse_migrations.migration import Migration, MigrationStorage  # type: ignore[import-untyped]
from clickhouse_migrations.migrator import Migrator  # type: ignore[import-untyped]
from clickhouse_migrations.util import quote_identifier  # type: ignore[import-untyped]

from model.reason_codes.reason import Reason
from sinks.clickhouse.store import Store
from sinks.clickhouse.views import DEFINITIONS, INLINED, SQL, fingerprint, inline_views, statements_of

# By table: from when a row is kept, and the setting of ``retention.store`` that says for how many days.
RETAINED = {
    "facts": ("toDateTime(received_at)", "facts_days"),
    "samples": ("toDateTime(received_at)", "samples_days"),
    "undelivered": ("toDateTime(received_at)", "facts_days"),
    "error_hours": ("hour", "facts_days"),  # they hold destinations' error messages, as facts do
    "minutes": ("minute", "minutes_days"),
    "minute_totals": ("minute", "minutes_days"),
    "hours": ("hour", "hours_days"),
    "hour_totals": ("hour", "hours_days"),
    "hour_latencies": ("hour", "hours_days"),
    "alert_events": ("toDateTime(at)", "alerts_days"),
    "alert_messages": ("toDateTime(at)", "alerts_days"),
}
_RETENTION = re.compile(r"\bTTL .*?toIntervalSecond\((\d+)\)")
_OBJECT = re.compile(
    r"^((?:CREATE (?:OR REPLACE )?(?:TABLE|(?:MATERIALIZED )?VIEW) (?:IF NOT EXISTS )?|ALTER TABLE )\w+)", re.MULTILINE
)
_ENGINE = re.compile(r"^(ENGINE = )(?=\w*MergeTree\b)", re.MULTILINE)


class MigrationFailed(Exception):
    """The schema could not be brought up to date; the text says which migration and why."""


def on_cluster(sql: str, cluster: str) -> str:
    """Return the statements so that they run on every replica of ``cluster`` and create replicated tables.

    The engines name no path: the server's `default_replica_path` and the macros {shard} and {replica} supply it.
    """
    return _ENGINE.sub(r"\1Replicated", _OBJECT.sub(lambda made: f"{made[1]} {_on(cluster)}", sql))


def migrate(
    store: Store, retention_seconds: Mapping[str, int], reasons: Iterable[Reason], cluster: str | None = None
) -> int:
    """Bring the schema up to date and return the number of migrations applied. Idempotent.

    ``retention_seconds`` is by table (`RETAINED`); tables not named keep theirs. ``cluster``: as in the server's
    configuration of clusters. Raises `MigrationFailed`, and `sinks.clickhouse.store.StoreError`.
    """
    with store.client() as client:
        migrator = Migrator(ClickhouseConnectConnection(client))
        incoming = MigrationStorage(SQL).migrations()
        if cluster is not None:
            _refuse_unreplicated(store, client)
            client.command(f"CREATE DATABASE IF NOT EXISTS `{store.database}` {_on(cluster)} ENGINE = Atomic")
            incoming = [step._replace(script=on_cluster(step.script, cluster)) for step in incoming]
        try:
            migrator.init_schema(cluster)
            incoming = keep_applied(incoming, migrator.query_applied_migrations())
            missing = len(migrator.migrations_to_apply(incoming))
            migrator.apply_migration(incoming, True)
        except MigrationException as error:
            raise MigrationFailed(f"{store.name}: {error}") from error
        _create_views(store, client, cluster)
        for table, seconds in retention_seconds.items():
            if table not in RETAINED or seconds <= 0:
                raise ValueError(f"retention of {table!r}: tables are {', '.join(RETAINED)}, seconds more than 0")
            statement = str(client.command(f"SHOW CREATE TABLE {table}")).replace("\\n", " ").replace("\n", " ")
            found = _RETENTION.search(statement)
            if found is None or int(found[1]) != seconds:
                # A replicated table passes this on to its replicas.
                client.command(f"ALTER TABLE {table} MODIFY TTL {RETAINED[table][0]} + toIntervalSecond({seconds:d})")
    columns = ("code", "severity", "owner", "retryable", "description", "action", "link")
    refused = store.insert("reasons", [{name: getattr(reason, name) for name in columns} for reason in reasons])
    if refused:
        raise MigrationFailed(f"{store.name}: reason {refused[0].row.get('code')!r} was refused: {refused[0].reason}")
    return missing


def keep_applied(incoming: Sequence[Migration], applied: Sequence[Migration]) -> list[Migration]:
    """Return ``incoming`` with each file that differs from what was applied only in comments replaced by the latter.

    The migrator refuses an applied migration whose text has changed; a comment may be rewritten.
    """

    def key(step: Migration) -> tuple[Any, str]:
        return step.version, ";".join(statements_of(step.script))

    known = {key(step): step for step in applied}
    return [known.get(key(step), step) for step in incoming]


def _create_views(store: Store, client: Client, cluster: str | None) -> None:
    """Create views that are missing or differ from their definition; drop those that no file defines any more."""
    sql = "SELECT name, comment FROM system.tables WHERE database = {store:String} AND engine = 'View'"
    existing = {name: comment for name, comment in client.query(sql, parameters={"store": store.database}).result_rows}
    for name, definition in DEFINITIONS.items():
        flat = inline_views(definition, DEFINITIONS)
        if existing.get(name) != fingerprint(flat):
            statement = f"CREATE OR REPLACE VIEW {name} AS {flat} COMMENT '{fingerprint(flat)}'"
            client.command(statement if cluster is None else on_cluster(statement, cluster))
    for name in existing.keys() - DEFINITIONS.keys():
        if existing[name].startswith(INLINED):  # users created the others
            client.command(f"DROP VIEW {name} {'' if cluster is None else _on(cluster)}")


def _on(cluster: str) -> str:
    return f"ON CLUSTER {quote_identifier(cluster)}"


def _refuse_unreplicated(store: Store, client: Client) -> None:
    """Applied migrations do not run again, so tables created without a cluster would silently stay on one machine."""
    sql = "SELECT name FROM system.tables WHERE database = {store:String} AND engine LIKE '%MergeTree%'"
    found = client.query(f"{sql} AND engine NOT LIKE 'Replicated%'", parameters={"store": store.database}).result_rows
    if found:
        names = ", ".join(sorted(name for (name,) in found))
        raise MigrationFailed(
            f"{store.name}: database {store.database} has tables that are not replicated ({names}), made before"
            " the cluster was set. Name another database in store.url and record the topics again into it."
        )
