"""What alerting found and told, in the store's own tables and views."""

from pathlib import Path
from typing import Any, cast

import pytest

from flows.alerting.history import copy_to_store, enable_tested
from flows.alerting.notifications import MessageState
from flows.alerting.store_queries import RuleRepository
from model.alerts.alert_event import Suppression
from model.alerts.notification import Change
from model.alerts.state import Check
from sinks.channels.channel import SendResult, SendStatus
from sinks.clickhouse.store import Store, StoreUnavailable
from tests.kit.alert_samples import NOW
from tests.kit.alerting import ScriptedChannel, alert_event, put, rule
from tests.kit.post_office import PostOffice

PERIOD = {"from_ms": NOW - 1_000, "to_ms": NOW + 86_400_000}
ANY = {"rule_id": "", "source": "", "destination": "", "limit": 100}
GONE = SendResult(outcome=SendStatus.CHANNEL_REFUSED, code="404", message="no_service")


@pytest.fixture
def post(tmp_path: Path) -> PostOffice:
    return PostOffice(tmp_path)


def record_all(post: PostOffice, store: Store) -> None:
    while copy_to_store(post.outbox, store, post.clock.now_ms):
        pass


def history(store: Store) -> list[dict[str, Any]]:
    return store.view("alert_history", **PERIOD, **ANY)


def inbox(store: Store, user: str) -> list[str]:
    return [row["title"] for row in store.view("alert_inbox", **PERIOD, user=user, limit=100)]


class Away:
    """A store that does not answer."""

    def insert(self, table: str, rows: object) -> None:
        raise StoreUnavailable("the store is away")

    view = insert


def test_history_holds_the_comparison_and_what_became_of_its_messages(post: PostOffice, store: Store) -> None:
    post.channels["ops"].answers = [SendResult(outcome=SendStatus.RETRY, code="503")]
    fired = alert_event(1, channels=("team", "ops", "email:no@example.com"), source="web", mapping="all")
    post.channels["email"] = ScriptedChannel(SendResult(outcome=SendStatus.RECIPIENT_REFUSED, code="550"))
    quiet = alert_event(2, notified=False, suppressed_reason=str(Suppression.MUTED), change=Change.RECOVERED)
    post.put(fired)
    post.outbox.put([quiet], [])
    post.work()
    record_all(post, store)
    newest, oldest = history(store)
    assert (newest["change"], newest["notified"], newest["suppressed_reason"]) == ("recovered", False, "muted")
    assert {name: oldest[name] for name in ("sent", "waiting", "dropped")} == {"sent": 2, "waiting": 1, "dropped": 1}
    for name in ("id", "rule_id", "rule_name", "kind", "source", "destination", "mapping", "operator", "numerator",
                 "denominator", "threshold_bp", "minimum", "code", "message"):  # fmt: skip
        assert oldest[name] == getattr(fired, name), name
    assert (oldest["at"], oldest["window_from"], oldest["window_to"]) == (fired.at_ms, fired.from_ms, fired.to_ms)
    assert (oldest["excluded"], oldest["notes"], oldest["check"]) == ({"filtered": 7}, ["A note."], "day")


def test_a_message_that_waits_is_shown_as_it_stands_now(post: PostOffice, store: Store) -> None:
    post.channels["team"].answers = [SendResult(outcome=SendStatus.RETRY, code="503", message="busy")]
    post.put(alert_event(1))
    seen = []
    for after_ms in (None, 0, 5_000):
        if after_ms is not None:
            post.work(after_ms)
        record_all(post, store)
        log = store.view("alert_message_log", **PERIOD, rule_id="r1", limit=10)
        seen += [(row["state"], row["attempts"], row["code"]) for row in log if row["channel"] == "team"]
        assert len(log) == 2
    assert seen == [("queued", 0, ""), ("failed", 1, "503"), ("sent", 2, "")]


def test_the_inbox_holds_what_is_for_everybody_and_for_who_subscribed(post: PostOffice, store: Store) -> None:
    post.put(
        alert_event(1),
        alert_event(2, kind="failed-events", rule_name="For ada", check=Check.HOUR),
        alert_event(3, kind="failed-events", rule_name="For all", check=Check.HOUR, author="workspace file"),
    )
    record_all(post, store)
    assert inbox(store, "ada") == ["For all", "For ada", "To CRM"]
    assert inbox(store, "bob") == ["For all", "To CRM"]


