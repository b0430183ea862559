"""`waybill up` whose store hangs and then fails: ``python -m tests.faults.hanging_up HANG_FILE``.

While HANG_FILE exists an insert waits up to 30 s for it to go, then raises as a store does that is away.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from console.cli import app
from sinks.clickhouse.rows import RefusedRow
from sinks.clickhouse.store import Store, StoreUnavailable

HANG_SECONDS = 30
hang_file = Path(sys.argv.pop(1))
insert = Store.insert


def hang(self: Store, table: str, rows: Sequence[Mapping[str, Any]]) -> list[RefusedRow]:
    """Insert, unless the store is to hang."""
    deadline = time.monotonic() + HANG_SECONDS
    hung = hang_file.exists()
    while hang_file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    if hung:
        raise StoreUnavailable("the store was made to hang")
    return insert(self, table, rows)


Store.insert = hang  # type: ignore[method-assign]
app(["up"])
