"""Two small dashboards with invented data, for the tests of the tools and to try the pictures on."""

import json
from pathlib import Path
from typing import Any

from tests.dashboards.grafana.dashboard import Dashboard, load_dashboard, parse_dashboard
from tests.dashboards.grafana.variables import PanelTime

EXAMPLES = Path(__file__).parent / "examples"
TIME = PanelTime(1_767_225_600_000, 1_767_312_000_000, 60_000)


def example(name: str = "example") -> Dashboard:
    return load_dashboard(EXAMPLES / f"{name}.json")


def document(name: str = "example") -> dict[str, Any]:
    """The JSON of an example, to break."""
    return dict(json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8")))


def broken(path: str, value: Any, name: str = "example") -> Dashboard:
    """An example with one thing changed; ``path`` is like ``panels.0.gridPos.x``, and None takes the key away."""
    changed: Any = document(name)
    place: Any = changed
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in way:
        place = place[part]
    if value is None and isinstance(place, dict):
        del place[last]
    else:
        place[last] = value
    return parse_dashboard(changed)
