"""A mail server on loopback (aiosmtpd) with a certificate of its own, which answers as it is told."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USERNAME, PASSWORD = "waybill", "correct horse battery"


@dataclass(slots=True)
class MailServer:
    """``recipient``, ``mail``: what it answers to RCPT and to the mail itself."""

    port: int = 0
    trusted: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    recipient: str = "250 OK"
    mail: str = "250 OK"
    mails: list[EmailMessage] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or not."""
        if self.recipient.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.recipient

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail, or not."""
        assert isinstance(envelope.content, bytes)
        if self.mail.startswith("2"):
            message = message_from_bytes(envelope.content, policy=default)
            assert isinstance(message, EmailMessage)
            message["X-Envelope"] = f"{envelope.mail_from} {','.join(envelope.rcpt_tos)}"
            self.mails.append(message)
            self.encrypted.append(session.ssl is not None)
        return self.mail

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        """Know one user."""
        assert isinstance(data, LoginPassword)
        self.logins.append(data.password)
        known = data == LoginPassword(USERNAME.encode(), PASSWORD.encode())
        return AuthResult(success=known, handled=False)


@contextmanager
def mail_server(security: str = "starttls", *, log_in: bool = False) -> Iterator[MailServer]:
    """Listen on a free port of 127.0.0.1. ``security``: starttls, tls or none, which offers no STARTTLS."""
    authority = trustme.CA()
    server = MailServer()
    authority.configure_trust(server.trusted)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
    # auth_require_tls: of a connection that is encrypted from the start aiosmtpd does not know that it is.
    options: dict[str, Any] = {"hostname": "localhost", "auth_require_tls": security == "starttls"}
    if log_in:
        options |= {"authenticator": server.authenticate, "auth_required": True}
    else:
        options |= {"auth_exclude_mechanism": ["LOGIN", "PLAIN"]}
    if security == "starttls":
        options |= {"tls_context": tls, "require_starttls": True}
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(
        loop.create_server(lambda: SMTP(server, **options), "127.0.0.1", 0, ssl=tls if security == "tls" else None)
    )
    server.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_end(listening), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


async def _end(listening: asyncio.Server) -> None:
    listening.close()
    connections = asyncio.all_tasks() - {asyncio.current_task()}
    for connection in connections:
        connection.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
