"""Any HTTP receiver: a POST of JSON, signed by the Standard Webhooks specification.

The body has ``version`` (1; fields may be added to it), ``id`` and ``notifications``. A notification has the fields of
`Notification`: texts are single lines, times Unix ms, ``facts`` as pairs of label and value.

Header ``Idempotency-Key`` and field ``id`` are the same when a message is sent again. A status of 2xx means sent;
401, 403, 404 and 410 disable the channel; 408, 429 (Retry-After is honoured) and 5xx are tried again.
"""

from collections.abc import Callable, Sequence

import orjson

from model.alerts.channels import WebhookChannel
from model.alerts.notification import Notification
from model.http.signatures import standard_webhooks
from sinks.channels.calls import ChannelCalls
from sinks.channels.channel import SendResult, message_id
from sinks.channels.http_channel import HttpChannel
from sinks.channels.wording import cleaned


class Webhook(HttpChannel):
    """A `Channel`."""

    max_notifications = 100

    def __init__(self, config: WebhookChannel, calls: ChannelCalls, clock: Callable[[], int]) -> None:
        super().__init__(config, calls, clock)
        self._secret = config.secret

    def deliver(self, notifications: Sequence[Notification]) -> SendResult:
        """Post one message."""
        id_ = message_id(notifications)
        body = orjson.dumps({"version": 1, "id": id_, "notifications": cleaned(notifications)})
        signature = standard_webhooks(id_, self._clock() // 1_000, body, self._secret.value) if self._secret else {}
        return self.result_of(self.post(body, {"idempotency-key": id_, **signature}))
