import pytest

from sinks.clickhouse.store import Store
from tests.dashboards.grafana.engine import Run, run_on


@pytest.fixture
def run(open_chdb: Store) -> Run:
    return run_on(open_chdb)
