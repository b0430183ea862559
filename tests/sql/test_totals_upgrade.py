"""What was recorded before there were totals is in them after the migration that makes them."""

import re
from typing import Any

from clickhouse_migrations.migrator import split_statement_tokens  # type: ignore[import-untyped]

from sinks.store import Store
from sinks.store_schema import SQL
from tests.sql.recording import BASE_MS
from tests.sql.test_views import HOUR, mixed_log

SHOWN = ("key_metrics", "latency_split", "success_by_attempt", "delivery_errors", "error_groups", "delivery_metrics")
MADE = (
    "VIEW undelivered_of_facts",
    "TABLE undelivered",
    "TABLE minute_totals",
    "TABLE hour_totals",
    "TABLE error_hours",
)


def shown(store: Store) -> dict[str, Any]:
    period = {"from_ms": BASE_MS + 7 * 60_000, "to_ms": BASE_MS + 5 * HOUR}
    return {view: store.view(view, **period, destination="crm") for view in SHOWN}


def test_the_numbers_are_those_of_what_was_recorded_before(store: Store) -> None:
    mixed_log(6, span_ms=4 * HOUR).record(store)
    store.rebuild_hours(0, [BASE_MS, BASE_MS + HOUR], BASE_MS + 2 * HOUR)
    before = shown(store)
    assert before["latency_split"] and before["delivery_errors"]
    [migration] = SQL.glob("*_totals.sql")
    with store.client() as client:
        for made in MADE:
            client.command(f"DROP {made} SYNC")
        for tokens in split_statement_tokens(migration.read_text(encoding="utf-8")):
            statement = "".join(token.text for token in tokens if token.kind != "line_comment").strip()
            assert re.match("CREATE|ALTER|INSERT", statement)
            client.command(statement)
    assert shown(store) == before
