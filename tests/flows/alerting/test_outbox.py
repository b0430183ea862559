import stat
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from flows.alerting.notifications import MessageState, messages_of
from flows.alerting.outbox import KEPT_MS, MAX_DUE, ChannelHealth, Outbox
from model.alerts.channels import EMAIL
from model.alerts.messages import notification_of
from model.alerts.notification import Notification, TopError
from model.alerts.records import from_record, to_record
from model.alerts.rule import IN_APP
from tests.kit.alert_samples import NOW
from tests.kit.alerting import alert_event, example_workspace, put

WORKSPACE = example_workspace()
FAR_MS = NOW + 10**12


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.db")


def due(outbox: Outbox) -> list[tuple[int, str]]:
    return [(int(queued.notification.id, 16), queued.channel) for queued in outbox.queued(FAR_MS)]


def record_all(outbox: Outbox, now_ms: int = NOW) -> int:
    """How much there was to record."""
    found = outbox.unrecorded()
    outbox.recorded(found, now_ms)
    return len(found.alert_events) + len(found.messages) + len(found.channels)


def test_what_is_found_again_is_there_once(outbox: Outbox, tmp_path: Path) -> None:
    made = alert_event(1, channels=("in-app", "team", "ops"))
    for _ in range(2):
        put(outbox, WORKSPACE, made)
        put(Outbox(tmp_path / "outbox.db"), WORKSPACE, made, made)
    assert sorted(due(outbox)) == [(1, "ops"), (1, "team")]
    found = outbox.unrecorded()
    assert [found.alert_events, len(found.messages)] == [[made], 3]


def test_what_was_sent_is_not_queued_again_when_its_minute_is_evaluated_again(outbox: Outbox) -> None:
    put(outbox, WORKSPACE, alert_event(1))
    outbox.record_result([queued.id for queued in outbox.queued(NOW)], MessageState.SENT)
    put(outbox, WORKSPACE, alert_event(1))
    assert due(outbox) == []


def test_what_is_told_in_the_app_waits_for_nobody(outbox: Outbox) -> None:
    put(outbox, WORKSPACE, alert_event(1, channels=("in-app",)))
    assert due(outbox) == []
    [message] = outbox.unrecorded().messages
    assert (message.channel, message.state, message.recipient) == (IN_APP, "sent", "")


def test_the_oldest_comes_first_and_what_is_tried_again_when_it_is_due(outbox: Outbox) -> None:
    put(outbox, WORKSPACE, alert_event(3), alert_event(1), alert_event(2))
    assert due(outbox) == [(1, "team"), (2, "team"), (3, "team")]
    first = outbox.queued(NOW)[0]
    outbox.record_result([first.id], MessageState.FAILED, due_ms=NOW + 100, code="503", message="busy")
    assert [int(queued.notification.id, 16) for queued in outbox.queued(NOW + 99)] == [2, 3]
    failed = replace(first, state=MessageState.FAILED, code="503", message="busy", version=2)
    assert outbox.queued(NOW + 100)[0] == replace(failed, attempts=1, due_ms=NOW + 100)


def test_a_channel_on_which_much_waits_does_not_hide_another(outbox: Outbox) -> None:
    many = [alert_event(number) for number in range(1, 1_200)]
    put(outbox, WORKSPACE, *many, alert_event(5_000, channels=("ops",)))
    found = due(outbox)
    assert found[-1] == (5_000, "ops")
    assert [number for number, channel in found if channel == "team"] == list(range(1, MAX_DUE + 1))


def test_what_goes_out_together_and_its_words_stay_as_decided(outbox: Outbox, tmp_path: Path) -> None:
    put(outbox, WORKSPACE, alert_event(1), alert_event(2), alert_event(3))
    first, second, third = outbox.queued(NOW)
    group = TopError("crm", "503", "busy", 60, "m-1", "https://grafana.example.com/d/x")
    words = [
        (queued.id, replace(queued.notification, error_groups=(group,), link="https://x")) for queued in (first, second)
    ]
    outbox.assign_batch(first.id, words)
    outbox.close()
    outbox = Outbox(tmp_path / "outbox.db")
    put(outbox, WORKSPACE, alert_event(1), alert_event(2), alert_event(3))
    again = outbox.queued(NOW)
    assert [queued.batch_id for queued in again] == [first.id, first.id, ""]
    assert [queued.notification for queued in again] == [words[0][1], words[1][1], third.notification]
    assert outbox.batch(first.id) == again[:2]
    outbox.record_result([first.id], MessageState.SENT)
    assert outbox.batch(first.id) == again[1:2]


def test_alone_each_is_a_parcel_of_its_own(outbox: Outbox) -> None:
    put(outbox, WORKSPACE, alert_event(1), alert_event(2))
    found = outbox.queued(NOW)
    outbox.assign_batch(found[0].id, [(queued.id, queued.notification) for queued in found])
    outbox.record_result([queued.id for queued in found], MessageState.FAILED, alone=True)
    assert [queued.batch_id for queued in outbox.queued(NOW)] == [queued.id for queued in found]


