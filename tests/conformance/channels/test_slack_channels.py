"""Both Slack channels against a server that answers as Slack's documentation says."""

import logging
from ipaddress import ip_network

import orjson
import pytest

from model.alerts.channels import AlertsConfig, SlackChannel
from sinks.channels.calls import ChannelCalls
from sinks.channels.catalogue import open_channels
from sinks.channels.channel import Channel, SendResult, SendStatus
from tests.kit.http_receiver import AttemptResult, Receiver
from tests.kit.notifications import AT_MS, hostile_notification, notification

TOKEN = "s3cr3tT0kenOfSlack000000"
STARTED = AttemptResult(200, b'{"ok":true}', {"Content-Type": "application/json"})


def channel_at(port: int, calls: ChannelCalls, type_: str = "slack-webhook") -> Channel:
    data = {"channels": [{"id": "ops", "type": type_, "url": "${HOOK}"}]}
    environ = {"HOOK": f"http://127.0.0.1:{port}/services/T0TEAM/B0HOOK/{TOKEN}"}
    config = AlertsConfig.model_validate_json(orjson.dumps(data), context={"environ": environ})
    assert isinstance(config.channels[0], SlackChannel)
    return open_channels(config, calls, lambda: AT_MS)["ops"]


@pytest.fixture
def webhook(receiver: Receiver, calls: ChannelCalls) -> Channel:
    return channel_at(receiver.port, calls)


@pytest.fixture
def workflow(receiver: Receiver, calls: ChannelCalls) -> Channel:
    receiver.says(STARTED)
    return channel_at(receiver.port, calls, "slack-workflow")


def test_ok_is_taken_and_the_post_holds_blocks_and_text(webhook: Channel, receiver: Receiver) -> None:
    assert webhook.send([notification(1), notification(2)]) == SendResult(outcome=SendStatus.OK)
    [request] = receiver.requests
    assert request.path.endswith(TOKEN)
    assert [block["type"] for block in request.json["blocks"]].count("header") == 2
    assert f"notification {2:032x}" in request.json["text"]
    assert request.json["unfurl_links"] is False
    assert "link_names" not in request.json


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        (AttemptResult(403, b"action_prohibited"), SendStatus.CHANNEL_REFUSED, "403"),
        (AttemptResult(403, b"invalid_token"), SendStatus.CHANNEL_REFUSED, "403"),
        (AttemptResult(404, b"channel_not_found"), SendStatus.CHANNEL_REFUSED, "404"),
        (AttemptResult(404, b"no_service"), SendStatus.CHANNEL_REFUSED, "404"),
        (AttemptResult(410, b"channel_is_archived"), SendStatus.CHANNEL_REFUSED, "410"),
        (AttemptResult(500, b"rollup_error"), SendStatus.RETRY, "500"),
        (AttemptResult(503, b""), SendStatus.RETRY, "503"),
        (AttemptResult(302, b"", {"Location": "http://127.0.0.1:9/"}), SendStatus.MESSAGE_REFUSED, "302"),
        (AttemptResult(200, b"<html>Sign in</html>"), SendStatus.RETRY, "UNEXPECTED_ANSWER"),
    ],
)
def test_each_error_of_slack_has_its_meaning(
    webhook: Channel, receiver: Receiver, answer: AttemptResult, outcome: SendStatus, code: str
) -> None:
    receiver.says(answer)
    sent = webhook.send([notification()])
    assert (sent.outcome, sent.code) == (outcome, code)
    assert len(receiver.requests) == 1
    if answer.status in (403, 404, 410, 500) and answer.body:
        assert sent.message == answer.body.decode()


def test_too_fast_says_how_long_to_wait(webhook: Channel, receiver: Receiver) -> None:
    receiver.says(AttemptResult(429, b"rate_limited", {"Retry-After": "30"}))
    assert webhook.send([notification()]) == SendResult(
        outcome=SendStatus.RETRY, code="429", message="rate_limited", after_seconds=30.0
    )


def test_blocks_that_are_refused_are_told_as_plain_text_once(webhook: Channel, receiver: Receiver) -> None:
    receiver.says(AttemptResult(400, b"invalid_blocks"), AttemptResult())
    assert webhook.send([notification()]).outcome is SendStatus.OK
    assert "blocks" in receiver.requests[0].json and "blocks" not in receiver.requests[1].json
    assert "18,412 of 19,652" in receiver.requests[1].json["text"]

    receiver.says(AttemptResult(400, b"invalid_payload"))
    sent = webhook.send([notification()])
    assert (sent.outcome, sent.code, sent.message) == (SendStatus.MESSAGE_REFUSED, "400", "invalid_payload")
    assert len(receiver.requests) == 2


