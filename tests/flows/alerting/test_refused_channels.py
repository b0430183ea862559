"""A channel that refuses everything: people are told, its messages are dropped with the reason, and it is tried again
when somebody has done something about it."""

from pathlib import Path
from typing import Any, cast

import pytest

from flows.alerting.history import enable_tested
from flows.alerting.sender import SPACING_MS
from model.alerts.notification import Change
from sinks.channels.channel import SendResult, SendStatus
from sinks.clickhouse.store import Store, StoreUnavailable
from tests.kit.alerting import ScriptedChannel, WhenAsked, alert_event, example_workspace
from tests.kit.post_office import PostOffice

GONE = SendResult(outcome=SendStatus.CHANNEL_REFUSED, code="404", message="no_service")
SENT, GONE_TOO = ("sent", ""), ("dropped", "404")
DISABLED = "Channel team is disabled"


class Health:
    """View alert_channel_health."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = rows
        self.away = False

    def view(self, name: str) -> list[dict[str, Any]]:
        """What the store knows of channels."""
        assert name == "alert_channel_health"
        if self.away:
            raise StoreUnavailable("the store is away")
        return list(self.rows)


def somebody_tests(post: PostOffice, state: str, after_ms: int) -> None:
    """Somebody tested channel team so long after it was disabled."""
    [disabled] = post.outbox.disabled()
    row = {"channel": "team", "state": state, "at": disabled.at_ms + after_ms}
    enable_tested(post.outbox, cast(Store, Health(row, row | {"channel": "ops", "state": "ok"})))


@pytest.fixture
def post(tmp_path: Path) -> PostOffice:
    """Channel team has just refused everything."""
    post = PostOffice(tmp_path)
    post.channels["team"] = ScriptedChannel(GONE, max_notifications=2)
    told = ("in-app", "team", "ops", "email:me")
    post.put(alert_event(1, channels=told), alert_event(2), alert_event(3))
    post.work()
    return post


def test_it_is_told_in_the_app_and_on_the_other_channels_of_its_rules(post: PostOffice) -> None:
    post.work(SPACING_MS)
    assert post.titles("in-app").count(DISABLED) == 1
    for channel in ("ops", "email"):
        notifications = [notification for _, sent in post.channels[channel].sent for notification in sent]
        [told] = [notification for notification in notifications if notification.change is Change.CHANNEL_DISABLED]
        assert told.title == DISABLED and "404 no_service" in told.summary
        assert ("What to do", "Fix it, then run: waybill alerts test-channel team") in told.facts
        assert [notification.id for notification in notifications if notification is not told] == [alert_event(1).id]
    assert len(post.channels["team"].sent) == 1


def test_what_waits_for_it_and_comes_later_is_dropped_with_the_reason(post: PostOffice) -> None:
    assert post.messages("team") == [GONE_TOO] * 3
    post.put(alert_event(4, channels=("team", "ops")))
    post.start()
    post.work(SPACING_MS)
    assert post.messages("team") == [GONE_TOO] * 3 + [("dropped", "CHANNEL_DISABLED")]
    assert len(post.channels["team"].sent) == 1
    assert [4] in post.channels["ops"].ids() or 4 in post.channels["ops"].ids()[-1]
    assert post.titles("in-app").count(DISABLED) == 1


@pytest.mark.parametrize(("state", "after_ms", "enabled"), [("ok", 5, True), ("ok", 0, False), ("failing", 5, False)])
def test_it_is_used_again_when_somebody_has_tested_it_since(
    post: PostOffice, state: str, after_ms: int, enabled: bool
) -> None:
    somebody_tests(post, state, after_ms)
    post.put(alert_event(4))
    post.work(SPACING_MS)
    assert post.messages("team")[-1] == (SENT if enabled else ("dropped", "CHANNEL_DISABLED"))
    assert bool(post.outbox.disabled()) is not enabled


def test_nothing_is_asked_of_the_store_while_no_channel_is_disabled(post: PostOffice) -> None:
    away = Health()
    away.away = True
    with pytest.raises(StoreUnavailable):
        enable_tested(post.outbox, cast(Store, away))
    somebody_tests(post, "ok", 5)
    enable_tested(post.outbox, cast(Store, away))


def test_it_is_used_again_when_its_configuration_has_changed(post: PostOffice) -> None:
    channels = [{"id": name, "type": "webhook", "url": f"https://{name}.example.com/new"} for name in ("team", "ops")]
    post.workspace = example_workspace(channels=channels)
    post.put(alert_event(4))
    post.work(SPACING_MS)
    assert post.messages("team")[-1] == SENT and post.outbox.disabled() == []


def test_another_name_or_another_channel_is_no_change_of_its_configuration(post: PostOffice) -> None:
    renamed = {"id": "team", "type": "webhook", "url": "https://team.example.com/in", "name": "The team"}
    other = {"id": "ops", "type": "webhook", "url": "https://ops.example.com/new"}
    post.workspace = example_workspace(channels=[renamed, other])
    post.put(alert_event(4))
    post.work(SPACING_MS)
    assert post.messages("team")[-1] == ("dropped", "CHANNEL_DISABLED")


def test_disabled_again_it_is_told_again(post: PostOffice) -> None:
    somebody_tests(post, "ok", 5)
    post.channels["team"].answers = [GONE]
    post.put(alert_event(4))
    post.work(SPACING_MS)
    assert post.messages("team")[-1] == GONE_TOO
    assert post.titles("in-app").count(DISABLED) == 2


def test_an_answer_of_the_old_configuration_says_nothing_of_the_new_one(tmp_path: Path) -> None:
    post = PostOffice(tmp_path)
    executor = WhenAsked()
    post.start(executor)
    post.channels["team"] = ScriptedChannel(GONE)
    post.put(alert_event(1))
    post.work()
    channels = [{"id": "team", "type": "webhook", "url": "https://team.example.com/new"}]
    post.workspace = example_workspace(channels=channels)
    executor.finish(0)
    post.put(alert_event(2))
    post.work(SPACING_MS)
    executor.finish(0)
    assert post.messages("team") == [GONE_TOO, SENT]
