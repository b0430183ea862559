"""Mails: what people read, headers that hold whatever stands in a title, and text that stays text in HTML."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from hypothesis import given
from hypothesis import strategies as st

from model.alerts.notification import Change, Notification
from sinks.channels.email_message import email_message
from tests.kit.notifications import AT_MS, hostile_notification, notification


def sent(*notifications: Notification) -> EmailMessage:
    """A mail as it arrives."""
    raw = email_message(notifications, "waybill@example.com", "ada@example.net", AT_MS).as_bytes()
    assert raw.isascii() and max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, subtype: str) -> str:
    body = message.get_body((subtype,))
    assert body
    return str(body.get_content())


def test_the_headers_say_from_whom_what_and_that_a_machine_wrote_it() -> None:
    message = sent(notification(7))
    assert message["From"] == "Waybill <waybill@example.com>"
    assert message["To"] == "ada@example.net"
    assert message["Subject"] == "[Waybill] Firing: Purchases reach Amplitude"
    assert message["Message-ID"] == f"<{7:032x}@example.com>"
    assert message["Date"].datetime.timestamp() * 1_000 == AT_MS
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Id"] == "Waybill alerts <alerts.example.com>"
    assert message["X-Waybill-Change"] == "fired"
    assert message["X-Waybill-Notification"] == f"{7:032x}"


def test_text_and_html_say_the_same() -> None:
    message = sent(notification(7))
    text, html = part(message, "plain"), part(message, "html")
    for words in ("18,412 of 19,652", "2,310 filtered", "1,102 × 429 amplitude: Too many requests", f"{7:032x}"):
        assert words in text and words in html
    assert "93.69 % < 95 %" in text
    assert "93.69 % &lt; 95 %" in html
    assert 'href="https://waybill.example.com/alerts/purchases"' in html
    assert "Sample: https://waybill.example.com/trace/m-1?source=web&day=1" in text


def test_several_notifications_are_one_mail_with_an_id_of_its_own() -> None:
    both = sent(notification(1), notification(2, change=Change.RECOVERED))
    assert both["Subject"] == "[Waybill] 2 alerts: Firing: Purchases reach Amplitude, and 1 more"
    assert both["Message-ID"] not in {sent(notification(1))["Message-ID"], sent(notification(2))["Message-ID"]}
    assert both["Message-ID"] == sent(notification(1), notification(2, change=Change.RECOVERED))["Message-ID"]
    assert both["X-Waybill-Change"] == "fired, recovered"
    for subtype in ("plain", "html"):
        assert f"{1:032x}" in part(both, subtype) and f"{2:032x}" in part(both, subtype)


def test_nothing_a_stranger_wrote_becomes_a_header_or_an_element() -> None:
    message = sent(hostile_notification())
    assert message["Bcc"] is None
    assert message.keys().count("Subject") == 1
    html = part(message, "html")
    assert "<!channel>" not in html and "</b>&amp; " not in html and "javascript:" not in html


@given(st.text(max_size=300))
def test_whatever_a_title_holds_the_mail_can_be_read(title: str) -> None:
    message = sent(notification(title=title))
    assert message["Subject"].startswith("[Waybill] Firing:")
    assert message["X-Waybill-Notification"] == f"{1:032x}"
    assert "18,412" in part(message, "plain")
