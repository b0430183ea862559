"""Formatting that all channels share: one word for each change, times, and a notification as plain text."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from model.alerts.notification import Change, Notification, TopError
from model.alerts.text import moment
from model.http.failure import cut

MAX_FACTS = 20
MAX_ERROR_GROUPS = 5
TEXT_LIMIT_CHARS = 1_000
LINK_LIMIT_CHARS = 500
_TITLE_LIMIT_CHARS = 200
_NAME_LIMIT_CHARS = 100
_MESSAGE_LIMIT_CHARS = 300

WORDS = {
    Change.FIRED: "Firing",
    Change.RECOVERED: "Recovered",
    Change.REMINDER: "Still firing",
    Change.CHANNEL_DISABLED: "Channel disabled",
    Change.TEST: "Test",
}


def one_line(text: str, limit_chars: int = TEXT_LIMIT_CHARS) -> str:
    """A text as one printable line, shortened."""
    return cut(" ".join("".join(char if char.isprintable() else " " for char in text).split()), limit_chars)


def link_of(text: str) -> str:
    """A safe link, or ''. A link over the limit is dropped, because a shortened one would not work."""
    usable = text.startswith(("https://", "http://")) and text.isascii() and text.isprintable()
    return text if usable and len(text) <= LINK_LIMIT_CHARS and not any(char in text for char in " <>\"'|\\") else ""


def cleaned(notifications: Sequence[Notification]) -> list[Notification]:
    """The notifications with every text as one line of limited length, and safe links only.

    Every channel starts with this and then only has to escape.
    """
    return [
        replace(
            notification,
            rule_id=one_line(notification.rule_id, _NAME_LIMIT_CHARS),
            rule_name=one_line(notification.rule_name, _NAME_LIMIT_CHARS),
            title=one_line(notification.title, _TITLE_LIMIT_CHARS),
            summary=one_line(notification.summary),
            facts=tuple(
                (one_line(label, _NAME_LIMIT_CHARS), one_line(value)) for label, value in notification.facts[:MAX_FACTS]
            ),
            error_groups=tuple(_cleaned_group(group) for group in notification.error_groups[:MAX_ERROR_GROUPS]),
            link=link_of(notification.link),
        )
        for notification in notifications
    ]


def headline(notification: Notification) -> str:
    """What happened and to what: ``Firing: Purchases to Amplitude``."""
    return f"{WORDS[notification.change]}: {notification.title}"


def subject(notifications: Sequence[Notification]) -> str:
    """One line for all notifications of a message."""
    first, count = headline(notifications[0]), len(notifications)
    return first if count == 1 else f"{count} alerts: {first}, and {count - 1} more"


def window(notification: Notification) -> str:
    """``2026-11-20 03:15 to 2026-11-21 03:15 UTC``; the date is written once if both are on one day."""
    begin, end = moment(notification.from_ms), moment(notification.to_ms)
    same_day = begin.split()[0] == end.split()[0]
    return f"{begin} to {end.split()[1] if same_day else end} UTC"


def facts(notification: Notification) -> list[tuple[str, str]]:
    """Label and value pairs: the window, then the facts of the notification."""
    return [("Window", window(notification))] * bool(notification.to_ms) + list(notification.facts)


def fact_lines(notification: Notification) -> list[str]:
    """The facts as lines of text."""
    return [f"{label}: {value}" for label, value in facts(notification)]


def error_group(group: TopError) -> str:
    """``1,240 × 429 amplitude: Too many requests``, in one line."""
    return f"{group.deliveries:,} × {group.code} {group.destination}{': ' if group.message else ''}{group.message}"


def signature(notification: Notification, at: str) -> list[str]:
    """The footer: the rule unless it is the title, the time, and the id, which identifies repetitions."""
    rule = [notification.rule_name] if notification.rule_name != notification.title else []
    return [*rule, at, f"notification {notification.id}"]


def plain_lines(notification: Notification) -> Iterator[str]:
    """A notification as plain text; empty lines between its parts."""
    yield headline(notification)
    yield notification.summary
    lines = fact_lines(notification)
    yield from ["", *lines] if lines else []
    yield from ["", "Most frequent errors:"] if notification.error_groups else []
    for group in notification.error_groups:
        yield f"- {error_group(group)}"
        yield from [f"  Sample: {sample}"] if (sample := group.link or group.sample_message_id) else []
    yield ""
    yield from [notification.link] if notification.link else []
    yield " · ".join(signature(notification, f"{moment(notification.at_ms)} UTC"))


def _cleaned_group(group: TopError) -> TopError:
    return replace(
        group,
        destination=one_line(group.destination, _NAME_LIMIT_CHARS),
        code=one_line(group.code, _NAME_LIMIT_CHARS),
        message=one_line(group.message, _MESSAGE_LIMIT_CHARS),
        sample_message_id=one_line(group.sample_message_id, _NAME_LIMIT_CHARS),
        link=link_of(group.link),
    )