def test_rules_stand_with_what_they_compared_last(post: PostOffice, store: Store) -> None:
    kept = rule("r1", kind="delivery-rate", below_percent=95)
    assert store.insert("alert_rules", [kept.as_row()]) == []
    post.put(alert_event(1))
    record_all(post, store)
    [row] = store.view("alert_rules_now")
    assert (row["status"], row["since"], row["numerator"]) == ("firing", alert_event(1).since_ms, 940)
    back = alert_event(60_000, change=Change.RECOVERED, numerator=990, since_ms=alert_event(1).since_ms)
    post.put(back)
    record_all(post, store)
    [row] = store.view("alert_rules_now")
    assert (row["status"], row["since"], row["numerator"]) == ("ok", back.at_ms, 990)
    assert RuleRepository(store).versions(NOW) == [kept]


def test_a_channel_is_shown_disabled_until_a_test_of_it_succeeds(post: PostOffice, store: Store) -> None:
    post.channels["team"].answers = [GONE]
    post.put(alert_event(1))
    post.work()
    record_all(post, store)
    [row] = store.view("alert_channel_health")
    assert (row["channel"], row["state"], row["code"], row["message"]) == ("team", "disabled", "404", "no_service")
    enable_tested(post.outbox, store)
    assert post.outbox.disabled() != []
    at_ms = post.clock.now_ms + 7  # what `waybill alerts test-channel` writes
    assert store.insert("alert_channels", [{"channel": "team", "state": "ok", "since": at_ms, "at": at_ms}]) == []
    enable_tested(post.outbox, store)
    assert post.outbox.disabled() == []
    post.put(alert_event(2))
    post.work(1_000)
    record_all(post, store)
    [row] = store.view("alert_channel_health")
    assert (row["state"], row["code"], row["waiting"]) == ("ok", "", 0)
    assert inbox(store, "") == ["Channel team is disabled", "To CRM", "To CRM"]


def test_addresses_of_people_are_hidden_in_the_store(post: PostOffice, store: Store) -> None:
    post.put(alert_event(1, channels=("email:eve@example.com",)))
    record_all(post, store)
    with store.client() as client:
        rows = client.query("SELECT recipient, toString(tuple(*)) FROM alert_messages").result_rows
    assert sorted(recipient for recipient, _ in rows) == ["", "e…@example.com"]
    assert not any("eve@" in text for _, text in rows)


def test_while_the_store_is_away_channels_are_told_and_it_is_all_written_later(post: PostOffice, store: Store) -> None:
    away = cast(Store, Away())
    post.put(*(alert_event(number) for number in range(1, 700)))
    with pytest.raises(StoreUnavailable):
        copy_to_store(post.outbox, away, post.clock.now_ms)
    post.channels["team"].max_notifications = 100
    post.work(*[1_000] * 7)
    assert {state for state, _ in post.messages("team")} == {"sent"}
    record_all(post, store)
    rows = store.view("alert_history", **PERIOD, **(ANY | {"limit": 1_000}))
    assert len(rows) == 699 and {row["sent"] for row in rows} == {2}
    assert not copy_to_store(post.outbox, away, post.clock.now_ms)


def test_written_again_after_a_crash_nothing_is_there_twice(
    post: PostOffice, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.put(alert_event(1), alert_event(2))
    with monkeypatch.context() as patched:
        patched.setattr(type(post.outbox), "recorded", lambda *_: None)
        assert copy_to_store(post.outbox, store, post.clock.now_ms)
    post.start()
    record_all(post, store)
    assert [row["sent"] for row in history(store)] == [1, 1] and len(inbox(store, "")) == 2


def test_what_the_store_refuses_holds_up_nothing_else(
    post: PostOffice, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    put(post.outbox, post.workspace, alert_event(1, rule_version=-1), alert_event(2))
    record_all(post, store)
    assert [row["id"] for row in history(store)] == [alert_event(2).id]
    assert "alert_events" in caplog.text


def test_states_are_settled_by_their_messages(post: PostOffice, store: Store) -> None:
    post.put(alert_event(1, channels=("team", "ops")))
    for queued in post.outbox.queued(post.clock.now_ms):
        post.outbox.record_result([queued.id], MessageState.DROPPED, code="UNKNOWN_CHANNEL", message="gone")
    record_all(post, store)
    [row] = history(store)
    assert (row["sent"], row["waiting"], row["dropped"]) == (1, 0, 2)
