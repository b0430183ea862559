"""What a notification says, independent of the channel. Each channel formats it."""

from dataclasses import dataclass
from enum import StrEnum


class Change(StrEnum):
    """What happened to a rule, or to a channel."""

    FIRED = "fired"
    RECOVERED = "recovered"
    REMINDER = "reminder"  # still firing
    CHANNEL_DISABLED = "channel-disabled"  # a channel refuses all messages permanently
    TEST = "test"  # somebody tests a channel


@dataclass(frozen=True, slots=True)
class TopError:
    """Similar failures in the window: the destination's message (redacted), how many, and one sample."""

    destination: str
    code: str
    message: str
    deliveries: int
    sample_message_id: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One notification. All texts are redacted single lines that may contain any character: channels escape them.

    id: 32 hex digits, the same when the notification is sent again. from_ms, to_ms: its window; 0, 0 for none.
    """

    id: str
    change: Change
    rule_id: str
    rule_name: str
    title: str
    summary: str  # the comparison with its operator, numerator and denominator
    at_ms: int
    from_ms: int = 0
    to_ms: int = 0
    facts: tuple[tuple[str, str], ...] = ()  # label and value: excluded counts, baseline, what to do
    error_groups: tuple[TopError, ...] = ()
    link: str = ""  # '' when no base_url is set
