"""Email against a real mail server with TLS and login: what arrives, what is refused, and nothing goes in the clear."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from model.alerts.channels import AlertsConfig
from sinks.channels import email
from sinks.channels.calls import ChannelCalls
from sinks.channels.catalogue import open_channels
from sinks.channels.channel import Channel, SendResult, SendStatus
from tests.conformance.channels.smtp_server import PASSWORD, USERNAME, MailServer, mail_server
from tests.kit.notifications import AT_MS, hostile_notification, notification

Make = Callable[..., Channel]
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # as the server sees it
LOGIN = {"username": USERNAME, "password": "${PASSWORD}"}


@pytest.fixture
def make(calls: ChannelCalls) -> Make:
    def make_channel(port: int, tls: ssl.SSLContext | None = None, secret: str = PASSWORD, **changed: Any) -> Channel:
        smtp = {"host": "127.0.0.1", "port": port, "from": "waybill@example.com", **changed}
        context = {"environ": {"PASSWORD": secret}}
        config = AlertsConfig.model_validate_json(orjson.dumps({"smtp": smtp}), context=context)
        return open_channels(config, calls, lambda: AT_MS, tls)["email"]

    return make_channel


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_arrives_encrypted_after_logging_in(make: Make, security: str) -> None:
    with mail_server(security, log_in=True) as server:
        channel = make(server.port, server.trusted, security=security, **LOGIN)
        assert channel.send([notification(7)], "ada@example.net") == SendResult(outcome=SendStatus.OK)
        assert channel.send([notification(8), hostile_notification(9)], "bob@example.net").outcome is SendStatus.OK
    one, several = server.mails
    assert one["Message-ID"] == f"<{7:032x}@example.com>"
    assert one["X-Envelope"] == "waybill@example.com ada@example.net"
    assert several["To"] == several["X-Envelope"].split()[1] == "bob@example.net"
    assert several["Bcc"] is None
    body = one.get_body(("plain",))
    assert body and "18,412 of 19,652 = 93.69 % < 95 %" in body.get_content()
    assert server.encrypted == [security == "starttls"] * 2  # what is encrypted from the start aiosmtpd does not see


def test_without_starttls_neither_mail_nor_password_is_sent(make: Make) -> None:
    with mail_server("none", log_in=True) as server:
        sent = make(server.port, server.trusted, **LOGIN).send([notification()], "ada@example.net")
        assert (sent.outcome, sent.code) == (SendStatus.CHANNEL_REFUSED, "STARTTLS_MISSING")
        assert "check alerts.smtp.security" in sent.message
        assert server.mails == [] and server.logins == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_does_not_hold_gets_nothing(make: Make, security: str) -> None:
    with mail_server(security, log_in=True) as server:
        sent = make(server.port, security=security, **LOGIN).send([notification()], "ada@example.net")
        assert (sent.outcome, sent.code) == (SendStatus.RETRY, "TLS_ERROR")
        assert server.mails == [] and server.logins == []


def test_without_security_mail_goes_as_it_is_when_told_so(make: Make) -> None:
    with mail_server("none") as server:
        assert make(server.port, security="none").send([notification()], "ada@example.net").outcome is SendStatus.OK
        assert server.encrypted == [False]


def test_a_wrong_password_is_said_and_not_shown(make: Make) -> None:
    with mail_server(log_in=True) as server:
        wrong = make(server.port, server.trusted, secret="wrong horse battery", **LOGIN)
        sent = wrong.send([notification()], "ada@example.net")
        assert server.logins == [b"wrong horse battery"]
    assert (sent.outcome, sent.code) == (SendStatus.CHANNEL_REFUSED, "535")
    assert "refuses user name or password" in sent.message
    assert "wrong horse" not in repr(sent)


def test_a_server_without_login_says_so(make: Make) -> None:
    with mail_server() as server:
        sent = make(server.port, server.trusted, **LOGIN).send([notification()], "ada@example.net")
    assert (sent.outcome, sent.code) == (SendStatus.CHANNEL_REFUSED, "AUTH_MISSING")


@pytest.mark.parametrize(
    ("recipient", "mail", "outcome", "code"),
    [
        ("450 4.2.1 try later", "250 OK", SendStatus.RETRY, "450"),
        ("550 5.1.1 no such user ada@example.net", "250 OK", SendStatus.RECIPIENT_REFUSED, "550"),
        ("250 OK", "451 4.3.0 disk full", SendStatus.RETRY, "451"),
        ("250 OK", "554 5.7.1 looks like spam", SendStatus.MESSAGE_REFUSED, "554"),
    ],
)
def test_4xx_is_for_now_and_5xx_for_good(make: Make, recipient: str, mail: str, outcome: SendStatus, code: str) -> None:
    with mail_server() as server:
        server.recipient, server.mail = recipient, mail
        sent = make(server.port, server.trusted).send([notification()], "ada@example.net")
        assert (sent.outcome, sent.code) == (outcome, code)
        assert "ada@example.net" not in sent.message and "the mail server refuses" in sent.message
        server.recipient = server.mail = "250 OK"
        assert make(server.port, server.trusted).send([notification()], "ada@example.net").outcome is SendStatus.OK


def test_nobody_there_is_tried_again(make: Make) -> None:
    sent = make(1, security="none").send([notification()], "ada@example.net")
    assert (sent.outcome, sent.code) == (SendStatus.RETRY, "ECONNREFUSED")


def test_a_server_that_says_nothing_or_nonsense_does_not_hold_us(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email, "TIMEOUT_SECONDS", 0.3)
    for greeting, code in ((b"", "ETIMEDOUT"), (b"\xff\xfe nonsense\r\n", "PROTOCOL_ERROR")):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            accepted: list[socket.socket] = []
            answering = threading.Thread(target=_greet, args=(listening, greeting, accepted))
            answering.start()
            began = time.monotonic()
            sent = make(listening.getsockname()[1], security="none").send([notification()], "ada@example.net")
            answering.join(5)
            assert (sent.outcome, sent.code) == (SendStatus.RETRY, code)
            assert time.monotonic() - began < 3
            for connection in accepted:
                connection.close()


def _greet(listening: socket.socket, greeting: bytes, accepted: list[socket.socket]) -> None:
    connection, _ = listening.accept()
    accepted.append(connection)
    connection.sendall(greeting)


@pytest.mark.parametrize("recipient", ["", "ada", "ada@example.net\r\nRCPT TO:<eve@evil.example>", "<a@example.net>"])
def test_what_is_no_address_reaches_no_server(make: Make, recipient: str) -> None:
    with mail_server() as server:
        with pytest.raises(ValueError, match="no mail address"):
            make(server.port, server.trusted).send([notification()], recipient)
        assert server.mails == []


def test_servers_differ_in_their_certificates() -> None:
    """The suite would prove nothing about certificates if one of them held everywhere."""
    with mail_server() as one, mail_server() as other:
        assert isinstance(one, MailServer) and one.trusted.get_ca_certs() != other.trusted.get_ca_certs()
