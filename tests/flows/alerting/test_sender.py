import logging
from pathlib import Path

import pytest

from flows.alerting.sender import GIVE_UP_AFTER_MS, LONGEST_WAIT_MS, SPACING_MS
from model.alerts.notification import Change
from sinks.channels.channel import SendResult, SendStatus
from tests.kit.alerting import ScriptedChannel, WhenAsked, alert_event, example_workspace
from tests.kit.post_office import PostOffice

BUSY = SendResult(outcome=SendStatus.RETRY, code="503", message="busy")
BAD_MESSAGE = SendResult(outcome=SendStatus.MESSAGE_REFUSED, code="400", message="invalid_blocks")
SENT, QUEUED = ("sent", ""), ("queued", "")


@pytest.fixture
def post(tmp_path: Path) -> PostOffice:
    return PostOffice(tmp_path)


def test_several_that_wait_go_out_in_one_message_up_to_what_the_channel_takes(post: PostOffice) -> None:
    post.put(*(alert_event(number) for number in range(1, 8)))
    post.work(0, SPACING_MS, SPACING_MS, SPACING_MS)
    assert post.channels["team"].ids() == [[1, 2, 3], [4, 5, 6], [7]]
    assert post.messages("team") == [SENT] * 7


def test_a_channel_gets_one_message_a_second_and_each_for_itself(post: PostOffice) -> None:
    post.channels["team"].max_notifications = post.channels["ops"].max_notifications = 1
    post.put(*(alert_event(number, channels=("team", "ops")) for number in range(1, 4)))
    post.work(0, 200, 400, 399)
    assert post.channels["team"].ids() == post.channels["ops"].ids() == [[1]]
    post.work(1)
    assert post.channels["team"].ids() == post.channels["ops"].ids() == [[1], [2]]


def test_mail_for_several_people_is_never_in_one_message(post: PostOffice) -> None:
    both = ("email:me", "email:eve@example.com")
    post.put(alert_event(1, channels=both), alert_event(2, channels=("email:me",)))
    post.work(0, SPACING_MS)
    sent = {
        recipient: [int(notification.id, 16) for notification in notifications]
        for recipient, notifications in post.channels["email"].sent
    }
    assert sent == {"ada@example.com": [1, 2], "eve@example.com": [1]}


def test_what_was_not_taken_is_tried_again_together_and_with_the_same_words(post: PostOffice) -> None:
    post.channels["team"].answers = [BUSY, BUSY]
    post.put(alert_event(1), alert_event(2))
    post.work()
    post.put(alert_event(3))  # it does not join them
    post.work(5_000, 10_000, SPACING_MS)
    assert sorted(post.channels["team"].ids()) == [[1, 2], [1, 2], [1, 2], [3]]
    together = {notifications for _, notifications in post.channels["team"].sent if len(notifications) == 2}
    assert len(together) == 1 and post.errors.asked == 3
    assert post.messages("team") == [SENT] * 3


