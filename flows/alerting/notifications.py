"""Messages: which channels and recipients get a notification about an alert event. Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from model.alerts.alert_event import AlertEvent
from model.alerts.channels import target_of
from model.alerts.messages import notification_of
from model.alerts.notification import Change, Notification
from model.alerts.rule import IN_APP
from model.workspace.workspace import Workspace

_PERSONAL = "failed-events"  # subscriptions: in the app only the subscriber sees them


class MessageState(StrEnum):
    """The progress of a message."""

    QUEUED = "queued"
    FAILED = "failed"  # an attempt failed; it will be retried
    SENT = "sent"  # the channel accepted it
    DROPPED = "dropped"  # given up


@dataclass(frozen=True, slots=True)
class Message:
    """One notification for one recipient on one channel, and its progress. ``id``: derived from these three.

    ``batch_id``: messages with the same one are sent together; '' before that is decided. ``version``: of its row.
    """

    id: str
    alert_event_id: str  # '' if no rule caused it
    channel: str
    recipient: str
    notification: Notification
    at_ms: int
    state: MessageState
    attempts: int = 0
    due_ms: int = 0
    batch_id: str = ""
    code: str = ""
    message: str = ""
    version: int = 1


def messages_about(alert_events: Iterable[AlertEvent], workspace: Workspace) -> list[Message]:
    """The messages about those of the alert events that notify."""
    return [
        message
        for alert_event in alert_events
        if alert_event.notified
        for message in messages_of(alert_event, notification_of(alert_event), workspace)
    ]


def messages_of(alert_event: AlertEvent, notification: Notification, workspace: Workspace) -> list[Message]:
    """The messages about an alert event: in the app always, and on the channels of its rule."""
    emails = {user.id: user.email for user in workspace.users}
    personal = alert_event.kind == _PERSONAL and alert_event.author in emails  # the workspace file is nobody
    targets = [(IN_APP, alert_event.author if personal else "")]
    for name in alert_event.channels:
        target = target_of(name, emails.get(alert_event.author))
        if target is not None and target.channel != IN_APP:
            targets.append((target.channel, target.recipient))
    return [message_to(*target, notification, alert_event.id) for target in dict.fromkeys(targets)]


def message_to(channel: str, recipient: str, notification: Notification, alert_event_id: str = "") -> Message:
    """A notification for one recipient. A message in the app needs no sending."""
    text = "\x1f".join((notification.id, channel, recipient))
    made_id = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    state = MessageState.SENT if channel == IN_APP else MessageState.QUEUED
    return Message(made_id, alert_event_id, channel, recipient, notification, notification.at_ms, state)


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
