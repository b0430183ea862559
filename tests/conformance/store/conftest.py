"""One server for all tests of this directory, a process of its own, emptied and well before each test."""

from collections.abc import Iterator

import pytest

from model.reason_codes.catalogue import ALL
from sinks.clickhouse.schema import RETAINED, migrate
from sinks.clickhouse.store import Store, open_store
from tests.kit.chdb import TEN_YEARS_SECONDS
from tests.kit.clickhouse.process import ClickHouse, clickhouse


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with clickhouse(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture
def server(running_server: ClickHouse) -> ClickHouse:
    running_server.order()
    return running_server


@pytest.fixture(scope="session")
def open_http(running_server: ClickHouse) -> Iterator[Store]:
    store = open_store(running_server.url())
    yield store
    store.close()


@pytest.fixture
def store(server: ClickHouse, open_http: Store) -> Store:
    migrate(open_http, dict.fromkeys(RETAINED, TEN_YEARS_SECONDS), ALL)
    with open_http.client() as client:
        for table in RETAINED.keys() | {"watermarks"}:
            client.command(f"TRUNCATE TABLE {table}")
    return open_http
