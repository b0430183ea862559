"""Slack, by incoming webhook or by the web request that starts a workflow.

Incoming webhook (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/): Slack accepts about one
message a second for a channel, and answers ``ok`` to it; 400 invalid_payload is about the message, 403
action_prohibited, 404 channel_not_found and 410 channel_is_archived are about the channel.

Workflow ("From a webhook" in Slack's Workflow Builder): Slack accepts a flat object of texts. The workflow must have
these variables, all of type text; Slack refuses a request with others:

    id        the same when a message is sent again; 32 hex digits
    change    fired, recovered, reminder, channel-disabled or test; for several notifications all of them, separated by
              commas
    count     number of notifications in the message
    title     one line: "Firing: Purchases to Amplitude"
    summary   the comparison, with its numbers
    details   the window, what was left out, what to do; a line each
    errors    the most frequent errors; a line each
    rule      the name of the rule
    link      the page with details, or ""
    text      the whole message, ready to post
"""

from collections.abc import Iterable, Sequence

import orjson

from model.alerts.notification import Notification
from model.http.failure import cut
from model.http.messages import HttpFailure, HttpResponse
from sinks.channels import slack_blocks, wording
from sinks.channels.channel import SendResult, SendStatus, message_id
from sinks.channels.http_channel import HttpChannel

VARIABLE_LIMIT_CHARS = 3_000
_BAD_REQUEST = 400


class SlackWebhook(HttpChannel):
    """A `Channel`: an incoming webhook."""

    max_notifications = slack_blocks.MAX_NOTIFICATIONS

    def deliver(self, notifications: Sequence[Notification]) -> SendResult:
        """Post one message."""
        response = self._post_message(
            text=slack_blocks.plain(notifications, slack_blocks.PREVIEW_LIMIT_CHARS),
            blocks=[block.to_dict() for block in slack_blocks.blocks(notifications)],
        )
        if isinstance(response, HttpResponse) and response.status == _BAD_REQUEST:
            # Perhaps only the blocks are invalid: send plain text instead.
            response = self._post_message(text=slack_blocks.plain(notifications, slack_blocks.PLAIN_LIMIT_CHARS))
        sent = self.result_of(response)
        if sent.outcome is SendStatus.OK and _body(response).strip() != b"ok":  # a proxy's page, say
            return _unexpected("the response was not the 'ok' by which Slack confirms a message")
        return sent

    def _post_message(self, **message: object) -> HttpResponse | HttpFailure:
        return self.post(orjson.dumps({**message, "unfurl_links": False, "unfurl_media": False}))


class SlackWorkflow(HttpChannel):
    """A `Channel`: a workflow trigger."""

    max_notifications = 5  # each gets an equal share of a variable

    def deliver(self, notifications: Sequence[Notification]) -> SendResult:
        """Start the workflow once."""
        response = self.post(orjson.dumps(variables(notifications)))
        sent = self.result_of(response)
        if sent.outcome is not SendStatus.OK:
            return sent
        try:
            answer = orjson.loads(_body(response))
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
            return _unexpected("the response was not the JSON by which Slack confirms that it started a workflow")
        if not answer["ok"]:
            message = self._shown(wording.one_line(str(answer.get("error") or "no reason given")))
            return SendResult(outcome=SendStatus.MESSAGE_REFUSED, code="WORKFLOW_REFUSED", message=message)
        return sent


def variables(notifications: Sequence[Notification]) -> dict[str, str]:
    """The variables of the workflow, as the module describes them. The workflow decides whether they are markup, so
    ``<`` and ``>``, which only Slack's markup needs, are replaced by similar characters."""
    shown = wording.cleaned(notifications)
    texts = {
        "id": message_id(notifications),
        "change": ", ".join(dict.fromkeys(notification.change for notification in shown)),
        "count": str(len(shown)),
        "title": wording.subject(shown),
        "summary": _joined([notification.summary] for notification in shown),
        "details": _joined(map(wording.fact_lines, shown)),
        "errors": _joined(map(wording.error_group, notification.error_groups) for notification in shown),
        "rule": ", ".join(dict.fromkeys(notification.rule_name for notification in shown)),
        "link": shown[0].link,
        "text": _joined(map(wording.plain_lines, shown)),
    }
    return {name: text.replace("<", "‹").replace(">", "›") for name, text in texts.items()}


def _joined(lines_of_each: Iterable[Iterable[str]]) -> str:
    texts = ["\n".join(lines) for lines in lines_of_each]
    between = "\n\n"
    return between.join(cut(text, VARIABLE_LIMIT_CHARS // len(texts) - len(between)) for text in texts)


def _body(response: HttpResponse | HttpFailure) -> bytes:
    return response.body if isinstance(response, HttpResponse) else b""


def _unexpected(message: str) -> SendResult:
    return SendResult(outcome=SendStatus.RETRY, code="UNEXPECTED_ANSWER", message=message)
