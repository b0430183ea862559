"""The interface of every channel: it formats notifications, sends them once and returns the result.

Channels keep no state and do not retry: the caller keeps the messages until a channel has sent them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from model.alerts.notification import Notification

TIMEOUT_SECONDS = 10.0  # of one attempt; the caller retries


class SendStatus(StrEnum):
    """The result of an attempt. What one channel refuses, another may send."""

    OK = "ok"
    RETRY = "retry"  # a passing failure: try again later
    MESSAGE_REFUSED = "message-refused"  # this message is never accepted; others may be
    RECIPIENT_REFUSED = "recipient-refused"  # no message to this address is accepted until a person acts
    CHANNEL_REFUSED = "channel-refused"  # no message is accepted until a person acts


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """``code``: an HTTP or SMTP status, a transport code, or one of Waybill's; '' when sent. ``message``: redacted.

    after_seconds: how long the receiver asks to wait; None when it does not.
    """

    outcome: SendStatus
    code: str = ""
    message: str = ""
    after_seconds: float | None = None


class Channel(Protocol):
    """Thread-safe."""

    @property
    def max_notifications(self) -> int:
        """Most notifications in one message."""

    def send(self, notifications: Sequence[Notification], recipient: str = "") -> SendResult:
        """Send notifications in one message, once; takes at most about `TIMEOUT_SECONDS`.

        ``recipient``: a mail address for email; '' for all others. Raises ValueError for no notifications or too many,
        never for what the receiver does.
        """


def message_id(notifications: Sequence[Notification]) -> str:
    """The id of a message: that of its only notification, or a digest of all ids; the same when sent again."""
    if len(notifications) == 1:
        return notifications[0].id
    return hashlib.sha256(" ".join(notification.id for notification in notifications).encode()).hexdigest()[:32]


def check_number(notifications: Sequence[Notification], max_notifications: int) -> None:
    """Raise ValueError unless the notifications fit into one message."""
    if not 1 <= len(notifications) <= max_notifications:
        raise ValueError(
            f"a message of this channel holds 1 to {max_notifications} notifications, not {len(notifications)}"
        )