def test_backoff_doubles_up_to_ten_minutes(post: PostOffice) -> None:
    post.channels["team"].answers = [BUSY] * 12
    post.put(alert_event(1))
    moments = []
    for _ in range(3_600 * 2):
        tries = len(post.channels["team"].sent)
        post.work(1_000)
        if len(post.channels["team"].sent) > tries:
            moments.append(post.clock.now_ms)
    waits = [(after - before) // 1_000 for before, after in zip(moments, moments[1:], strict=False)]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600]
    assert waits[-1] * 1_000 == LONGEST_WAIT_MS and post.messages("team") == [SENT]


def test_retry_after_holds_for_the_whole_channel(post: PostOffice) -> None:
    post.channels["team"].answers = [SendResult(outcome=SendStatus.RETRY, code="429", after_seconds=30.5)]
    post.put(alert_event(1))
    post.work()
    post.put(alert_event(2), alert_event(3, channels=("ops",)))
    post.work(1_000, 10_000, 19_499)
    assert post.channels["team"].ids() == [[1]] and post.channels["ops"].ids() == [[3]]
    post.work(1, SPACING_MS)
    assert sorted(post.channels["team"].ids()) == [[1], [1], [2]]
    assert post.messages("team") == [SENT, SENT]


def test_after_a_day_a_message_is_given_up_and_the_channels_word_is_kept(post: PostOffice) -> None:
    post.channels["team"].answers = [BUSY, BUSY]
    post.put(alert_event(1), alert_event(2, at_ms=alert_event().at_ms + 60_000))
    post.work(0)
    post.work(alert_event().at_ms + GIVE_UP_AFTER_MS + 1 - post.clock.now_ms)
    assert post.messages("team") == [("dropped", "503"), ("failed", "503")]
    post.work(LONGEST_WAIT_MS)
    assert post.channels["team"].ids() == [[1, 2], [1, 2], [2]]
    assert post.messages("team") == [("dropped", "503"), SENT]


def test_of_a_message_that_is_refused_each_notification_is_tried_alone(post: PostOffice) -> None:
    post.channels["team"].answers = [BAD_MESSAGE, SendResult(outcome=SendStatus.OK), BAD_MESSAGE]
    post.put(alert_event(1), alert_event(2), alert_event(3))
    post.work(0, *[SPACING_MS] * 3)
    assert post.channels["team"].ids() == [[1, 2, 3], [1], [2], [3]]
    assert post.messages("team") == [SENT, ("dropped", "400"), SENT]
    assert post.outbox.disabled() == []


def test_a_recipient_that_is_refused_costs_nobody_else_anything(post: PostOffice) -> None:
    post.channels["email"].answers = [
        SendResult(outcome=SendStatus.RECIPIENT_REFUSED, code="550", message="no such user")
    ]
    post.put(alert_event(1, channels=("email:no@example.com",)), alert_event(2, channels=("email:me",)))
    post.work(0, SPACING_MS)
    assert post.messages("email") == [("dropped", "550"), SENT]


def test_a_channel_that_is_gone_from_the_workspace_is_said_to_be(post: PostOffice) -> None:
    del post.channels["ops"]
    post.put(alert_event(1, channels=("ops", "team")))
    post.work()
    assert (post.messages("ops"), post.messages("team")) == ([("dropped", "UNKNOWN_CHANNEL")], [SENT])


def test_a_slow_channel_does_not_hold_up_others(post: PostOffice) -> None:
    executor = WhenAsked()
    post.start(executor)
    post.put(alert_event(1, channels=("team",)), alert_event(2, channels=("ops",)))
    post.work()
    assert len(executor.waiting) == 2
    executor.finish(1)
    assert (post.channels["team"].ids(), post.channels["ops"].ids()) == ([], [[2]])
    post.put(alert_event(3, channels=("team", "ops")))
    post.work(SPACING_MS)
    assert len(executor.waiting) == 2  # team still has the first one under way, and gets no second
    executor.finish(1)
    assert (post.channels["team"].ids(), post.channels["ops"].ids()) == ([], [[2], [3]])
    executor.finish(0)
    assert len(executor.waiting) == 0
    post.work(SPACING_MS)
    assert len(executor.waiting) == 1
    executor.finish(0)
    post.work()
    assert post.channels["team"].ids() == [[1], [3]] and not executor.waiting


def test_a_channel_with_a_fault_of_ours_holds_up_no_other_and_is_tried_again(
    post: PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    post.channels["team"].answers = [RuntimeError("https://hooks.example.com/secret")]
    post.put(alert_event(1, channels=("team",)), alert_event(2, channels=("ops",)))
    post.work()
    assert (post.messages("team"), post.messages("ops")) == ([("failed", "INTERNAL")], [SENT])
    post.work(5_000)
    assert post.messages("team") == [SENT]
    assert "RuntimeError" in caplog.text and "secret" not in caplog.text


def test_the_errors_of_the_window_are_told_and_go_missing_with_the_store(post: PostOffice) -> None:
    post.workspace = example_workspace(base_url="https://grafana.example.com")
    post.put(alert_event(1, source="web"), alert_event(2, change=Change.RECOVERED))
    post.work()
    [(_, (fired, recovered))] = post.channels["team"].sent
    [group] = fired.error_groups
    assert (group.code, group.sample_message_id) == ("503", "m-503")
    assert group.link == "https://grafana.example.com/d/event-trace?var-message_id=m-503"
    assert fired.link.startswith("https://grafana.example.com/d/event-delivery?from=")
    assert "var-source=web&var-destination=crm" in fired.link
    assert recovered.error_groups == () and recovered.link
    post.errors.away = True
    post.put(alert_event(3))
    post.work(SPACING_MS)
    assert post.channels["team"].sent[-1][1][0].error_groups == ()
    assert post.messages("team") == [SENT] * 3


def test_how_a_channel_is_is_written_down_when_it_changes(post: PostOffice) -> None:
    post.channels["team"].answers = [BUSY]
    post.put(alert_event(1))
    post.work()
    failing = post.outbox.health("team")
    assert failing is not None and (failing.state, failing.code, failing.message) == ("failing", "503", "busy")
    post.work(5_000)
    healthy = post.outbox.health("team")
    assert healthy is not None and (healthy.state, healthy.code, healthy.since_ms) == ("ok", "", post.clock.now_ms)
    post.put(alert_event(2))
    post.work(SPACING_MS)
    assert post.outbox.health("team") == healthy


def test_one_answer_tells_of_no_other_channel(post: PostOffice, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    post.channels["team"] = ScriptedChannel(BAD_MESSAGE)
    post.put(alert_event(1, channels=("team", "ops")))
    post.work()
    assert (post.messages("team"), post.messages("ops")) == ([("dropped", "400")], [SENT])
