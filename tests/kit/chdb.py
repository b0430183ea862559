"""One chDB for all tests of a process, which can have only one directory open; each group has a database of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model.destinations.catalogue import ALL_REASONS
from sinks.clickhouse.schema import RETAINED, migrate
from sinks.clickhouse.store import Store, open_store

TEN_YEARS_SECONDS = 10 * 366 * 86_400  # the facts of these tests lie at fixed times
_FILLED = (
    "SELECT name FROM system.tables WHERE database = {store:String} AND engine LIKE '%MergeTree'"
    " AND name NOT IN ('reasons', 'schema_versions') AND total_rows > 0"
)


def with_schema(store: Store) -> Store:
    """The same store once its tables and views are there; it keeps facts of any age."""
    migrate(store, dict.fromkeys(RETAINED, TEN_YEARS_SECONDS), ALL_REASONS)
    return store


def empty(store: Store) -> None:
    """Delete what tests wrote."""
    with store.client() as client:
        for (table,) in client.query(_FILLED, parameters={"store": store.database}).result_rows:
            client.command(f"TRUNCATE TABLE {table}")


def database(chdb: Path, name: str) -> Store:
    """Another database of the chDB in this directory. It holds nothing."""
    opened = Store({"interface": "chdb", "path": str(chdb)}, name, f"chDB, {name}")
    opened.connect()
    return opened


def drop(store: Store) -> None:
    with store.client() as client:
        client.command(f"DROP DATABASE `{store.database}`")
    store.close()


@pytest.fixture(scope="session")
def chdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory. It stays open until the process ends."""
    return tmp_path_factory.mktemp("chdb") / "store"


@pytest.fixture(scope="session")
def open_chdb(chdb: Path) -> Iterator[Store]:
    store = open_store(f"chdb://{chdb}")
    yield store
    store.close()


@pytest.fixture
def store(open_chdb: Store) -> Store:
    """With the schema and nothing in its tables."""
    with_schema(open_chdb)
    empty(open_chdb)
    return open_chdb
