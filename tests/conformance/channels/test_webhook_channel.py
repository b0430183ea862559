"""The generic webhook: what a receiver gets and can check, and what its answers mean."""

from collections.abc import Callable
from dataclasses import asdict

import orjson
import pytest

from model.alerts.channels import AlertsConfig
from model.http.signatures import standard_webhooks
from sinks.channels.calls import ChannelCalls
from sinks.channels.catalogue import open_channels
from sinks.channels.channel import Channel, SendStatus
from tests.kit.http_receiver import AttemptResult, Receiver
from tests.kit.notifications import AT_MS, hostile_notification, notification

SECRET = "whsec_c2VjcmV0IG9mIHRoZSByZWNlaXZlcg=="
MakeChannel = Callable[[], Channel]


@pytest.fixture
def webhook(receiver: Receiver, calls: ChannelCalls) -> Channel:
    url = f"http://127.0.0.1:{receiver.port}/in?team=7"
    data = {"channels": [{"id": "hook", "type": "webhook", "url": url, "secret": "${SECRET}"}]}
    config = AlertsConfig.model_validate_json(orjson.dumps(data), context={"environ": {"SECRET": SECRET}})
    return open_channels(config, calls, lambda: AT_MS)["hook"]


def test_the_receiver_can_check_who_sent_it_and_recognise_repetitions(webhook: Channel, receiver: Receiver) -> None:
    assert webhook.send([notification(5)]).outcome is SendStatus.OK
    assert webhook.send([notification(5)]).outcome is SendStatus.OK
    first, second = receiver.requests
    assert first.path == "/in?team=7"
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == f"{5:032x}"
    assert first.body == second.body
    signed = standard_webhooks(f"{5:032x}", AT_MS // 1_000, first.body, SECRET)
    assert signed.items() <= first.headers.items()


def test_the_body_is_the_notifications_as_json(webhook: Channel, receiver: Receiver) -> None:
    assert webhook.send([notification(5), hostile_notification(6)]).outcome is SendStatus.OK
    body = receiver.requests[0].json
    assert list(body) == ["version", "id", "notifications"]
    assert body["version"] == 1 and len(body["id"]) == 32
    assert body["notifications"][0] == orjson.loads(orjson.dumps(asdict(notification(5))))
    assert body["notifications"][0]["change"] == "fired"
    assert body["notifications"][0]["facts"][0] == ["Destination", "amplitude"]
    assert body["notifications"][1]["id"] == f"{6:032x}"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (AttemptResult(204, b""), SendStatus.OK),
        (AttemptResult(400, b'{"message":"no"}'), SendStatus.MESSAGE_REFUSED),
        (AttemptResult(401, b'{"message":"no"}'), SendStatus.CHANNEL_REFUSED),
        (AttemptResult(404, b'{"message":"no"}'), SendStatus.CHANNEL_REFUSED),
        (AttemptResult(410, b'{"message":"no"}'), SendStatus.CHANNEL_REFUSED),
        (AttemptResult(408, b'{"message":"no"}'), SendStatus.RETRY),
        (AttemptResult(501, b'{"message":"no"}'), SendStatus.RETRY),
    ],
)
def test_each_answer_has_its_meaning(
    webhook: Channel, receiver: Receiver, answer: AttemptResult, outcome: SendStatus
) -> None:
    receiver.says(answer)
    sent = webhook.send([notification()])
    assert sent.outcome is outcome
    assert sent.message == ("no" if answer.body else "")


def test_what_a_receiver_repeats_of_us_is_redacted_and_short(webhook: Channel, receiver: Receiver) -> None:
    said = f"secret {SECRET} of ada@example.com \x1b[31m" + "long " * 100_000
    receiver.says(AttemptResult(500, said.encode(), {"Retry-After": "5"}))
    sent = webhook.send([notification()])
    assert SECRET not in sent.message and "ada@example.com" not in sent.message and "\x1b" not in sent.message
    assert len(sent.message) <= 300
    assert sent.after_seconds == 5.0


def test_a_redirect_to_another_place_takes_no_signature_along(webhook: Channel, receiver: Receiver) -> None:
    receiver.says(AttemptResult(302, b"", {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}))
    assert webhook.send([notification()]).outcome is SendStatus.MESSAGE_REFUSED
    assert len(receiver.requests) == 1
    other = f"http://localhost:{receiver.port}/elsewhere"
    receiver.says(AttemptResult(308, b"", {"Location": other}), AttemptResult())
    webhook.send([notification()])
    assert not any(name.startswith("webhook-") for request in receiver.requests[1:] for name in request.headers)
