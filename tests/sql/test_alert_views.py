"""The tables and views of alerting on a real chDB: rules as versions, history, inbox, channels, what rules count."""

from typing import Any

import pytest

from model.alerts.rule import RULE, DeliveryRate, Rule
from model.alerts.version import RuleChange, RuleVersion
from model.recording.facts import State
from sinks.clickhouse.rows import LATEST_TIME_MS
from sinks.clickhouse.store import Store
from tests.kit.alert_samples import in_force
from tests.kit.recording import BASE_MS, Event, Log

HOUR = 3_600_000
PERIOD = {"from_ms": BASE_MS, "to_ms": BASE_MS + HOUR}
TABLES = ("alert_rules", "alert_events", "alert_states", "alert_messages", "alert_channels")
NOWHERE = {"source": "", "destination": "", "rule_id": ""}


@pytest.fixture
def alerts(store: Store) -> Store:
    with store.client() as client:
        for table in TABLES:
            client.command(f"TRUNCATE TABLE {table}")
    return store


def rate(**settings: Any) -> Rule:
    rule: Rule = DeliveryRate(
        **{"kind": "delivery-rate", "name": "Arrives", "destination": "crm", "below_percent": 95, **settings}
    )
    return rule


def version(number: int, change: RuleChange = RuleChange.EDITED, **values: Any) -> RuleVersion:
    return RuleVersion(
        **{
            "rule_id": "r1",
            "version": number,
            "at_ms": BASE_MS + number,
            "author": "ada",
            "change": change,
            "rule": rate(),
            "creator": "ada",
            **values,
        }
    )


def keep(store: Store, table: str, *rows: dict[str, Any]) -> None:
    refused = store.insert(table, rows)
    assert refused == [], refused[0].reason


def kept(store: Store, from_ms: int, rule_id: str = "") -> list[RuleVersion]:
    return [RuleVersion.from_row(row) for row in store.view("alert_rule_versions", from_ms=from_ms, rule_id=rule_id)]


def alert_event(number: int, **values: Any) -> dict[str, Any]:
    return {
        "id": f"{number:032x}", "rule_id": "r1", "rule_name": "Arrives", "kind": "delivery-rate", "check": "day",
        "change": "fired", "at": BASE_MS + number, "destination": "crm", "numerator": 940, "denominator": 1_000,
        "threshold_bp": 9_500, "operator": "<", "excluded": {"filtered": 7}, "notified": True, **values,
    }  # fmt: skip


def message(number: int, **values: Any) -> dict[str, Any]:
    return {
        "message_id": f"m{number}", "alert_event_id": f"{number:032x}", "rule_id": "r1", "channel": "in-app",
        "state": "sent", "at": BASE_MS + number, "title": f"title {number}", "version": 1, **values,
    }  # fmt: skip


def test_a_version_comes_back_as_it_was_made(alerts: Store) -> None:
    made = [
        version(1, RuleChange.CREATED, rule=rate(channels=("in-app", "email:ada@example.com"))),
        version(2, RuleChange.MUTED, muted_until_ms=BASE_MS + 5, acknowledged_ms=BASE_MS + 4),
        version(3, RuleChange.DELETED, deleted=True),
    ]
    keep(alerts, "alert_rules", *(one.as_row() for one in made))
    keep(alerts, "alert_rules", made[0].as_row())
    assert kept(alerts, 0) == made
    assert kept(alerts, LATEST_TIME_MS) == made[2:]


def test_what_was_in_force_at_any_time_is_told_by_the_versions_from_then_on(alerts: Store) -> None:
    every = [version(number, rule_id=rule) for rule in ("r1", "r2") for number in range(1, 6)]
    keep(alerts, "alert_rules", *(one.as_row() for one in every))
    for at_ms in range(BASE_MS, BASE_MS + 8):
        read = kept(alerts, at_ms)
        assert len(read) <= len(every)
        assert in_force(read, at_ms) == in_force(every, at_ms)
    assert {one.rule_id for one in kept(alerts, 0, "r2")} == {"r2"}


