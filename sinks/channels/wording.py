"""Formatting that all channels share: one word for what happened, times, and a notice as plain text."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from model.alerts.notice import Change, ErrorGroup, Notice
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
_MINUTE = "%Y-%m-%d %H:%M"


def one_line(text: str, limit_chars: int = TEXT_LIMIT_CHARS) -> str:
    """A text as one printable line, shortened."""
    return cut(" ".join("".join(char if char.isprintable() else " " for char in text).split()), limit_chars)


def link_of(text: str) -> str:
    """A safe link, or ''. A link over the limit is dropped, because a shortened one would not work."""
    usable = text.startswith(("https://", "http://")) and text.isascii() and text.isprintable()
    return text if usable and len(text) <= LINK_LIMIT_CHARS and not any(char in text for char in " <>\"'|\\") else ""


def cleaned(notices: Sequence[Notice]) -> list[Notice]:
    """The notices with every text as one line of limited length, and safe links only.

    Every channel starts with this and then only has to escape.
    """
    return [
        replace(
            notice,
            rule_id=one_line(notice.rule_id, _NAME_LIMIT_CHARS),
            rule_name=one_line(notice.rule_name, _NAME_LIMIT_CHARS),
            title=one_line(notice.title, _TITLE_LIMIT_CHARS),
            summary=one_line(notice.summary),
            facts=tuple(
                (one_line(label, _NAME_LIMIT_CHARS), one_line(value)) for label, value in notice.facts[:MAX_FACTS]
            ),
            error_groups=tuple(_cleaned_group(group) for group in notice.error_groups[:MAX_ERROR_GROUPS]),
            link=link_of(notice.link),
        )
        for notice in notices
    ]


def headline(notice: Notice) -> str:
    """What happened and to what: ``Firing: Purchases to Amplitude``."""
    return f"{WORDS[notice.change]}: {notice.title}"


def subject(notices: Sequence[Notice]) -> str:
    """One line for all notices of a message."""
    first = headline(notices[0])
    return first if len(notices) == 1 else f"{len(notices)} alerts: {first}, and {len(notices) - 1} more"


def minute(at_ms: int) -> str:
    """A time to the minute, in UTC, without the zone."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime(_MINUTE)


def window(notice: Notice) -> str:
    """``2026-11-20 03:15 to 2026-11-21 03:15 UTC``; the date is written once if both are on one day."""
    begin, end = minute(notice.from_ms), minute(notice.to_ms)
    same_day = begin.split()[0] == end.split()[0]
    return f"{begin} to {end.split()[1] if same_day else end} UTC"


def facts(notice: Notice) -> list[tuple[str, str]]:
    """Label and value pairs: the window, then the facts of the notice."""
    return [("Window", window(notice))] * bool(notice.to_ms) + list(notice.facts)


def error_group(group: ErrorGroup) -> str:
    """``1,240 × 429 amplitude: Too many requests``, in one line."""
    return f"{group.deliveries:,} × {group.code} {group.destination}{': ' if group.message else ''}{group.message}"


def signature(notice: Notice, at: str) -> list[str]:
    """The footer: the rule unless it is the title, the time, and the id, which identifies repetitions."""
    return [notice.rule_name] * (notice.rule_name != notice.title) + [at, f"notice {notice.id}"]


def plain_lines(notice: Notice) -> Iterator[str]:
    """A notice as plain text; empty lines between its parts."""
    yield headline(notice)
    yield notice.summary
    lines = [f"{label}: {value}" for label, value in facts(notice)]
    yield from ["", *lines] if lines else []
    yield from ["", "Most frequent errors:"] if notice.error_groups else []
    for group in notice.error_groups:
        yield f"- {error_group(group)}"
        yield from [f"  Sample: {sample}"] if (sample := group.link or group.sample_message_id) else []
    yield ""
    yield from [notice.link] if notice.link else []
    yield " · ".join(signature(notice, f"{minute(notice.at_ms)} UTC"))


def _cleaned_group(group: ErrorGroup) -> ErrorGroup:
    return replace(
        group,
        destination=one_line(group.destination, _NAME_LIMIT_CHARS),
        code=one_line(group.code, _NAME_LIMIT_CHARS),
        message=one_line(group.message, _MESSAGE_LIMIT_CHARS),
        sample_message_id=one_line(group.sample_message_id, _NAME_LIMIT_CHARS),
        link=link_of(group.link),
    )
