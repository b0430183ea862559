"""One chDB for the tests of dashboards, closed behind them: a process can have only one directory open."""

from collections.abc import Iterator

import pytest

from sinks.clickhouse.store import Store, open_store
from tests.grafana.engine import Run, run_on


@pytest.fixture(scope="package")
def open_chdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_store(f"chdb://{tmp_path_factory.mktemp('chdb') / 'store'}")
    yield store
    store.close()


@pytest.fixture
def run(open_chdb: Store) -> Run:
    return run_on(open_chdb)