def test_the_rules_there_are_stand_with_their_state_and_hide_mail_addresses(alerts: Store) -> None:
    told = ("in-app", "email:me", "email:ada@example.com", "team")
    keep(alerts, "alert_rules", version(1).as_row(), version(2, rule=rate(channels=told)).as_row())
    keep(alerts, "alert_rules", version(1, rule_id="gone").as_row(), version(2, rule_id="gone", deleted=True).as_row())
    keep(alerts, "alert_rules", version(1, rule_id="new", rule=rate(name="Zero")).as_row())
    state = {"rule_id": "r1", "numerator": 940, "denominator": 1_000, "threshold_bp": 9_500}
    keep(
        alerts,
        "alert_states",
        state | {"check": "day", "status": "firing", "since": BASE_MS, "at": BASE_MS},
        state | {"check": "fast", "status": "ok", "since": BASE_MS + 9, "at": BASE_MS + 9},
    )
    first, second = alerts.view("alert_rules_now")
    assert (first["rule_id"], first["version"], first["status"], first["since"]) == ("r1", 2, "firing", BASE_MS)
    assert (first["numerator"], first["denominator"], first["threshold_bp"]) == (940, 1_000, 9_500)
    assert first["channels"] == ["in-app", "email:me", "email:a…@example.com", "team"]
    assert (first["muted_until"], first["acknowledged_at"]) == (None, None)
    assert (second["rule_id"], second["status"], second["since"], second["numerator"]) == ("new", None, None, None)
    assert [row["status"] for row in alerts.view("alert_states_now")] == ["firing", "ok"]


def test_a_mute_that_is_over_is_no_mute(alerts: Store) -> None:
    keep(alerts, "alert_rules", version(1, muted_until_ms=1_000, acknowledged_ms=BASE_MS).as_row())
    keep(alerts, "alert_rules", version(1, rule_id="r2", muted_until_ms=LATEST_TIME_MS - 1).as_row())
    assert [row["muted_until"] for row in alerts.view("alert_rules_now")] == [None, LATEST_TIME_MS - 1]
    assert [row["acknowledged_at"] for row in alerts.view("alert_rules_now")] == [BASE_MS, None]


def test_history_is_newest_first_and_says_what_became_of_the_messages(alerts: Store) -> None:
    keep(
        alerts,
        "alert_events",
        alert_event(1),
        alert_event(2, change="recovered", notified=False, suppressed_reason="muted"),
    )
    keep(alerts, "alert_events", alert_event(1), alert_event(3, rule_id="r2", destination="mail"))
    states = ("queued", "failed", "dropped", "sent")
    keep(alerts, "alert_messages", *(message(1, message_id=name, state=name) for name in states))
    keep(alerts, "alert_messages", message(1, message_id="queued", state="sent", version=2))
    rows = alerts.view("alert_history", **PERIOD, **NOWHERE, limit=10)
    assert [row["id"] for row in rows] == [f"{number:032x}" for number in (3, 2, 1)]
    assert [(row["sent"], row["waiting"], row["dropped"]) for row in rows] == [(0, 0, 0), (0, 0, 0), (2, 1, 1)]
    assert (rows[1]["notified"], rows[1]["suppressed_reason"], rows[2]["excluded"]) == (False, "muted", {"filtered": 7})
    of_mail = alerts.view("alert_history", **PERIOD, **{**NOWHERE, "destination": "mail"}, limit=10)
    assert [row["rule_id"] for row in of_mail] == ["r2"]
    assert len(alerts.view("alert_history", **PERIOD, **{**NOWHERE, "rule_id": "r1"}, limit=1)) == 1
    assert alerts.view("alert_history", **{**PERIOD, "to_ms": BASE_MS + 1}, **NOWHERE, limit=9) == []