@pytest.mark.parametrize("type_", ["slack-webhook", "slack-workflow"])
def test_the_url_shows_up_in_no_error_and_no_log(
    receiver: Receiver, calls: ChannelCalls, type_: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    channel = channel_at(receiver.port, calls, type_)
    url = f"http://127.0.0.1:{receiver.port}/services/T0TEAM/B0HOOK/{TOKEN}"
    for body in (url, f"bad token {TOKEN}", f'{{"ok":false,"error":"/services/T0TEAM/B0HOOK/{TOKEN}"}}'):
        for status in (200, 400, 404, 500):
            receiver.says(AttemptResult(status, body.encode()))
            assert TOKEN not in repr(channel.send([notification()]))
    assert TOKEN not in repr(channel_at(1, calls, type_).send([notification()]))
    # httpcore and httpx log below us; of what they say the path is no part.
    assert TOKEN not in caplog.text


def test_nobody_there_is_tried_again(calls: ChannelCalls, receiver: Receiver) -> None:
    sent = channel_at(1, calls).send([notification()])
    assert (sent.outcome, sent.code) == (SendStatus.RETRY, "ECONNREFUSED")


def test_a_private_address_that_is_not_allowed_is_refused(receiver: Receiver) -> None:
    for allowed, expected in (([], SendStatus.CHANNEL_REFUSED), ([ip_network("127.0.0.1/32")], SendStatus.OK)):
        calls = ChannelCalls(allowed)
        assert channel_at(receiver.port, calls).send([notification()]).outcome is expected
        calls.close()
    assert len(receiver.requests) == 1


def test_a_workflow_gets_flat_texts_under_the_same_names(workflow: Channel, receiver: Receiver) -> None:
    assert workflow.send([notification(1)]).outcome is SendStatus.OK
    assert workflow.send([hostile_notification(2), notification(3)]).outcome is SendStatus.OK
    one, several = (request.json for request in receiver.requests)
    names = ["id", "change", "count", "title", "summary", "details", "errors", "rule", "link", "text"]
    assert list(one) == list(several) == names
    for variables in (one, several):
        assert all(isinstance(text, str) and len(text) <= 3_000 for text in variables.values())
        assert not any(char in text for text in variables.values() for char in "<>")
    assert one["id"] == f"{1:032x}" and one["change"] == "fired" and one["count"] == "1"
    assert one["summary"] == "delivered 18,412 of 19,652 = 93.69 % ‹ 95 %"
    assert one["link"] == "https://waybill.example.com/alerts/purchases"
    assert several["count"] == "2" and several["title"].startswith("2 alerts: ")


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        (AttemptResult(200, b'{"ok":false,"error":"invalid_input"}'), SendStatus.MESSAGE_REFUSED, "WORKFLOW_REFUSED"),
        (AttemptResult(200, b"[]"), SendStatus.RETRY, "UNEXPECTED_ANSWER"),
        (AttemptResult(200, b'{"ok":"true"}'), SendStatus.RETRY, "UNEXPECTED_ANSWER"),
        (AttemptResult(400, b'{"ok":false,"error":"invalid_input"}'), SendStatus.MESSAGE_REFUSED, "400"),
        (AttemptResult(404, b'{"ok":false,"error":"trigger_not_found"}'), SendStatus.CHANNEL_REFUSED, "404"),
        (AttemptResult(429, b"", {"Retry-After": "2"}), SendStatus.RETRY, "429"),
        (AttemptResult(502, b""), SendStatus.RETRY, "502"),
    ],
)
def test_each_answer_to_a_workflow_has_its_meaning(
    workflow: Channel, receiver: Receiver, answer: AttemptResult, outcome: SendStatus, code: str
) -> None:
    receiver.says(answer)
    sent = workflow.send([notification()])
    assert (sent.outcome, sent.code) == (outcome, code)
    assert b"error" not in answer.body or sent.message in {"invalid_input", "trigger_not_found"}


def test_no_notification_and_too_many_are_the_callers_mistake(webhook: Channel, receiver: Receiver) -> None:
    for count in (0, webhook.max_notifications + 1):
        with pytest.raises(ValueError, match="holds 1 to"):
            webhook.send([notification(number) for number in range(count)])
    assert receiver.requests == []
