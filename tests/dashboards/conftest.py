"""One chDB with three stores: with nothing in it, with a little of everything, and that with a retry record lost.

It is closed behind each module: a process can have only one directory open, and other tests have theirs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from model.reason_codes.catalogue import ALL
from sinks.clickhouse.schema import RETAINED, migrate
from sinks.clickhouse.store import Store, open_store
from tests.dashboards.data import fill
from tests.grafana.engine import Run, run_on

TEN_YEARS_SECONDS = 10 * 366 * 86_400  # the facts of these tests lie at fixed times


@dataclass(frozen=True)
class Stores:
    """Stores by what is in them."""

    empty: Store
    full: Store
    lost: Store


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    path = tmp_path_factory.mktemp("chdb") / "store"
    # Closed last: chDB lets another directory be opened once the last client is gone.
    first = open_store(f"chdb://{path}")
    named = {name: Store({"interface": "chdb", "path": str(path)}, name, name) for name in ("empty", "full", "lost")}
    for store in named.values():
        store.connect()
        migrate(store, dict.fromkeys(RETAINED, TEN_YEARS_SECONDS), ALL)
    fill(named["full"])
    fill(named["lost"], lost=True)
    yield Stores(**named)
    for store in (*named.values(), first):
        store.close()


@pytest.fixture(scope="module")
def full(stores: Stores) -> Run:
    return run_on(stores.full)


@pytest.fixture(scope="module")
def empty(stores: Stores) -> Run:
    return run_on(stores.empty)
