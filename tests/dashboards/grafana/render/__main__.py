"""Draw a dashboard.

    python -m tests.dashboards.grafana.render dashboards/event-delivery.json out.png --data DIR
    python -m tests.dashboards.grafana.render dashboards/event-delivery.json out.png --data DIR --store chdb:///path

The first draws what DIR/<uid>.json holds; the second asks the store first and writes it there.
"""

import argparse
import json
import sys
import time
from contextlib import closing
from pathlib import Path

from sinks.clickhouse.store import StoreError, open_store
from tests.dashboards.grafana.choices import resolve
from tests.dashboards.grafana.dashboard import load_dashboard
from tests.dashboards.grafana.engine import run_on
from tests.dashboards.grafana.node import NodeMissing
from tests.dashboards.grafana.render.browser import DrawingFailed, photograph
from tests.dashboards.grafana.render.recording import height_px, record, state
from tests.dashboards.grafana.variables import PanelTime, query_interval_ms


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.dashboards.grafana.render", description="Draw a Grafana dashboard."
    )
    parser.add_argument("dashboard", type=Path, help="its JSON")
    parser.add_argument("picture", type=Path, help="the PNG to write")
    parser.add_argument("--data", type=Path, required=True, help="directory of recorded data")
    parser.add_argument("--store", help="record from this store first: chdb:///directory or http://host:8123")
    parser.add_argument("--to", type=int, default=round(time.time() * 1000), help="end of the period, Unix ms")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a variable, when recording")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--width", type=int, default=1_440, help="px")
    parser.add_argument("--open-rows", type=int, default=1, help="rows to open in each table that has inner ones")
    given = parser.parse_args()
    try:
        dashboard = load_dashboard(given.dashboard)
        recorded = given.data / f"{dashboard.uid}.json"
        if given.store:
            from_ms, to_ms = dashboard.time_range_ms(given.to)
            period = PanelTime(from_ms, to_ms, query_interval_ms(to_ms - from_ms, given.width))
            values = dict(pair.split("=", 1) for pair in given.set)
            with closing(open_store(given.store)) as store:
                run = run_on(store)
                found = record(dashboard, run, resolve(dashboard, run, period, given=values), period)
            given.data.mkdir(parents=True, exist_ok=True)
            recorded.write_text(json.dumps(found, allow_nan=False), encoding="utf-8")
        drawn = state(
            dashboard,
            json.loads(recorded.read_text(encoding="utf-8")),
            theme=given.theme,
            width_px=given.width,
            open_rows=given.open_rows,
        )
        photograph(drawn, given.picture, given.width, height_px(dashboard))
    except (ValueError, OSError, StoreError, DrawingFailed, NodeMissing) as error:
        sys.exit(f"{given.dashboard.name}: {error}")


main()
