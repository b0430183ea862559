"""What the channels share that send one HTTP POST per message: the call, and what its response means."""

from collections.abc import Callable, Mapping, Sequence

from model.alerts.channels import AnyChannel
from model.alerts.notification import Notification
from model.destinations.destination import USER_AGENT
from model.http.failure import FailureClass, classify, cut, partner_message, retry_after_ms
from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from model.redaction.redactor import Redactor
from sinks.channels.calls import ChannelCalls
from sinks.channels.channel import TIMEOUT_SECONDS, SendResult, SendStatus, check_number

# No access, or the channel is gone: every message would fail the same way.
_CHANNEL_STATUSES = frozenset({401, 403, 404, 410})
_CHANNEL_CODES = frozenset({"ADDRESS_REFUSED", "INVALID_SETTINGS"})
_SERVER_ERRORS = 500


class HttpChannel:
    """A `Channel` with one URL, which is a secret. A subclass formats the message in `deliver`."""

    max_notifications = 1

    def __init__(self, config: AnyChannel, calls: ChannelCalls, clock: Callable[[], int]) -> None:
        """``clock``: Unix ms."""
        self._url = config.url.value
        self._calls = calls
        self._redactor = Redactor(config.secret_values())
        self._clock = clock

    def send(self, notifications: Sequence[Notification], recipient: str = "") -> SendResult:
        """Send one message; see `Channel`."""
        check_number(notifications, self.max_notifications)
        return self.deliver(notifications)

    def deliver(self, notifications: Sequence[Notification]) -> SendResult:
        """Send these notifications in one message."""
        raise NotImplementedError

    def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> HttpResponse | HttpFailure:
        """Make the call; the body is JSON unless ``headers`` name another content type."""
        request = HttpRequest(
            method="POST",
            url=self._url,
            headers={"content-type": "application/json", "user-agent": USER_AGENT, **(headers or {})},
            body=body,
            timeout_seconds=TIMEOUT_SECONDS,
        )
        return self._calls.http(request)

    def result_of(self, response: HttpResponse | HttpFailure) -> SendResult:
        """Classify the response: sent (2xx), try again, or refused, and what the refusal covers."""
        if isinstance(response, HttpFailure):
            outcome = SendStatus.CHANNEL_REFUSED if response.code in _CHANNEL_CODES else SendStatus.RETRY
            return SendResult(outcome=outcome, code=response.code, message=self._shown(response.message))
        kind, code = classify(response.status)
        if kind is FailureClass.DELIVERED:
            return SendResult(outcome=SendStatus.OK)
        message = self._shown(partner_message(response.headers, response.body))
        if response.status in _CHANNEL_STATUSES:
            return SendResult(outcome=SendStatus.CHANNEL_REFUSED, code=code, message=message)
        if response.status >= _SERVER_ERRORS or kind in {FailureClass.RETRY, FailureClass.THROTTLE}:
            wait_ms = retry_after_ms(response.headers, self._clock())
            after_seconds = None if wait_ms is None else wait_ms / 1_000
            return SendResult(outcome=SendStatus.RETRY, code=code, message=message, after_seconds=after_seconds)
        return SendResult(outcome=SendStatus.MESSAGE_REFUSED, code=code, message=message)

    def _shown(self, text: str) -> str:
        return cut(self._redactor.text(text))
