"""Copies transitions and messages from the outbox into the store, where people read them.

Only this thread waits for an unavailable store; alerts are sent all the same.
"""

import logging
from typing import Any

from flows.alerting.notifications import MessageState
from flows.alerting.outbox import ChannelHealth, Outbox, Unrecorded
from model.alerts.channels import EMAIL
from model.alerts.notice import Change, Notice
from model.alerts.transition import Transition
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
        "alert_transitions": [transition.as_row() for transition in found.transitions],
        "alert_states": [_state(transition) for transition in found.transitions],
        "alert_messages": [_message(row) for row in found.messages],
        "alert_channels": [_channel(health) for health in found.channels],
    }


def _state(transition: Transition) -> dict[str, Any]:
    return {
        "rule_id": transition.rule_id,
        "check": str(transition.check),
        "status": "ok" if transition.change is Change.RECOVERED else "firing",
        "since": transition.at_ms if transition.change is Change.RECOVERED else transition.since_ms,
        "at": transition.at_ms,
        "numerator": transition.numerator,
        "denominator": transition.denominator,
        "threshold_bp": transition.threshold_bp,
    }


def _message(row: dict[str, Any]) -> dict[str, Any]:
    notice: Notice = row["notice"]
    return {
        "message_id": row["id"],
        "transition_id": row["transition_id"],
        "rule_id": notice.rule_id,
        "rule_name": notice.rule_name,
        "change": str(notice.change),
        "channel": row["channel"],
        "recipient": masked_address(row["recipient"]) if row["channel"] == EMAIL else row["recipient"],
        "state": str(MessageState(row["state"])),
        "attempts": row["attempts"],
        "at": row["at_ms"],
        "code": row["code"],
        "message": row["message"],
        "title": notice.title,
        "summary": notice.summary,
        "link": notice.link,
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
