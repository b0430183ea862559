"""Slack by workflow trigger ("From a webhook" in Slack's Workflow Builder). It accepts a flat object of texts.

The workflow must have these variables, all of type text; Slack refuses a request with others:

    id        the same when a message is sent again; 32 hex digits
    change    fired, recovered, reminder, channel-disabled or test; of several notifications all, separated by commas
    count     number of notifications in the message
    title     one line: "Firing: Purchases to Amplitude"
    summary   the comparison, with its numbers
    details   the window, what was left out, what to do; a line each
    errors    the most frequent errors; a line each
    rule      the name of the rule
    link      the page with details, or ""
    text      the whole message, ready to post
"""

from collections.abc import Callable, Iterable, Sequence

import orjson
from slack_sdk.webhook import WebhookResponse

from model.alerts.channels import SlackChannel
from model.alerts.notification import Notification
from model.http.failure import cut
from model.redaction.redactor import Redactor
from sinks.channels import wording
from sinks.channels.answers import read_answer, read_failure
from sinks.channels.calls import ChannelCalls
from sinks.channels.channel import SendResult, SendStatus, check_number, message_id
from sinks.channels.slack_client import NoAnswer, SlackClient

VARIABLE_LIMIT_CHARS = 3_000


class SlackWorkflow:
    """A `Channel`."""

    max_notifications = 5  # each gets an equal share of a variable

    def __init__(self, config: SlackChannel, calls: ChannelCalls, clock: Callable[[], int]) -> None:
        self._client = SlackClient(config, calls)
        self._redactor = Redactor(config.secret_values())
        self._clock = clock

    def send(self, notifications: Sequence[Notification], recipient: str = "") -> SendResult:
        """Start the workflow once; see `Channel`."""
        check_number(notifications, self.max_notifications)
        try:
            return self._read(self._client.send_dict(dict(variables(notifications))))
        except NoAnswer as error:
            return read_failure(error.failure, self._redactor)

    def _read(self, response: WebhookResponse) -> SendResult:
        body = response.body.encode()
        sent = read_answer(response.status_code, response.headers, body, self._redactor, self._clock())
        if sent.outcome is not SendStatus.OK:
            return sent
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
            message = "the response was not the JSON by which Slack confirms that it started a workflow"
            return SendResult(outcome=SendStatus.RETRY, code="UNEXPECTED_ANSWER", message=message)
        if not answer["ok"]:
            message = cut(self._redactor.text(wording.one_line(str(answer.get("error") or "no reason given"))))
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
        "details": _joined(
            (f"{label}: {value}" for label, value in wording.facts(notification)) for notification in shown
        ),
        "errors": _joined(map(wording.error_group, notification.error_groups) for notification in shown),
        "rule": ", ".join(dict.fromkeys(notification.rule_name for notification in shown)),
        "link": shown[0].link,
        "text": _joined(wording.plain_lines(notification) for notification in shown),
    }
    return {name: text.replace("<", "‹").replace(">", "›") for name, text in texts.items()}


def _joined(lines_of_each: Iterable[Iterable[str]]) -> str:
    texts = ["\n".join(lines) for lines in lines_of_each]
    between = "\n\n"
    return between.join(cut(text, VARIABLE_LIMIT_CHARS // len(texts) - len(between)) for text in texts)
