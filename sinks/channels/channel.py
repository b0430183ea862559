"""What every channel is: it writes notices in its own way, makes one try to hand them over, and says what came of it.

Nothing is repeated here, and nothing remembered: who sends keeps the messages until a channel has taken them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from model.alerts.notice import Notice

TIMEOUT_SECONDS = 10.0  # of one try; the next is made in any case


class SendStatus(StrEnum):
    """What came of a try. Whatever is refused can be told by another channel."""

    OK = "ok"
    RETRY = "retry"  # nobody is to blame, or the network: try later
    MESSAGE_REFUSED = "message-refused"  # this one is never taken; others may be
    RECIPIENT_REFUSED = "recipient-refused"  # nothing is taken for this address until a person acts
    CHANNEL_REFUSED = "channel-refused"  # nothing at all is taken until a person acts


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """``code``: an HTTP or SMTP status, a transport code, or one of ours; '' when taken. ``message``: redacted.

    after_seconds: how long the other side asks us to wait; None when it does not.
    """

    outcome: SendStatus
    code: str = ""
    message: str = ""
    after_seconds: float | None = None


class Channel(Protocol):
    """Any number of threads may use it."""

    @property
    def max_notices(self) -> int:
        """How many notices one message tells at most."""

    def send(self, notices: Sequence[Notice], recipient: str = "") -> SendResult:
        """Try once to hand notices over in one message; waits at most about `TIMEOUT_SECONDS`.

        ``recipient``: a mail address for email; '' for all others. Raises ValueError for no notices or too many, and
        for nothing that the other side does.
        """


def message_id(notices: Sequence[Notice]) -> str:
    """The id of a message: that of its notice, or 32 hex digits made of all; the same whenever it is sent again."""
    if len(notices) == 1:
        return notices[0].id
    return hashlib.sha256(" ".join(notice.id for notice in notices).encode()).hexdigest()[:32]


def check_number(notices: Sequence[Notice], max_notices: int) -> None:
    """Refuse what would otherwise be told in part. Raises ValueError."""
    if not 1 <= len(notices) <= max_notices:
        raise ValueError(f"a message of this channel tells 1 to {max_notices} notices, not {len(notices)}")
