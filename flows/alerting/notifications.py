"""Messages: which channels and recipients get a notification about an alert event. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from model.alerts.alert_event import AlertEvent
from model.alerts.channels import target_of
from model.alerts.notification import Change, Notification, TopError
from model.alerts.rule import IN_APP
from model.workspace.workspace import Workspace

NOTIFICATION_VERSION = 1
_PERSONAL = "failed-events"  # subscriptions: in the app only the subscriber sees them


class MessageState(StrEnum):
    """The progress of a message."""

    QUEUED = "queued"
    FAILED = "failed"  # an attempt failed; it will be retried
    SENT = "sent"  # the channel accepted it
    DROPPED = "dropped"  # given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One notification for one recipient on one channel. ``id``: 32 hex digits, derived from these three."""

    id: str
    alert_event_id: str  # '' if no rule caused it
    channel: str
    recipient: str
    notification: Notification

    @property
    def first_state(self) -> MessageState:
        """A message in the app needs no sending."""
        return MessageState.SENT if self.channel == IN_APP else MessageState.QUEUED


def messages_of(alert_event: AlertEvent, notification: Notification, workspace: Workspace) -> list[Message]:
    """The messages about an alert event: in the app always, and on the channels of its rule."""
    emails = {user.id: user.email for user in workspace.users}
    personal = alert_event.kind == _PERSONAL and alert_event.author in emails  # the workspace file is nobody
    targets = [(IN_APP, alert_event.author if personal else "")]
    for name in alert_event.channels:
        target = target_of(name, emails.get(alert_event.author))
        if target is not None and target.channel != IN_APP:
            targets.append((target.channel, target.recipient))
    return [
        message_to(channel, recipient, notification, alert_event.id) for channel, recipient in dict.fromkeys(targets)
    ]


def message_to(channel: str, recipient: str, notification: Notification, alert_event_id: str = "") -> Message:
    """A notification for one recipient."""
    text = "\x1f".join((notification.id, channel, recipient))
    made_id = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return Message(
        id=made_id, alert_event_id=alert_event_id, channel=channel, recipient=recipient, notification=notification
    )


def channel_disabled(channel: str, code: str, message: str, at_ms: int, refused: str) -> Notification:
    """The notification to the other channels when one refuses everything. ``refused``: id of the refused message."""
    digest = hashlib.sha256(f"channel-disabled\x1f{channel}\x1f{refused}".encode()).hexdigest()[:32]
    reason = " ".join(filter(None, (code, message)))
    return Notification(
        id=digest,
        change=Change.CHANNEL_DISABLED,
        rule_id="",
        rule_name="",
        title=f"Channel {channel} is disabled",
        summary=f"{channel} refuses every message: {reason}. Its rules still notify their other channels and the app.",
        at_ms=at_ms,
        facts=(("What to do", f"Fix it, then run: waybill alerts test-channel {channel}"),),
    )


def notification_record(notification: Notification) -> dict[str, Any]:
    """As plain data that JSON can hold."""
    return {"v": NOTIFICATION_VERSION, **asdict(notification)}


def notification_from(record: Mapping[str, Any]) -> Notification:
    """From plain data. Raises ValueError for a version that this Waybill does not read."""
    if record.get("v") != NOTIFICATION_VERSION:
        raise ValueError(f"a notification has version {record.get('v')}; this Waybill reads {NOTIFICATION_VERSION}")
    fields = {name: value for name, value in record.items() if name != "v"}
    fields |= {
        "change": Change(fields["change"]),
        "facts": tuple((label, value) for label, value in fields["facts"]),
        "error_groups": tuple(TopError(**group) for group in fields["error_groups"]),
    }
    return Notification(**fields)
