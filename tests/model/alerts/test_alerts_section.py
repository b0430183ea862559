"""Section ``alerts`` of the workspace file: channels told apart by URL, and mistakes named with a remedy."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from model.alerts.channels import AlertsConfig, SlackChannel, Target, target_of
from model.alerts.rule import RULE, SourceVolume
from model.redaction.redactor import Redactor
from model.workspace.validation import alert_errors as errors

TOKEN = "s3cr3tT0kenOfSlack000000"
WEBHOOK_URL = f"https://hooks.slack.com/services/T0TEAM/B0HOOK/{TOKEN}"
TRIGGER_URL = f"https://hooks.slack.com/triggers/T0TEAM/123456/{TOKEN}"
ENVIRON = {
    "HOOK": WEBHOOK_URL,
    "TRIGGER": TRIGGER_URL,
    "OLD_TRIGGER": f"https://hooks.slack.com/workflows/T0TEAM/A0APP/123456/{TOKEN}",
    "LOCAL": f"http://127.0.0.1:9/hook/{TOKEN}",
    "LIKE_SLACK": f"https://chat.example.com/hooks/{TOKEN}",
    "PLAIN": f"http://chat.example.com/hooks/{TOKEN}",
    "HALF": "https://hooks.slack.com/services/T0TEAM/B0HOOK",
    "ELSEWHERE": f"https://hooks.slack.com.evil.example/services/T0TEAM/B0HOOK/{TOKEN}",
    "LINES": f"{WEBHOOK_URL}\nX-Evil: 1",
    "PASSWORD": "correct horse battery",
    "KEY": "k3y-of-the-receiver",
}
SMTP = {"host": "mail.example.com", "from": "waybill@example.com"}


def read(data: Mapping[str, Any]) -> AlertsConfig:
    return AlertsConfig.model_validate_json(orjson.dumps(data), context={"environ": ENVIRON})


def slack(name: str, type_: str = "slack") -> SlackChannel:
    channel = read({"channels": [{"id": "ops", "type": type_, "url": f"${{{name}}}"}]}).channels[0]
    assert isinstance(channel, SlackChannel)
    return channel


def problem(data: Mapping[str, Any]) -> str:
    with pytest.raises(ValidationError) as raised:
        read(data)
    found = raised.value.errors(include_url=False, include_input=False)[0]
    text = f"{found['loc']} {found['msg']} {found.get('ctx', {}).get('remedy', '')}"
    assert TOKEN not in text
    return text


@pytest.mark.parametrize(
    ("name", "type_", "kind", "target"),
    [
        ("HOOK", "slack", "slack-webhook", "hooks.slack.com/services/…"),
        ("TRIGGER", "slack", "slack-workflow", "hooks.slack.com/triggers/…"),
        ("OLD_TRIGGER", "slack", "slack-workflow", "hooks.slack.com/workflows/…"),
        ("HOOK", "slack-webhook", "slack-webhook", "hooks.slack.com/services/…"),
        ("LOCAL", "slack-workflow", "slack-workflow", "127.0.0.1:9/…"),
        ("LIKE_SLACK", "slack-webhook", "slack-webhook", "chat.example.com/…"),
    ],
)
def test_what_a_slack_url_is_is_seen_by_its_path_or_said(name: str, type_: str, kind: str, target: str) -> None:
    channel = slack(name, type_)
    assert (channel.kind, channel.target) == (kind, target)


@pytest.mark.parametrize(
    ("name", "type_", "words"),
    [
        ("HALF", "slack", "not a Slack webhook or workflow URL"),
        ("HALF", "slack-webhook", "not a Slack webhook or workflow URL"),
        ("ELSEWHERE", "slack", "not a Slack webhook or workflow URL"),
        ("LOCAL", "slack", "not a Slack webhook or workflow URL"),
        ("TRIGGER", "slack-webhook", "this is the URL of a slack-workflow"),
        ("PLAIN", "slack-webhook", "http sends it unencrypted"),
        ("LINES", "slack", "control"),
        ("MISSING", "slack", "MISSING is not set"),
    ],
)
def test_a_malformed_slack_url_is_refused_without_showing_it(name: str, type_: str, words: str) -> None:
    text = problem({"channels": [{"id": "ops", "type": type_, "url": f"${{{name}}}"}]})
    assert words in text and "url" in text


def test_a_slack_url_is_a_secret_in_whatever_form_it_comes_back() -> None:
    assert "credential" in problem({"channels": [{"id": "ops", "type": "slack", "url": WEBHOOK_URL}]})
    redactor = Redactor(slack("HOOK").secret_values())
    for text in (WEBHOOK_URL, f"no route for /services/T0TEAM/B0HOOK/{TOKEN}", f"token {TOKEN} is revoked"):
        assert TOKEN not in redactor.text(text)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"password": "${PASSWORD}"}, "one is missing"),
        ({"username": "u", "password": "correct horse"}, "credential"),
        ({"username": "u", "password": "${PASSWORD}", "security": "none"}, "without encryption"),
        ({"from": "waybill@example.com\r\nBcc: eve@evil.example"}, "not a mail address"),
        ({"from": "Waybill <waybill@example.com>"}, "not a mail address"),
        ({"from": "a..b@example.com"}, "not a mail address"),
        ({"host": "mail.example.com/inbox"}, "no host name"),
        ({"host": "mail\r\nRCPT TO"}, "no host name"),
        ({"username": "u\r\nx", "password": "${PASSWORD}"}, "line breaks"),
        ({"port": 0}, "port"),
    ],
)
def test_a_mail_server_that_cannot_be_meant_is_refused(changed: dict[str, Any], words: str) -> None:
    assert words in problem({"smtp": SMTP | changed})


def test_the_port_follows_from_the_security() -> None:
    for security, port in (("starttls", 587), ("tls", 465), ("none", 25)):
        smtp = read({"smtp": {**SMTP, "security": security}}).smtp
        assert smtp and smtp.address == ("mail.example.com", port)


def test_no_channel_takes_the_name_of_one_that_is_always_there() -> None:
    for name in ("in-app", "email"):
        data = {"channels": [{"id": name, "type": "webhook", "url": "https://example.com"}]}
        assert "channel id is reserved" in problem(data)


def test_people_see_channels_without_what_gives_access() -> None:
    webhook = {"id": "hook", "type": "webhook", "url": "https://example.com/in?key=${KEY}"}
    config = read({"smtp": SMTP, "channels": [{"id": "ops", "type": "slack", "url": "${HOOK}"}, webhook]})
    shown = [(channel.id, channel.type, channel.target) for channel in config.described()]
    assert shown == [
        ("in-app", "in-app", ""),
        ("email", "email", "from waybill@example.com by mail.example.com"),
        ("ops", "slack-webhook", "hooks.slack.com/services/…"),
        ("hook", "webhook", "example.com/…"),
    ]
    assert {ENVIRON["KEY"], WEBHOOK_URL} <= config.secret_values()


def test_rules_of_the_file_are_rules_like_all_others() -> None:
    rule = {"kind": "source-volume", "name": "Web", "source": "web", "change_percent": 4.5, "channels": ["in-app"]}
    config = read({"rules": [{"id": "web-volume", **rule}]})
    assert config.rules_by_id() == {"web-volume": RULE.validate_json(orjson.dumps(rule))}
    assert type(config.rules_by_id()["web-volume"]) is SourceVolume
    assert "id" in problem({"rules": [rule]})


def test_names_not_defined_are_found_where_they_stand() -> None:
    data = {
        "sources": [{"id": "web"}],
        "destinations": [{"id": "amplitude"}],
        "alerts": {
            "channels": [{"id": "ops"}, {"id": "ops"}, 5, {"id": []}],
            "always": ["in-app", "opps", "email:ada@example.com", 7],
            "rules": [
                {"id": "a", "source": "wbe", "channels": ["email:me", "ops"]},
                {"id": "a", "destination": "amplitud", "mapping": "m"},
                None,
            ],
        },
    }
    assert [(breach.path, breach.message) for breach in errors(data)] == [
        (("alerts", "channels", 1, "id"), "id 'ops' is taken by alerts.channels[0]"),
        (("alerts", "rules", 1, "id"), "id 'a' is taken by alerts.rules[0]"),
        (("alerts", "always", 1), "there is no channel 'opps'"),
        (("alerts", "always", 2), "there is no mail server"),
        (("alerts", "rules", 0, "channels", 0), "nobody is 'me' here: the file has no author"),
        (("alerts", "rules", 0, "source"), "there is no source 'wbe'"),
        (("alerts", "rules", 1, "destination"), "there is no destination 'amplitud'"),
        (("alerts", "rules", 1, "mapping"), "a mapping belongs to a connection"),
    ]


@pytest.mark.parametrize("data", [None, [], {"alerts": []}, {"alerts": {"rules": {}, "channels": 1, "always": "ops"}}])
def test_data_of_another_shape_is_somebody_elses_problem(data: Any) -> None:
    assert list(errors(data)) == []


def test_a_rules_channel_leads_to_a_channel_and_an_address() -> None:
    assert target_of("in-app", None) == Target("in-app")
    assert target_of("ops", "ada@example.com") == Target("ops")
    assert target_of("email:bob@example.com", "ada@example.com") == Target("email", "bob@example.com")
    assert target_of("email:me", "ada@example.com") == Target("email", "ada@example.com")
    assert target_of("email:me", None) is None
