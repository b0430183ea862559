"""What is told, whatever the channel: every channel writes the same notice in its own way."""

from dataclasses import dataclass
from enum import StrEnum


class Change(StrEnum):
    """What happened to a rule, or to a channel."""

    FIRED = "fired"
    RECOVERED = "recovered"
    REMINDER = "reminder"  # it fires still
    CHANNEL_DISABLED = "channel-disabled"  # a channel refuses our messages for good
    TEST = "test"  # somebody tries a channel


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Similar failures of the window: the partner's words (redacted), how many, and where one of them can be seen."""

    destination: str
    code: str
    message: str
    deliveries: int
    sample_message_id: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell. All texts are redacted, in one line each, and may hold any character: channels escape.

    id: the same whenever this notice is sent again; 32 hex digits. from_ms, to_ms: the window it speaks of; 0, 0
    without one.
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
    error_groups: tuple[ErrorGroup, ...] = ()
    link: str = ""  # to look closer; '' when no address for links is set
