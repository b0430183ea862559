"""Slack by incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/

Slack accepts about one message a second for a channel, and answers ``ok`` to it; 400 invalid_payload is about the
message, 403 action_prohibited, 404 channel_not_found and 410 channel_is_archived are about the channel.
"""

from collections.abc import Callable, Sequence

from slack_sdk.webhook import WebhookResponse

from model.alerts.channels import SlackChannel
from model.alerts.notification import Notification
from model.redaction.redactor import Redactor
from sinks.channels import slack_blocks
from sinks.channels.answers import read_answer, read_failure
from sinks.channels.calls import ChannelCalls
from sinks.channels.channel import SendResult, SendStatus, check_number
from sinks.channels.slack_client import NoAnswer, SlackClient

_BAD_REQUEST = 400


class SlackWebhook:
    """A `Channel`."""

    max_notifications = slack_blocks.MAX_NOTIFICATIONS

    def __init__(self, config: SlackChannel, calls: ChannelCalls, clock: Callable[[], int]) -> None:
        self._client = SlackClient(config, calls)
        self._redactor = Redactor(config.secret_values())
        self._clock = clock

    def send(self, notifications: Sequence[Notification], recipient: str = "") -> SendResult:
        """Post one message; see `Channel`."""
        check_number(notifications, self.max_notifications)
        try:
            response = self._client.send(
                text=slack_blocks.plain(notifications, slack_blocks.PREVIEW_LIMIT_CHARS),
                blocks=[block.to_dict() for block in slack_blocks.blocks(notifications)],
                unfurl_links=False,
                unfurl_media=False,
            )
            if response.status_code == _BAD_REQUEST:  # perhaps only the blocks are invalid: send plain text instead
                response = self._client.send(
                    text=slack_blocks.plain(notifications, slack_blocks.PLAIN_LIMIT_CHARS),
                    unfurl_links=False,
                    unfurl_media=False,
                )
        except NoAnswer as error:
            return read_failure(error.failure, self._redactor)
        return self._read(response)

    def _read(self, response: WebhookResponse) -> SendResult:
        body = response.body.encode()
        sent = read_answer(response.status_code, response.headers, body, self._redactor, self._clock())
        if sent.outcome is SendStatus.OK and response.body.strip() != "ok":  # a proxy's page, say
            message = "the response was not the 'ok' by which Slack confirms a message"
            return SendResult(outcome=SendStatus.RETRY, code="UNEXPECTED_ANSWER", message=message)
        return sent
