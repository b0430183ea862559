"""Draw the pictures of dashboards in docs/: ``python -m tests.dashboards.grafana.render.documentation`` (two minutes).

With names, only those: ``… documentation alerts``. What they show is the day in `day`, as recorded by the product.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from model.reason_codes.catalogue import ALL
from model.recording.facts import DestinationState, Received
from model.recording.rows import LogPosition, rows_of
from sinks.clickhouse.schema import RETAINED, migrate
from sinks.clickhouse.store import Store, open_store
from tests.dashboards.grafana.choices import resolve
from tests.dashboards.grafana.dashboard import load_dashboard
from tests.dashboards.grafana.engine import run_on
from tests.dashboards.grafana.render.browser import photograph
from tests.dashboards.grafana.render.day import facts_of_a_day
from tests.dashboards.grafana.render.day_alerts import alerts_of_a_day
from tests.dashboards.grafana.render.recording import height_px, record, state
from tests.dashboards.grafana.variables import PanelTime, query_interval_ms
from tests.kit.recording import ONE, Log, watermark_report

ROOT = Path(__file__).resolve().parents[4]
WIDTH_PX = 1_440
PICTURES = ("event-delivery", "delivery-overview", "alerts")


def fill(store: Store, to_ms: int) -> None:
    """Record the day that ends now."""
    facts = facts_of_a_day(to_ms)
    log = Log()
    log.append(*(fact for fact in facts if not isinstance(fact, DestinationState)))
    events = sum(isinstance(fact, Received) for fact in facts)
    log.append(watermark_report(to_ms - 9_000, position=events, end=events))
    log.record(store)
    tables = alerts_of_a_day(facts, to_ms)
    for fact in facts:
        if isinstance(fact, DestinationState):
            [(table, row)] = rows_of(fact, LogPosition(0, len(log.entries), fact.at_ms), ONE)
            tables[table] = [row]
    for table, rows in tables.items():
        refused = store.insert(table, rows)
        assert refused == [], refused[0].reason


def draw(names: Sequence[str]) -> None:
    """Write docs/<name>.png. Raises what the store and the browser raise."""
    to_ms = round(time.time() * 1000)
    with tempfile.TemporaryDirectory() as scratch, closing(open_store(f"chdb://{scratch}/store")) as store:
        migrate(store, dict.fromkeys(RETAINED, 90 * 86_400), ALL)
        fill(store, to_ms)
        for name in names:
            dashboard = load_dashboard(ROOT / "dashboards" / f"{name}.json")
            period_ms = to_ms - dashboard.time_range_ms(to_ms)[0]
            period = PanelTime(to_ms - period_ms, to_ms, query_interval_ms(period_ms, WIDTH_PX // 2))
            run = run_on(store)
            recorded = record(dashboard, run, resolve(dashboard, run, period), period)
            drawn = state(dashboard, recorded, theme="dark", width_px=WIDTH_PX, open_rows=1)
            photograph(drawn, ROOT / "docs" / f"{name}.png", WIDTH_PX, height_px(dashboard))


if __name__ == "__main__":
    draw(sys.argv[1:] or PICTURES)
