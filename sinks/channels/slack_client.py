"""Slack's webhook client on top of Waybill's HTTP engine.

On its own the client uses the proxies of the environment, follows redirects, reads responses of any size, resolves the
host without the address check, and logs the URL, which is a secret.
"""

import logging
from typing import Any

import orjson
from slack_sdk.webhook import WebhookClient, WebhookResponse

from model.alerts.channels import SlackChannel
from model.destinations.destination import USER_AGENT
from model.http.messages import HttpFailure, HttpRequest
from sinks.channels.calls import ChannelCalls
from sinks.channels.channel import TIMEOUT_SECONDS

_SILENT = logging.Logger("slack", logging.CRITICAL + 1)


class NoAnswer(Exception):
    """Slack did not respond."""

    def __init__(self, failure: HttpFailure) -> None:
        super().__init__(failure.code)
        self.failure = failure


class SlackClient(WebhookClient):
    """One URL. Raises `NoAnswer`."""

    def __init__(self, config: SlackChannel, calls: ChannelCalls) -> None:
        super().__init__(config.url.value, logger=_SILENT, retry_handlers=[])
        self._calls = calls

    def send_dict(self, body: dict[str, Any], headers: dict[str, str] | None = None) -> WebhookResponse:
        """Send one body; `send` calls this too."""
        result = self._calls.http(
            HttpRequest(
                method="POST",
                url=self.url,
                headers={"content-type": "application/json", "user-agent": USER_AGENT, **(headers or {})},
                body=orjson.dumps({name: value for name, value in body.items() if value is not None}),
                timeout_seconds=TIMEOUT_SECONDS,
            )
        )
        if isinstance(result, HttpFailure):
            raise NoAnswer(result)
        text = result.body.decode("utf-8", "replace")
        return WebhookResponse(url=self.url, status_code=result.status, body=text, headers=dict(result.headers))
