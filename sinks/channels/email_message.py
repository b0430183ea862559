"""Notifications as one mail: plain text and HTML with the same content, and headers for filters and programs."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html import escape

from model.alerts.notification import Change, Notification, TopError
from model.alerts.text import moment
from model.http.failure import cut
from sinks.channels import wording
from sinks.channels.channel import message_id

_SUBJECT_LIMIT_CHARS = 200
_IDS_LIMIT = 10  # in a header; the text names them all
_COLORS = {
    Change.FIRED: "#b3261e",
    Change.REMINDER: "#b3261e",
    Change.RECOVERED: "#1e7d32",
    Change.CHANNEL_DISABLED: "#8a5a00",
    Change.TEST: "#444444",
}


def email_message(notifications: Sequence[Notification], sender: str, recipient: str, at_ms: int) -> EmailMessage:
    """Make the mail. Both addresses are plain (`model.config.mail_address`); ``at_ms`` is when it is sent."""
    shown = wording.cleaned(notifications)
    message = EmailMessage(policy=SMTP)
    domain = sender.rpartition("@")[2]
    message["From"] = Address("Waybill", addr_spec=sender)
    message["To"] = Address(addr_spec=recipient)
    message["Subject"] = f"[Waybill] {cut(wording.subject(shown), _SUBJECT_LIMIT_CHARS)}"
    message["Date"] = datetime.fromtimestamp(at_ms // 1_000, UTC)
    message["Message-ID"] = f"<{message_id(notifications)}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # suppresses out-of-office replies
    message["List-Id"] = f"Waybill alerts <alerts.{domain}>"
    message["X-Waybill-Change"] = ", ".join(dict.fromkeys(notification.change for notification in shown))
    message["X-Waybill-Notification"] = ", ".join(notification.id for notification in notifications[:_IDS_LIMIT])
    # Quoted-printable: short ASCII lines, which no server changes.
    message.set_content(_text(shown), cte="quoted-printable")
    message.add_alternative(_html(shown), subtype="html", cte="quoted-printable")
    return message


def _text(notifications: Sequence[Notification]) -> str:
    rule = f"\n\n{'-' * 60}\n\n"
    return rule.join("\n".join(wording.plain_lines(notification)) for notification in notifications) + "\n"


def _html(notifications: Sequence[Notification]) -> str:
    line = '<hr style="border:0;border-top:1px solid #ccc;margin:24px 0">'
    shown = line.join("".join(_parts(notification)) for notification in notifications)
    style = "font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;max-width:680px;margin:0 auto;padding:16px"
    return f'<!DOCTYPE html>\n<html lang="en"><body style="{style}">\n{shown}\n</body></html>\n'


def _parts(notification: Notification) -> Iterator[str]:
    headline = escape(wording.headline(notification))
    yield f'<h2 style="font-size:19px;color:{_COLORS[notification.change]}">{headline}</h2>\n'
    yield f"<p>{escape(notification.summary)}</p>\n"
    facts = wording.facts(notification)
    if facts:
        cell = 'style="padding:2px 16px 2px 0;vertical-align:top"'
        rows = (f"<tr><td {cell}><b>{escape(label)}</b></td><td>{escape(value)}</td></tr>\n" for label, value in facts)
        yield f"<table>\n{''.join(rows)}</table>\n"
    if notification.error_groups:
        yield "<p><b>Most frequent errors</b></p>\n<ul>\n"
        for group in notification.error_groups:
            yield f"<li>{escape(wording.error_group(group))}{_sample(group)}</li>\n"
        yield "</ul>\n"
    if notification.link:
        yield f'<p><a href="{escape(notification.link)}">Look closer</a></p>\n'
    footer = " · ".join(wording.signature(notification, f"{moment(notification.at_ms)} UTC"))
    yield f'<p style="font-size:12px;color:#666">{escape(footer)}</p>'


def _sample(group: TopError) -> str:
    if group.link:
        return f' (<a href="{escape(group.link)}">sample</a>)'
    return f" (sample {escape(group.sample_message_id)})" if group.sample_message_id else ""
