"""One chDB for each module that wants it, closed behind it: a process can have only one directory open."""

from collections.abc import Iterator

import pytest

from model.reason_codes.catalogue import ALL
from sinks.clickhouse.schema import RETAINED, migrate
from sinks.clickhouse.store import Store, open_store

TEN_YEARS_SECONDS = 10 * 366 * 86_400  # the facts of these tests lie at fixed times
TABLES = (
    "facts", "minutes", "minute_totals", "hours", "hour_totals", "hour_latencies", "error_hours",
    "alert_rules", "alert_events",
    "alert_states", "alert_messages", "alert_channels",
)  # fmt: skip


@pytest.fixture(scope="module")
def open_chdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_store(f"chdb://{tmp_path_factory.mktemp('chdb') / 'store'}")
    migrate(store, dict.fromkeys(RETAINED, TEN_YEARS_SECONDS), ALL)
    yield store
    store.close()


@pytest.fixture
def store(open_chdb: Store) -> Store:
    """With nothing in it."""
    with open_chdb.client() as client:
        for table in TABLES:
            client.command(f"TRUNCATE TABLE {table}")
    return open_chdb
