"""Copies alert events and messages from the outbox into the store, where people read them.

Only this thread waits for an unavailable store; alerts are sent all the same.
"""

import logging
from typing import Any

from flows.alerting.notifications import MessageState
from flows.alerting.outbox import ChannelHealth, Outbox, Unrecorded
from model.alerts.alert_event import AlertEvent
from model.alerts.channels import EMAIL
from model.alerts.notification import Change, Notification
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
        "alert_messages": [_message(row) for row in found.messages],
        "alert_channels": [_channel(health) for health in found.channels],
    }


def _state(alert_event: AlertEvent) -> dict[str, Any]:
    return {
        "rule_id": alert_event.rule_id,
        "check": str(alert_event.check),
        "status": "ok" if alert_event.change is Change.RECOVERED else "firing",
        "since": alert_event.at_ms if alert_event.change is Change.RECOVERED else alert_event.since_ms,
        "at": alert_event.at_ms,
        "numerator": alert_event.numerator,
        "denominator": alert_event.denominator,
        "threshold_bp": alert_event.threshold_bp,
    }


def _message(row: dict[str, Any]) -> dict[str, Any]:
    notification: Notification = row["notification"]
    return {
        "message_id": row["id"],
        "alert_event_id": row["alert_event_id"],
        "rule_id": notification.rule_id,
        "rule_name": notification.rule_name,
        "change": str(notification.change),
        "channel": row["channel"],
        "recipient": masked_address(row["recipient"]) if row["channel"] == EMAIL else row["recipient"],
        "state": str(MessageState(row["state"])),
        "attempts": row["attempts"],
        "at": row["at_ms"],
        "code": row["code"],
        "message": row["message"],
        "title": notification.title,
        "summary": notification.summary,
        "link": notification.link,
        "version": row["version"],
    }


def _channel(health: ChannelHealth) -> dict[str, Any]:
    return {
        "channel": health.channel,
        "state": health.state,
        "since": health.since_ms,
        "at": health.at_ms,
        "code": health.code,
        "message": health.message,
    }
