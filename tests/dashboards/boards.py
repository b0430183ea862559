"""The dashboards as they are committed, and their panels that ask the engine."""

from collections.abc import Iterator

from dashboards.__main__ import BUILDERS, DIRECTORY
from tests.dashboards.grafana.dashboard import Dashboard, Panel, load_dashboard

BOARDS: dict[str, Dashboard] = {uid: load_dashboard(DIRECTORY / f"{uid}.json") for uid in BUILDERS}
# An event of tests/dashboards/data.py that failed at one of its destinations.
GIVEN = {"event-trace": {"message_id": "m3"}}


def panels(uid: str) -> Iterator[Panel]:
    """Panels with a query."""
    return (panel for panel in BOARDS[uid].panels if panel.targets)


def panel(uid: str, title: str) -> Panel:
    [found] = [panel for panel in BOARDS[uid].panels if panel.title == title]
    return found
