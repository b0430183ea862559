"""Email by SMTP: one mail for each address, so that recipients do not see each other and are refused one by one.

With security ``starttls`` only the greeting is unencrypted: a server that does not offer it, or has an invalid
certificate, gets no mail and no password. A mail is sent once the server has confirmed it; after a lost confirmation
it is sent again with the same Message-ID.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from model.alerts.channels import SmtpConfig
from model.alerts.notification import Notification
from model.config.mail_address import is_mail_address
from model.http.failure import cut
from model.redaction.redactor import Redactor
from sinks.channels.calls import ChannelCalls
from sinks.channels.channel import TIMEOUT_SECONDS, SendResult, SendStatus, check_number, message_id
from sinks.channels.email_message import email_message
from sinks.channels.wording import one_line
from sinks.http.transport_codes import code_of_errno

_QUIT_SECONDS = 1.0
_FIRST_STATUS = 200  # smaller numbers are not SMTP replies
_PERMANENT = 500
_REFUSALS = {  # the first that the error is an instance of
    SMTPAuthenticationError: (SendStatus.CHANNEL_REFUSED, "refuses user name or password"),
    SMTPDataError: (SendStatus.MESSAGE_REFUSED, "refuses the mail"),
    SMTPResponseException: (SendStatus.CHANNEL_REFUSED, "refuses to serve"),
}


class Email:
    """A `Channel`. ``tls``: the trusted certificates; not given: the system's."""

    max_notifications = 50

    def __init__(
        self, config: SmtpConfig, calls: ChannelCalls, clock: Callable[[], int], tls: ssl.SSLContext | None = None
    ) -> None:
        self._config = config
        self._calls = calls
        self._clock = clock
        self._tls = tls or ssl.create_default_context()
        self._redactor = Redactor(config.secret_values())

    def send(self, notifications: Sequence[Notification], recipient: str = "") -> SendResult:
        """Send one mail; see `Channel`."""
        check_number(notifications, self.max_notifications)
        if not is_mail_address(recipient):
            raise ValueError(f"message {message_id(notifications)} is for no mail address")
        mail = email_message(notifications, self._config.sender, recipient, self._clock()).as_bytes()
        try:
            self._calls.wait(self._hand_over(mail, recipient), TIMEOUT_SECONDS + 2 * _QUIT_SECONDS)
        except _Refused as error:
            return error.sent
        except SMTPRecipientsRefused as error:
            refused = error.recipients[0]
            sent = self._answered(SendStatus.RECIPIENT_REFUSED, refused.code, refused.message, "refuses the recipient")
        except SMTPResponseException as error:
            outcome, what = next(found for kind, found in _REFUSALS.items() if isinstance(error, kind))
            sent = self._answered(outcome, error.code, error.message, what)
        except (SMTPException, OSError, TimeoutError) as error:
            sent = SendResult(outcome=SendStatus.RETRY, code=_code(error), message=self._shown(str(error)))
        else:
            sent = SendResult(outcome=SendStatus.OK)
        return sent

    async def _hand_over(self, mail: bytes, recipient: str) -> None:
        host, port = self._config.address
        use_tls = self._config.security == "tls"
        client = SMTP(
            hostname=host,
            port=port,
            timeout=TIMEOUT_SECONDS,
            use_tls=use_tls,
            start_tls=False,  # the client's default is to continue unencrypted
            tls_context=None if self._config.security == "none" else self._tls,
        )
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await client.connect()
                await client.ehlo()
                if self._config.security == "starttls":
                    await _encrypt(client, self._tls)
                await self._log_in(client)
                await client.sendmail(self._config.sender, [recipient], mail)
            with contextlib.suppress(SMTPException, OSError, TimeoutError):  # the mail is sent, whatever QUIT does
                async with asyncio.timeout(_QUIT_SECONDS):
                    await client.quit()
        finally:
            client.close()

    async def _log_in(self, client: SMTP) -> None:
        username, password = self._config.username, self._config.password
        if username is None or password is None:
            return
        # The client would try all methods in turn, and servers disconnect after two failures.
        ways = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}
        known = [log_in for name, log_in in ways.items() if name in client.supported_auth_methods]
        if not known:
            message = "the mail server offers no login method that Waybill supports; check alerts.smtp.username"
            raise _Refused("AUTH_MISSING", message)
        await known[0](username.value, password.value)

    def _answered(self, refused: SendStatus, status: int, message: str, what: str) -> SendResult:
        """4xx is temporary, 5xx permanent."""
        outcome = refused if status >= _PERMANENT else SendStatus.RETRY
        code = str(status) if status >= _FIRST_STATUS else "PROTOCOL_ERROR"
        return SendResult(outcome=outcome, code=code, message=self._shown(f"the mail server {what}: {message}"))

    def _shown(self, text: str) -> str:
        return cut(self._redactor.text(one_line(text)))


class _Refused(Exception):
    """The server lacks what the settings require."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.sent = SendResult(outcome=SendStatus.CHANNEL_REFUSED, code=code, message=message)


async def _encrypt(client: SMTP, tls: ssl.SSLContext) -> None:
    if not client.supports_extension("starttls"):
        message = "the mail server offers no STARTTLS; nothing was sent to it unencrypted; check alerts.smtp.security"
        raise _Refused("STARTTLS_MISSING", message)
    await client.starttls(tls_context=tls)
    await client.ehlo()  # what came before encryption is not trusted


def _code(error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return "TLS_ERROR"
        if isinstance(cause, TimeoutError):
            return "ETIMEDOUT"
        if isinstance(cause, socket.gaierror):
            return "ENOTFOUND"
        if isinstance(cause, OSError) and cause.errno is not None:
            return code_of_errno(cause.errno)
    return "ECONNRESET" if isinstance(error, ConnectionError) else "PROTOCOL_ERROR"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
