"""Adds to a notification the top errors of its window, a sample of each, and links to dashboards."""

import logging
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from model.alerts.alert_event import AlertEvent
from model.alerts.notification import Change, Notification, TopError
from model.durations import HOUR_MS
from sinks.clickhouse.store import Store, StoreError

MOST_GROUPS = 3
LOOK_BACK_MS = HOUR_MS  # time range of a link if the alert event has no window

log = logging.getLogger("waybill.alerting")


class NotificationEnricher:
    """Queries the store; never waits for an unavailable one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, notification: Notification, alert_event: AlertEvent, base_url: str) -> Notification:
        """Return the notification with errors and links; without errors if the store is unavailable. The texts of the
        store are redacted.

        ``base_url``: Grafana's; '' for no links.
        """
        link = _event_delivery(base_url, alert_event)
        if alert_event.change is Change.RECOVERED or not (alert_event.destination and alert_event.to_ms):
            return replace(notification, link=link)
        try:
            return replace(notification, link=link, error_groups=tuple(self._groups(alert_event, base_url)))
        except StoreError as error:
            log.warning("an alert is sent without its errors: %s", error)
            return replace(notification, link=link)

    def _groups(self, alert_event: AlertEvent, base_url: str) -> list[TopError]:
        window: dict[str, Any] = {
            "from_ms": alert_event.from_ms,
            "to_ms": alert_event.to_ms,
            "source": alert_event.source,
            "destination": alert_event.destination,
        }
        groups = []
        for row in self._store.view("error_groups", **window)[:MOST_GROUPS]:
            samples = self._store.view("error_samples", **window, code=row["code"], limit=1)
            sample = samples[0]["message_id"] if samples else ""
            groups.append(
                TopError(
                    destination=row["destination"],
                    code=row["code"],
                    message=row["message"],
                    deliveries=row["deliveries"],
                    sample_message_id=sample,
                    link=_dashboard(base_url, "event-trace", {"var-message_id": sample}) if sample else "",
                )
            )
        return groups


def _event_delivery(base_url: str, alert_event: AlertEvent) -> str:
    chosen = {
        "from": str(alert_event.from_ms or alert_event.at_ms - LOOK_BACK_MS),
        "to": str(alert_event.to_ms or alert_event.at_ms),
    }
    for name in ("source", "destination"):
        if value := getattr(alert_event, name):
            chosen[f"var-{name}"] = value
    return _dashboard(base_url, "event-delivery", chosen)


def _dashboard(base_url: str, uid: str, parameters: dict[str, str]) -> str:
    return f"{base_url.rstrip('/')}/d/{uid}?{urlencode(parameters)}" if base_url else ""
