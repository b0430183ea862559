"""A kill while messages go out: what a channel took and nobody wrote down is sent again as it was; nothing else is."""

from pathlib import Path

import pytest

from flows.alerting.outbox import Outbox
from flows.alerting.sender import SPACING_MS
from sinks.channels.channel import SendResult, SendStatus, message_id
from tests.kit.alerting import ScriptedChannel, alert_event
from tests.kit.post_office import PostOffice

GONE = SendResult(outcome=SendStatus.CHANNEL_REFUSED, code="410")


class Killed(BaseException):
    """The process dies here."""


def die(*_: object, **__: object) -> None:
    raise Killed


def kill_while(post: PostOffice, *after_ms: int) -> None:
    """Work until it dies, and start again."""
    with pytest.raises(Killed):
        post.work(*after_ms)
    post.clock.advance(60_000)
    for channel in post.channels.values():
        channel.before_answer = lambda: None
    post.start()


@pytest.fixture
def post(tmp_path: Path) -> PostOffice:
    post = PostOffice(tmp_path)
    post.channels["team"] = ScriptedChannel(max_notifications=2)
    post.put(*(alert_event(number, channels=("team", "ops")) for number in (1, 2)))
    post.work()
    return post


def test_what_the_channel_took_before_the_kill_is_sent_again_with_its_ids_and_words_and_nothing_else_is(
    post: PostOffice,
) -> None:
    post.put(*(alert_event(number) for number in (3, 4, 5)))
    post.channels["team"].before_answer = die
    kill_while(post, SPACING_MS)
    post.put(alert_event(6, at_ms=alert_event(1).at_ms))  # older than they are, but it does not join them
    post.work(0, SPACING_MS, SPACING_MS)
    sent = [notifications for _, notifications in post.channels["team"].sent]
    assert post.channels["team"].ids() == [[1, 2], [3, 4], [6, 5], [3, 4]]
    assert sent[1] == sent[3] and message_id(sent[1]) == message_id(sent[3])
    assert sent[1][0].error_groups[0].message != sent[2][0].error_groups[0].message  # the store says other words by now
    assert post.channels["ops"].ids() == [[1, 2]]
    assert {state for state, _ in post.messages("team")} == {"sent"}


def test_killed_after_the_record_nothing_is_sent_again(post: PostOffice) -> None:
    post.start()
    post.work(60_000, SPACING_MS)
    assert post.channels["team"].ids() == post.channels["ops"].ids() == [[1, 2]]


@pytest.mark.parametrize("step", ["put", "put_health", "record_result"])
def test_killed_while_a_channel_is_disabled_people_are_told_once(
    post: PostOffice, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.channels["team"].answers = [GONE, GONE]
    post.put(alert_event(3), alert_event(4))
    with monkeypatch.context() as patched:
        patched.setattr(Outbox, step, die)
        kill_while(post, SPACING_MS)
    post.work(0, SPACING_MS)
    assert post.titles("in-app").count("Channel team is disabled") == 1
    assert {state for state, _ in post.messages("team")[2:]} == {"dropped"}
    assert [health.channel for health in post.outbox.disabled()] == ["team"]


def test_control_where_words_are_not_kept_the_message_sent_again_is_another_one(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outbox, "assign_batch", lambda *_: None)
    post.put(alert_event(3))
    post.channels["team"].before_answer = die
    kill_while(post, SPACING_MS)
    post.put(alert_event(4))
    post.work()
    first, second = [notifications for _, notifications in post.channels["team"].sent[1:]]
    assert message_id(first) != message_id(second)
