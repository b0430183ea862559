"""Notices as one mail: plain text and HTML with the same content, and headers for filters and programs."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html import escape

from model.alerts.notice import Change, ErrorGroup, Notice
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


def email_message(notices: Sequence[Notice], sender: str, recipient: str, at_ms: int) -> EmailMessage:
    """Make the mail. Both addresses are plain (`model.config.mail_address`); ``at_ms`` is when it is sent."""
    told = wording.cleaned(notices)
    message = EmailMessage(policy=SMTP)
    domain = sender.rpartition("@")[2]
    message["From"] = Address("Waybill", addr_spec=sender)
    message["To"] = Address(addr_spec=recipient)
    message["Subject"] = f"[Waybill] {cut(wording.subject(told), _SUBJECT_LIMIT_CHARS)}"
    message["Date"] = datetime.fromtimestamp(at_ms // 1_000, UTC)
    message["Message-ID"] = f"<{message_id(notices)}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # suppresses out-of-office replies
    message["List-Id"] = f"Waybill alerts <alerts.{domain}>"
    message["X-Waybill-Change"] = ", ".join(dict.fromkeys(notice.change for notice in told))
    message["X-Waybill-Notice"] = ", ".join(notice.id for notice in notices[:_IDS_LIMIT])
    # Quoted-printable: short ASCII lines, which no server changes.
    message.set_content(_text(told), cte="quoted-printable")
    message.add_alternative(_html(told), subtype="html", cte="quoted-printable")
    return message


def _text(notices: Sequence[Notice]) -> str:
    rule = f"\n\n{'-' * 60}\n\n"
    return rule.join("\n".join(wording.plain_lines(notice)) for notice in notices) + "\n"


def _html(notices: Sequence[Notice]) -> str:
    told = '<hr style="border:0;border-top:1px solid #ccc;margin:24px 0">'.join("".join(_parts(n)) for n in notices)
    style = "font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;max-width:680px;margin:0 auto;padding:16px"
    return f'<!DOCTYPE html>\n<html lang="en"><body style="{style}">\n{told}\n</body></html>\n'


def _parts(notice: Notice) -> Iterator[str]:
    yield f'<h2 style="font-size:19px;color:{_COLORS[notice.change]}">{escape(wording.headline(notice))}</h2>\n'
    yield f"<p>{escape(notice.summary)}</p>\n"
    facts = wording.facts(notice)
    if facts:
        cell = 'style="padding:2px 16px 2px 0;vertical-align:top"'
        rows = (f"<tr><td {cell}><b>{escape(label)}</b></td><td>{escape(value)}</td></tr>\n" for label, value in facts)
        yield f"<table>\n{''.join(rows)}</table>\n"
    if notice.error_groups:
        yield "<p><b>Most frequent errors</b></p>\n<ul>\n"
        for group in notice.error_groups:
            yield f"<li>{escape(wording.error_group(group))}{_sample(group)}</li>\n"
        yield "</ul>\n"
    if notice.link:
        yield f'<p><a href="{escape(notice.link)}">Look closer</a></p>\n'
    footer = " · ".join(wording.signature(notice, f"{wording.minute(notice.at_ms)} UTC"))
    yield f'<p style="font-size:12px;color:#666">{escape(footer)}</p>'


def _sample(group: ErrorGroup) -> str:
    if group.link:
        return f' (<a href="{escape(group.link)}">sample</a>)'
    return f" (sample {escape(group.sample_message_id)})" if group.sample_message_id else ""
