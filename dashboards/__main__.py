"""`python -m dashboards` writes every dashboard's JSON beside this file, for Grafana's provisioning."""

from collections.abc import Callable
from pathlib import Path

from dashboards import alerts, delivery_overview, error_detail, event_delivery, event_trace, operations

DIRECTORY = Path(__file__).parent
BUILDERS: dict[str, Callable[[], str]] = {
    module.UID: module.build
    for module in (event_delivery, delivery_overview, error_detail, event_trace, alerts, operations)
}


def write_all(directory: Path = DIRECTORY) -> None:
    """Write `<uid>.json` of every dashboard."""
    for uid, build in BUILDERS.items():
        (directory / f"{uid}.json").write_text(build(), encoding="utf-8")


if __name__ == "__main__":
    write_all()
