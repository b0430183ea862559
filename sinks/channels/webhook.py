"""Any HTTP receiver: a POST of the JSON of `WebhookMessage`, signed by the Standard Webhooks specification.

Header ``Idempotency-Key`` and field ``id`` are the same when a message is sent again. A status of 2xx means sent;
401, 403, 404 and 410 disable the channel; 408, 429 (Retry-After is honoured) and 5xx are tried again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from model.alerts.channels import WebhookChannel
from model.alerts.notification import Notification
from model.destinations.destination import USER_AGENT
from model.http.messages import HttpRequest
from model.http.signatures import standard_webhooks
from model.redaction.redactor import Redactor
from sinks.channels.answers import read
from sinks.channels.calls import ChannelCalls
from sinks.channels.channel import TIMEOUT_SECONDS, SendResult, check_number, message_id
from sinks.channels.wording import cleaned


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMessage:
    """The body. ``version``: 1; fields may be added to it. A notification has the fields of `Notification`: texts are
    single lines, times Unix ms, ``facts`` as pairs of label and value."""

    version: int = 1
    id: str
    notifications: Sequence[Notification]


class Webhook:
    """A `Channel`."""

    max_notifications = 100

    def __init__(self, config: WebhookChannel, calls: ChannelCalls, clock: Callable[[], int]) -> None:
        self._config = config
        self._calls = calls
        self._redactor = Redactor(config.secret_values())
        self._clock = clock

    def send(self, notifications: Sequence[Notification], recipient: str = "") -> SendResult:
        """Post one message; see `Channel`."""
        check_number(notifications, self.max_notifications)
        return read(self._calls.http(self.request(notifications)), self._redactor, self._clock())

    def request(self, notifications: Sequence[Notification]) -> HttpRequest:
        """The request with these notifications. Contains secrets."""
        id_ = message_id(notifications)
        body = orjson.dumps(WebhookMessage(id=id_, notifications=cleaned(notifications)))
        secret = self._config.secret
        signature = standard_webhooks(id_, self._clock() // 1_000, body, secret.value) if secret else {}
        return HttpRequest(
            method="POST",
            url=self._config.url.value,
            headers={
                "content-type": "application/json",
                "user-agent": USER_AGENT,
                "idempotency-key": id_,
                **signature,
            },
            body=body,
            timeout_seconds=TIMEOUT_SECONDS,
        )
