"""Copies alert events and messages from the outbox into the store, where people read them.

Only this thread waits for an unavailable store; alerts are sent all the same.
"""

import logging
from typing import Any

from flows.alerting.notifications import Message
from flows.alerting.outbox import ChannelHealth, Outbox, Unrecorded
from model.alerts.alert_event import AlertEvent
from model.alerts.channels import EMAIL
from model.alerts.notification import Change
from model.config.mail_address import masked_address
from sinks.clickhouse.store import Store

log = logging.getLogger("waybill.alerting")


def copy_to_store(outbox: Outbox, store: Store, now_ms: int) -> bool:
    """Copy one portion of what the store lacks; return whether there was anything. Raises
    `sinks.clickhouse.store.StoreError`."""
    found = outbox.unrecorded()
    if not found:
        return False
    for table, rows in _tables(found).items():
        if rows and (refused := store.insert(table, rows)):
            log.error(
                "the store refused %(rows)d rows for %(table)s: %(error)s",
                {"rows": len(refused), "table": table, "error": refused[0].reason},
            )
    outbox.recorded(found, now_ms)
    return True


def enable_tested(outbox: Outbox, store: Store) -> None:
    """Enable disabled channels that a person has tested successfully since. Raises `StoreError`."""
    disabled = outbox.disabled()
    if not disabled:
        return
    tested = {row["channel"]: row for row in store.view("alert_channel_health") if row["state"] == "ok"}
    for health in disabled:
        row = tested.get(health.channel)
        if row is not None and row["at"] > health.at_ms:
            outbox.put_health(ChannelHealth(health.channel, health.identity, "ok", row["at"], row["at"]))


def _tables(found: Unrecorded) -> dict[str, list[dict[str, Any]]]:
    return {
        "alert_events": [alert_event.as_row() for alert_event in found.alert_events],
        "alert_states": [_state(alert_event) for alert_event in found.alert_events],
        "alert_messages": [_message(message) for message in found.messages],
        "alert_channels": [
            _columns(health, "channel", "state", "since_ms", "at_ms", "code", "message") for health in found.channels
        ],
    }


def _state(alert_event: AlertEvent) -> dict[str, Any]:
    recovered = alert_event.change is Change.RECOVERED
    return {
        **_columns(alert_event, "rule_id", "check", "at_ms", "numerator", "denominator", "threshold_bp"),
        "status": "ok" if recovered else "firing",
        "since": alert_event.at_ms if recovered else alert_event.since_ms,
    }


def _message(message: Message) -> dict[str, Any]:
    recipient = message.recipient
    return {
        **_columns(message.notification, "rule_id", "rule_name", "change", "title", "summary", "link"),
        **_columns(message, "alert_event_id", "channel", "state", "attempts", "at_ms", "code", "message", "version"),
        "message_id": message.id,
        "recipient": masked_address(recipient) if message.channel == EMAIL else recipient,
    }


def _columns(of: object, *names: str) -> dict[str, Any]:
    return {name.removesuffix("_ms"): getattr(of, name) for name in names}