def test_each_change_of_a_message_is_recorded_and_nothing_twice(outbox: Outbox) -> None:
    put(outbox, WORKSPACE, alert_event(1))
    assert record_all(outbox) == 3
    assert record_all(outbox) == 0
    [queued] = outbox.queued(NOW)
    outbox.record_result([queued.id], MessageState.FAILED, code="503", message="busy")
    found = outbox.unrecorded()
    assert [(row.state, row.attempts, row.code) for row in found.messages] == [("failed", 1, "503")]
    outbox.record_result([queued.id], MessageState.SENT)
    outbox.recorded(found, NOW)  # of how it stood then
    [row] = outbox.unrecorded().messages
    assert (row.state, row.attempts) == ("sent", 2) and row.version > found.messages[0].version


def test_a_channels_health_is_recorded_once_for_each_change(outbox: Outbox) -> None:
    ok = ChannelHealth("team", "digest", "ok", NOW, NOW)
    outbox.put_health(ok)
    found = outbox.unrecorded()
    disabled = replace(ok, state="disabled", at_ms=NOW + 5, code="404")
    outbox.put_health(disabled)
    outbox.recorded(found, NOW)
    assert outbox.unrecorded().channels == [disabled] == outbox.disabled()
    assert record_all(outbox) == 1 and record_all(outbox) == 0
    assert outbox.health("team") == disabled and outbox.health("ops") is None


def test_it_forgets_what_was_told_and_recorded_long_ago_and_nothing_else(outbox: Outbox) -> None:
    old = alert_event(1, channels=("in-app", "team", "ops"))
    put(outbox, WORKSPACE, old)
    [ops] = [queued for queued in outbox.queued(NOW) if queued.channel == "ops"]
    outbox.record_result([ops.id], MessageState.SENT)
    later_ms = old.at_ms + KEPT_MS + 1
    outbox.recorded(outbox.unrecorded(), later_ms - 1)
    put(outbox, WORKSPACE, old)
    assert record_all(outbox) == 0  # kept, so replayed it is known
    outbox.recorded(outbox.unrecorded(), later_ms)
    assert due(outbox) == [(1, "team")]  # not told yet: never forgotten
    put(outbox, WORKSPACE, alert_event(2, at_ms=old.at_ms))
    found = outbox.unrecorded()
    outbox.recorded(replace(found, alert_events=[], messages=[]), later_ms)
    assert outbox.unrecorded() == found


def test_everything_is_there_when_the_file_is_opened_again(outbox: Outbox, tmp_path: Path) -> None:
    outbox.put([alert_event(1)], [], ("mark", b"1"))
    outbox.put([], [], ("mark", b"2"))
    outbox.close()
    again = Outbox(tmp_path / "outbox.db")
    assert again.mark("mark") == b"2" and again.mark("other") is None
    assert again.unrecorded().alert_events == [alert_event(1)]
    assert stat.S_IMODE((tmp_path / "outbox.db").stat().st_mode) == 0o600


def test_alert_events_and_messages_are_there_together_or_not_at_all(outbox: Outbox) -> None:
    [message] = messages_of(alert_event(1, channels=()), notification_of(alert_event(1)), WORKSPACE)
    broken = replace(message, notification=replace(message.notification, title="\ud800"))
    with pytest.raises(TypeError):
        outbox.put([alert_event(1)], [broken], ("mark", b"1"))
    assert not outbox.unrecorded() and outbox.mark("mark") is None


def test_a_rule_is_told_in_the_app_and_on_its_channels_once_each() -> None:
    mine = alert_event(1, channels=("email:me", "email:ada@example.com", "email:eve@example.com", "team", "in-app"))
    made = messages_of(mine, notification_of(mine), WORKSPACE)
    expected = [(IN_APP, ""), (EMAIL, "ada@example.com"), (EMAIL, "eve@example.com"), ("team", "")]
    assert [(message.channel, message.recipient) for message in made] == expected
    assert len({message.id for message in made}) == 4
    bobs = messages_of(replace(mine, author="bob", channels=("email:me",)), notification_of(mine), WORKSPACE)
    assert [message.channel for message in bobs] == [IN_APP]  # no address is known


@pytest.mark.parametrize(("author", "recipient"), [("ada", "ada"), ("workspace file", "")])
def test_a_subscription_is_told_in_the_app_to_who_made_it_and_one_of_the_file_to_everybody(
    author: str, recipient: str
) -> None:
    made = alert_event(1, kind="failed-events", author=author, channels=())
    assert [message.recipient for message in messages_of(made, notification_of(made), WORKSPACE)] == [recipient]


def test_a_notification_comes_back_from_json_as_it_was_and_one_of_another_version_is_refused() -> None:
    notification = replace(
        notification_of(alert_event(1)), error_groups=(TopError("crm", "503", "busy", 3),), link="https://x"
    )
    record = orjson.loads(orjson.dumps(to_record(notification)))
    assert from_record(Notification, record) == notification
    with pytest.raises(ValueError, match="version 2"):
        from_record(Notification, record | {"v": 2})
