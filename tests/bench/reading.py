"""How long each query of the event-delivery dashboard takes on a full store, as Grafana sends it, on two threads."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from rich.progress import Progress
from rich.table import Table

from dashboards.__main__ import DIRECTORY
from model.durations import DAY_MS
from sinks.clickhouse.schema import RETAINED
from sinks.clickhouse.store import Store, open_store
from tests.bench.synthetic_days import DESTINATION, END_MS, SAMPLED_DAYS, Amount, fill
from tests.dashboards.grafana.choices import Pick, resolve
from tests.dashboards.grafana.dashboard import load_dashboard
from tests.dashboards.grafana.engine import run_on
from tests.dashboards.grafana.macros import expand
from tests.dashboards.grafana.variables import PanelTime, query_interval_ms

LIMIT_MS = 150
RUNS = 7
PERIODS_DAYS = (1, 30)
_CHOICES: dict[str, dict[str, str]] = {"all": {}, "one destination": {"destination": DESTINATION}}
_NOW_MS = END_MS + 12_345  # pages are seldom opened at the first moment of a minute
_POINTS = 700  # a panel is about so many pixels wide
_TREND_LEAST_MS = 60_000
_SETTINGS = {"readonly": 2, "max_threads": 2}


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """The queries of one panel or picker, how long they took, and of what they were asked."""

    name: str
    period: str
    choice: str
    queries: tuple[str, ...]
    times_ms: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        return round(median(self.times_ms), 1)


def measure_reading(progress: Progress) -> dict[str, Any]:
    """Fill a store of its own and read it; the result as one row of JSON."""
    amount = Amount()
    with tempfile.TemporaryDirectory(prefix="waybill-bench-") as directory:
        store = open_store(f"chdb://{directory}/store")
        try:
            fill(store, amount, progress)
            return read(store, amount, progress)
        finally:
            store.close()


def read(
    store: Store, amount: Amount, progress: Progress, runs: int = RUNS, periods_days: tuple[int, ...] = PERIODS_DAYS
) -> dict[str, Any]:
    """Read a store that holds ``amount``, ``runs`` times, print a table; the result as one row of JSON."""
    readings = list(_readings(store, periods_days))
    # Every panel once, then all again: what happens beside spreads over all of them.
    for reading in progress.track(readings * runs, description="SourceConfig"):
        reading.times_ms.append(_time_ms(store, reading.queries))
    sizes = _sizes(store)
    progress.console.print(_table(readings))
    panels: dict[str, dict[str, float]] = {}
    for reading in readings:
        panels.setdefault(reading.name, {})[f"{reading.period}, {reading.choice}"] = reading.median_ms
    return {
        "scenario": "reading",
        "panels": panels,
        "median_ms_worst_panel": max(reading.median_ms for reading in readings),
        f"above_{LIMIT_MS}_ms": sorted({reading.name for reading in readings if reading.median_ms > LIMIT_MS}),
        "bytes_per_million_outcomes": {
            table: round(size / _outcomes(table, amount) * 1_000_000) for table, (_, size) in sizes.items()
        },
        "rows": {table: rows for table, (rows, _) in sizes.items()},
    }


def _readings(store: Store, periods_days: tuple[int, ...]) -> Iterator[SourceConfig]:
    """Each panel and picker, for each period and choice."""
    dashboard = load_dashboard(DIRECTORY / "event-delivery.json")
    for days in periods_days:
        width_ms = query_interval_ms(days * DAY_MS, _POINTS, _TREND_LEAST_MS)
        shown = PanelTime(_NOW_MS - days * DAY_MS, _NOW_MS, width_ms)
        for choice, given in _CHOICES.items():
            choices = resolve(dashboard, run_on(store), shown, Pick.ALL, given)
            asked = {f"picker {each.name}": [each.query] for each in dashboard.variables if each.kind == "query"}
            asked |= {panel.title: [target.raw_sql for target in panel.targets] for panel in dashboard.panels}
            for name, queries in asked.items():
                if queries:
                    yield SourceConfig(
                        name, f"{days} d", choice, tuple(expand(query, choices, shown) for query in queries)
                    )


def _time_ms(store: Store, queries: tuple[str, ...]) -> float:
    with store.client() as client:
        started = time.perf_counter()
        for query in queries:
            client.query(query, settings=_SETTINGS)
        return (time.perf_counter() - started) * 1_000


def _sizes(store: Store) -> dict[str, tuple[int, int]]:
    """Rows and bytes on disk of each table that grows with what is delivered."""
    sql = """
        SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts
        WHERE active AND database = {store:String} AND table IN {tables:Array(String)} GROUP BY table ORDER BY table
    """
    with store.client() as client:
        found = client.query(sql, parameters={"store": store.database, "tables": list(RETAINED)}).result_rows
    return {table: (rows, size) for table, rows, size in found}


def _outcomes(table: str, amount: Amount) -> int:
    """How many outcomes the rows of a table tell of."""
    days = {"facts": 1, "samples": min(amount.days, SAMPLED_DAYS)}.get(table, amount.days)
    return days * amount.deliveries_per_day


def _table(readings: list[SourceConfig]) -> Table:
    table = Table("Panel", "Period", "Of", title="SourceConfig event-delivery")
    table.add_column("Median, ms", justify="right")
    table.add_column("Worst, ms", justify="right")
    for reading in sorted(readings, key=lambda reading: -reading.median_ms):
        style = "bold red" if reading.median_ms > LIMIT_MS else None
        numbers = (f"{reading.median_ms:.0f}", f"{max(reading.times_ms):.0f}")
        table.add_row(reading.name, reading.period, reading.choice, *numbers, style=style)
    return table
