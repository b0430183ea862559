"""What was recorded before there were totals is in them after the migration that makes them."""

import re
from typing import Any

from clickhouse_migrations.migrator import split_statement_tokens  # type: ignore[import-untyped]

from sinks.clickhouse.store import Store
from sinks.clickhouse.views import SQL
from tests.sql.recording import BASE_MS
from tests.sql.test_views import HOUR, mixed_log

SHOWN = ("key_metrics", "latency_split", "success_by_attempt", "error_details", "error_groups", "delivery_metrics")
MADE = (
    "VIEW undelivered_of_facts",
    "TABLE undelivered",
    "TABLE minute_totals",
    "TABLE hour_totals",
    "TABLE error_hours",
)


def apply_again(store: Store, migration: str, made: tuple[str, ...]) -> None:
    """As on a store that was never given the migration."""
    [file] = SQL.glob(migration)
    with store.client() as client:
        for name in made:
            client.command(f"DROP {name} SYNC")
        for tokens in split_statement_tokens(file.read_text(encoding="utf-8")):
            statement = "".join(token.text for token in tokens if token.kind != "line_comment").strip()
            if statement:
                assert re.match("CREATE|ALTER|INSERT", statement)
                client.command(statement)


def shown(store: Store) -> dict[str, Any]:
    period = {"from_ms": BASE_MS + 7 * 60_000, "to_ms": BASE_MS + 5 * HOUR}
    return {view: store.view(view, **period, destination="crm") for view in SHOWN}


def test_the_numbers_are_those_of_what_was_recorded_before(store: Store) -> None:
    mixed_log(6, span_ms=4 * HOUR).record(store)
    store.rebuild_hours(0, [BASE_MS, BASE_MS + HOUR], BASE_MS + 2 * HOUR)
    before = shown(store)
    assert before["latency_split"] and None not in {row["first_seen"] for row in before["error_details"]}
    apply_again(store, "*_totals.sql", MADE)
    apply_again(store, "*_retries.sql", ())
    apply_again(store, "*_errors_seen.sql", ())
    assert shown(store) == before


def test_latencies_of_hours_built_before_are_added_up(store: Store) -> None:
    mixed_log(6, span_ms=4 * HOUR).record(store)
    store.rebuild_hours(0, [BASE_MS, BASE_MS + HOUR], BASE_MS + 2 * HOUR)
    added_up = "SELECT * FROM hour_latencies FINAL ORDER BY ALL"
    with store.client() as client:
        before = client.query(added_up).result_rows
    assert len({row[3:5] for row in before}) > 4
    apply_again(store, "*_latencies.sql", ("TABLE hour_latencies",))
    with store.client() as client:
        assert client.query(added_up).result_rows == before
