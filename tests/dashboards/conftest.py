"""Three stores: with nothing in it, with a little of everything, and that with a retry record lost."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sinks.clickhouse.store import Store
from tests.dashboards.data import fill
from tests.dashboards.grafana.engine import Run, run_on
from tests.kit.chdb import database, drop, with_schema


@dataclass(frozen=True)
class Stores:
    """Stores by what is in them."""

    empty: Store
    full: Store
    lost: Store


@pytest.fixture(scope="session")
def stores(chdb: Path, open_chdb: Store) -> Iterator[Stores]:
    named = {name: with_schema(database(chdb, name)) for name in ("empty", "full", "lost")}
    fill(named["full"])
    fill(named["lost"], lost=True)
    yield Stores(**named)
    for store in named.values():
        drop(store)


@pytest.fixture(scope="session")
def full(stores: Stores) -> Run:
    return run_on(stores.full)


@pytest.fixture(scope="session")
def empty(stores: Stores) -> Run:
    return run_on(stores.empty)