def test_the_inbox_holds_what_is_for_everybody_and_for_me(alerts: Store) -> None:
    keep(alerts, "alert_messages", message(1), message(2, recipient="ada"), message(3, recipient="bob"))
    keep(alerts, "alert_messages", message(4, channel="email", recipient="a…@example.com"))
    titles = {
        user: [row["title"] for row in alerts.view("alert_inbox", **PERIOD, user=user, limit=9)]
        for user in ("ada", "eve", "")
    }
    assert titles == {"ada": ["title 2", "title 1"], "eve": ["title 1"], "": ["title 3", "title 2", "title 1"]}
    assert len(alerts.view("alert_message_log", **PERIOD, rule_id="r1", limit=9)) == 4


def test_a_channel_in_trouble_comes_first(alerts: Store) -> None:
    ok = {"channel": "ops", "state": "ok", "since": BASE_MS, "at": BASE_MS}
    keep(alerts, "alert_channels", ok, ok | {"channel": "team"})
    keep(alerts, "alert_channels", ok | {"channel": "team", "state": "disabled", "code": "404", "at": BASE_MS + 1})
    keep(alerts, "alert_messages", message(1, channel="team", state="failed"), message(2, channel="team"))
    team, ops = alerts.view("alert_channel_health")
    assert (team["channel"], team["state"], team["code"], team["waiting"]) == ("team", "disabled", "404", 1)
    assert (ops["channel"], ops["state"], ops["waiting"], ops["sent_24h"]) == ("ops", "ok", 0, 0)


def test_slots_hold_what_the_rules_count_and_agree_with_other_views(alerts: Store) -> None:
    log = Log()
    for offset in range(40):
        event = Event(offset, BASE_MS + offset * 60_000, destinations=("crm", "mail"))
        state = State.DISCARDED if offset % 4 == 0 else State.FILTERED if offset % 4 == 1 else State.DELIVERED
        log.append(event.received(), event.outcome(state), event.outcome(State.DELIVERED, to="mail"))
    log.record(alerts)
    asked = {**PERIOD, "source": "web", "mapping": "", "step_seconds": 300}
    of_crm = alerts.view("alert_slots", **asked, destination="crm")
    [metrics] = alerts.view("delivery_metrics", **PERIOD, destination="crm")
    for name in ("delivered", "not_delivered", "filtered"):
        assert sum(row[name] for row in of_crm) == metrics[name] > 0
    assert [row["slot"] for row in of_crm] == [BASE_MS + slot * 300_000 for slot in range(8)]
    assert sum(row["first_ok"] for row in of_crm) == 20 and sum(row["received"] for row in of_crm) == 0
    by_mapping = alerts.view("alert_slots", **{**asked, "mapping": "default"}, destination="crm")
    same = ("slot", "delivered", "not_delivered", "filtered")
    assert [[row[name] for name in same] for row in by_mapping] == [[row[name] for name in same] for row in of_crm]
    assert alerts.view("alert_slots", **{**asked, "mapping": "other"}, destination="crm") == []
    of_web = alerts.view("alert_slots", **{**asked, "step_seconds": 60}, destination="")
    assert len(of_web) == 40 and {(row["received"], row["delivered"]) for row in of_web} == {(1, 0)}


def test_volumes_and_first_events_are_of_accepted_events(alerts: Store) -> None:
    log = Log()
    log.append(Event(0, BASE_MS + 61_000).received(), Event(1, BASE_MS + 62_000).duplicate())
    log.append(Event(2, BASE_MS + 2 * HOUR, "ios").received(), Event(3, BASE_MS + 2 * HOUR, "ios").received())
    log.record(alerts)
    day = {"from_ms": BASE_MS, "to_ms": BASE_MS + 24 * HOUR}
    volumes = alerts.view("volume_of", **day, source="")
    assert {row["source"]: row["received"] for row in volumes} == {"web": 1, "ios": 2}
    assert alerts.view("volume_of", **{**day, "from_ms": BASE_MS + HOUR}, source="web") == []
    first = alerts.view("first_events", source="", to_ms=BASE_MS + 24 * HOUR)
    assert {row["source"]: row["first_at"] for row in first} == {"web": BASE_MS + 60_000, "ios": BASE_MS + 2 * HOUR}


def test_definitions_are_read_as_they_are_written() -> None:
    assert RULE.validate_json(RULE.dump_json(rate(below_percent=99.5))) == rate(below_percent=99.5)
