"""The interface of every channel: it formats notices, sends them once and returns the result.

Channels keep no state and do not retry: the caller keeps the messages until a channel has sent them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from model.alerts.notice import Notice

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
    def max_notices(self) -> int:
        """Most notices in one message."""

    def send(self, notices: Sequence[Notice], recipient: str = "") -> SendResult:
        """Send notices in one message, once; takes at most about `TIMEOUT_SECONDS`.

        ``recipient``: a mail address for email; '' for all others. Raises ValueError for no notices or too many,
        never for what the receiver does.
        """


def message_id(notices: Sequence[Notice]) -> str:
    """The id of a message: that of its only notice, or a digest of all ids; the same when the message is sent again."""
    if len(notices) == 1:
        return notices[0].id
    return hashlib.sha256(" ".join(notice.id for notice in notices).encode()).hexdigest()[:32]


def check_number(notices: Sequence[Notice], max_notices: int) -> None:
    """Raise ValueError unless the notices fit into one message."""
    if not 1 <= len(notices) <= max_notices:
        raise ValueError(f"a message of this channel holds 1 to {max_notices} notices, not {len(notices)}")
