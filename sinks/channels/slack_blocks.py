"""Notifications as Slack Block Kit, within its limits, with all markup escaped.

In Slack's markup only ``&``, ``<`` and ``>`` can mean something (a link, a mention such as <!channel>); escaped, the
rest is text. ``verbatim`` stops Slack from detecting links and names.
"""

from collections.abc import Iterable, Iterator, Sequence

from slack_sdk.models.blocks import (
    Block,
    ContextBlock,
    DividerBlock,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)
from slack_sdk.models.messages import DateLink, Link

from model.alerts.notification import Change, Notification, TopError
from model.alerts.text import moment
from model.http.failure import cut
from sinks.channels import wording

# With these a message has at most 50 blocks and, whatever its texts, less than 40,000 characters: more Slack refuses.
MAX_NOTIFICATIONS = 15
_IN_FULL = 3  # from this many notifications on, each gets a short form
_SHORT_LIMIT_CHARS = 1_500
_SUMMARY_LIMIT_CHARS = 2_000
_LINE_LIMIT_CHARS = 600
PREVIEW_LIMIT_CHARS = 3_000
PLAIN_LIMIT_CHARS = 30_000
_BETWEEN = "\n\n"
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SIGNS = {
    Change.FIRED: "🔴",
    Change.RECOVERED: "🟢",
    Change.REMINDER: "🔴",
    Change.CHANNEL_DISABLED: "⚠️",
    Change.TEST: "🔔",
}


def blocks(notifications: Sequence[Notification]) -> list[Block]:
    """The blocks of one message."""
    shown = wording.cleaned(notifications)
    if len(shown) > _IN_FULL:
        return [_header(f"{len(shown)} alerts"), *(block for each in shown for block in _in_short(each))]
    made: list[Block] = []
    for notification in shown:
        made += [DividerBlock()] if made else []
        made += _in_full(notification)
    return made


def plain(notifications: Sequence[Notification], limit_chars: int) -> str:
    """The message without blocks: for notifications, for screen readers, and for servers that know no blocks."""
    each_chars = limit_chars // len(notifications) - len(_BETWEEN)
    texts = (map(escaped, wording.plain_lines(notification)) for notification in wording.cleaned(notifications))
    return _BETWEEN.join(_joined(text, each_chars) for text in texts)


def escaped(text: str, limit_chars: int = _LINE_LIMIT_CHARS) -> str:
    """A text escaped for markup, cut to the limit without splitting an escape."""
    pieces: list[str] = []
    left_chars = limit_chars
    for char in text:
        piece = _ESCAPES.get(char, char)
        left_chars -= len(piece)
        if left_chars < 1:  # keeps the place of the sign that says so
            return "".join(pieces) + "…"
        pieces.append(piece)
    return "".join(pieces)


def _header(text: str) -> HeaderBlock:
    # Slack does not document whether plain text is unescaped. These characters look alike and have no meaning.
    shown = text.replace("<", "‹").replace(">", "›")
    return HeaderBlock(text=PlainTextObject(text=cut(shown, HeaderBlock.text_max_length)))


def _in_full(notification: Notification) -> Iterator[Block]:
    yield _header(f"{_SIGNS[notification.change]} {wording.headline(notification)}")
    yield _section([escaped(notification.summary, _SUMMARY_LIMIT_CHARS), *_look_closer(notification)])
    facts = [f"*{escaped(label)}:* {escaped(value)}" for label, value in wording.facts(notification)]
    if facts:
        yield _section(facts)
    if notification.error_groups:
        yield _section(["*Most frequent errors*", *(f"• {_error_group(group)}" for group in notification.error_groups)])
    yield _footer(notification)


def _in_short(notification: Notification) -> Iterator[Block]:
    title = f"{_SIGNS[notification.change]} *{escaped(wording.headline(notification))}*"
    yield _section([title, escaped(notification.summary), *_look_closer(notification)], _SHORT_LIMIT_CHARS)
    yield _footer(notification)


def _look_closer(notification: Notification) -> list[str]:
    return [_link(notification.link, "Look closer")] if notification.link else []


def _error_group(group: TopError) -> str:
    sample = _link(group.link, "sample") if group.link else ""
    if not sample and group.sample_message_id:
        sample = f"sample {escaped(group.sample_message_id)}"
    return escaped(wording.error_group(group)) + (f" ({sample})" if sample else "")


def _link(url: str, text: str) -> str:
    return str(Link(url=url.replace("&", "&amp;"), text=text))


def _footer(notification: Notification) -> ContextBlock:
    at = DateLink(
        date=notification.at_ms // 1_000,
        date_format="{date_short_pretty} {time}",  # in the reader's zone
        fallback=f"{moment(notification.at_ms)} UTC",
    )
    *rule, when, id_ = wording.signature(notification, str(at))
    return ContextBlock(elements=[_markup(" · ".join([*map(escaped, rule), when, escaped(id_)]))])


def _section(lines: Iterable[str], limit_chars: int = SectionBlock.text_max_length) -> SectionBlock:
    return SectionBlock(text=_markup(_joined(lines, limit_chars)))


def _markup(text: str) -> MarkdownTextObject:
    return MarkdownTextObject(text=text or "-", verbatim=True)  # an empty text would make Slack refuse the message


def _joined(lines: Iterable[str], limit_chars: int) -> str:
    """As many whole lines as fit: a cut link would be useless."""
    kept: list[str] = []
    left_chars = limit_chars - 2  # for the sign that lines are missing
    for line in lines:
        left_chars -= len(line) + 1
        if left_chars < 0:
            kept.append("…")
            break
        kept.append(line)
    return "\n".join(kept)
