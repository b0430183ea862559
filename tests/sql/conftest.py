"""One chDB for all tests of a process (it allows no second directory), emptied before each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model.destinations.catalogue import ALL_REASONS
from sinks.clickhouse.schema import RETAINED, migrate
from sinks.clickhouse.store import Store, open_store

TEN_YEARS_SECONDS = 10 * 366 * 86_400  # the facts of these tests lie at fixed times


@pytest.fixture(scope="session")
def open_chdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    directory: Path = tmp_path_factory.mktemp("chdb") / "store"
    store = open_store(f"chdb://{directory}")
    yield store
    store.close()


@pytest.fixture
def store(open_chdb: Store) -> Store:
    migrate(open_chdb, dict.fromkeys(RETAINED, TEN_YEARS_SECONDS), ALL_REASONS)
    with open_chdb.client() as client:
        for table in (
            "facts",
            "undelivered",
            "samples",
            "watermarks",
            "minutes",
            "minute_totals",
            "hours",
            "hour_totals",
            "hour_latencies",
            "error_hours",
            "destination_states",
        ):
            client.command(f"TRUNCATE TABLE {table}")
    return open_chdb
