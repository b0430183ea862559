"""Adds to a notice the top errors of its window, a sample of each, and links to dashboards."""

import logging
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from model.alerts.notice import Change, ErrorGroup, Notice
from model.alerts.transition import Transition
from model.durations import HOUR_MS
from sinks.clickhouse.store import Store, StoreError

MOST_GROUPS = 3
LOOK_BACK_MS = HOUR_MS  # time range of a link if the transition has no window

log = logging.getLogger("waybill.alerting")


class NoticeEnricher:
    """Queries the store; never waits for an unavailable one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, notice: Notice, transition: Transition, base_url: str) -> Notice:
        """Return the notice with errors and links; without errors if the store is unavailable. The store's texts are
        redacted already.

        ``base_url``: Grafana's; '' for no links.
        """
        link = _event_delivery(base_url, transition)
        if transition.change is Change.RECOVERED or not (transition.destination and transition.to_ms):
            return replace(notice, link=link)
        try:
            return replace(notice, link=link, error_groups=tuple(self._groups(transition, base_url)))
        except StoreError as error:
            log.warning("an alert is sent without its errors: %s", error)
            return replace(notice, link=link)

    def _groups(self, transition: Transition, base_url: str) -> list[ErrorGroup]:
        window: dict[str, Any] = {
            "from_ms": transition.from_ms,
            "to_ms": transition.to_ms,
            "source": transition.source,
            "destination": transition.destination,
        }
        groups = []
        for row in self._store.view("error_groups", **window)[:MOST_GROUPS]:
            samples = self._store.view("error_samples", **window, code=row["code"], limit=1)
            sample = samples[0]["message_id"] if samples else ""
            groups.append(
                ErrorGroup(
                    destination=row["destination"],
                    code=row["code"],
                    message=row["message"],
                    deliveries=row["deliveries"],
                    sample_message_id=sample,
                    link=_dashboard(base_url, "event-trace", {"var-message_id": sample}) if sample else "",
                )
            )
        return groups


def _event_delivery(base_url: str, transition: Transition) -> str:
    chosen = {
        "from": str(transition.from_ms or transition.at_ms - LOOK_BACK_MS),
        "to": str(transition.to_ms or transition.at_ms),
    }
    for name in ("source", "destination"):
        if value := getattr(transition, name):
            chosen[f"var-{name}"] = value
    return _dashboard(base_url, "event-delivery", chosen)


def _dashboard(base_url: str, uid: str, parameters: dict[str, str]) -> str:
    return f"{base_url.rstrip('/')}/d/{uid}?{urlencode(parameters)}" if base_url else ""
