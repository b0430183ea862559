"""The views of what waits and of what went wrong."""

import random
import time
from collections import Counter
from typing import Any

import pytest

from model.recording.facts import Fact, State
from sinks.clickhouse.store import Store, ViewRefused
from tests.kit.recording import BASE_MS, Event, Log, watermark_report
from tests.sql.test_views import HOUR, MINUTE, PERIOD, mixed_log


def half_settled_log(seed: int) -> Log:
    """Random deliveries: untried, failed and waiting, put back, put back after a failure, or settled."""
    chance, log, facts = random.Random(seed), Log(), list[Fact]()
    for offset in range(200):
        event = Event(offset, BASE_MS + chance.randrange(HOUR), source=chance.choice(("web", "ios")))
        facts.append(event.received())
        steps = chance.choice(("", "f", "s", "fs", "ff", "o", "fo", "so"))
        due = 0
        for number, step in enumerate(steps):
            after, waited_until, due = 10 * number + 10, due, event.received_at_ms + chance.randrange(2 * HOUR)
            made: dict[str, Fact] = {
                "f": event.failed(after, due, attempt=number + 1),
                "s": event.requeued(after, due),
                "o": event.outcome(State.DELIVERED, after, due_at_ms=waited_until),
            }
            facts.append(made[step])
    log.append(*sorted(facts, key=lambda fact: fact.at_ms))
    return log


@pytest.mark.parametrize("watermark", [None, 0, HOUR // 2, HOUR, 2 * HOUR, 9 * HOUR])
def test_pending_deliveries_are_as_many_as_the_balance_says(store: Store, watermark: int | None) -> None:
    log = half_settled_log(3)
    if watermark is not None:
        log.append(watermark_report(BASE_MS + watermark))
    log.record(store)
    for chosen in ({}, {"source": "web"}, {"destination": "crm"}, {"destination": "none"}):
        for period in (PERIOD, {"from_ms": BASE_MS + 10 * MINUTE + 7, "to_ms": BASE_MS + 40 * MINUTE + 3}):
            rows = store.view("balance", **period, **chosen)
            pending = store.view("pending_deliveries", **period, **chosen)
            assert len(pending) == sum(row["pending"] for row in rows), (watermark, chosen)
            assert len({row["delivery_id"] for row in pending}) == len(pending)
    kinds = {row["waits_for"] for row in store.view("pending_deliveries", **PERIOD)}
    assert (
        kinds == (set() if watermark == 9 * HOUR else {"first attempt", "retry", "its turn"}) or watermark == 2 * HOUR
    )


def test_the_oldest_undelivered_tells_what_it_waits_for(store: Store) -> None:
    log = Log()
    old, new = Event(1, BASE_MS, message_id="old"), Event(2, BASE_MS + 5, message_id="new")
    log.append(old.received(), new.received(), old.failed(10, BASE_MS + 99, code="503"))
    log.append(old.failed(20, BASE_MS + HOUR, attempt=2, code="429"), old.requeued(30, BASE_MS + 2 * HOUR))
    log.append(
        Event(3, BASE_MS - 1).received(),
        Event(3, BASE_MS - 1).outcome(State.DELIVERED),
        watermark_report(BASE_MS + 100_000),
    )
    log.record(store)
    [row] = store.view("oldest_undelivered", **PERIOD)
    assert (row["source"], row["destination"], row["pending"], row["message_id"]) == ("web", "crm", 2, "old")
    assert (row["waits_for"], row["attempt"], row["code"], row["due_at"]) == ("retry", 2, "429", BASE_MS + 2 * HOUR)
    assert row["description"] and row["message"] == "busy" and row["age_seconds"] > 0
    assert store.view("oldest_undelivered", **PERIOD, destination="mail") == []


def test_what_waits_is_counted_by_connection_and_mapping_redrives_included(store: Store) -> None:
    log = half_settled_log(5)
    log.append(watermark_report(BASE_MS + HOUR // 2))
    log.record(store)
    pending = store.view("pending_deliveries", **PERIOD)
    counted = Counter((row["source"], row["destination"], row["mapping"]) for row in pending)

    def waiting() -> dict[tuple[str, str, str], int]:
        rows = store.view("waiting_deliveries", **PERIOD)
        return {(row["source"], row["destination"], row["mapping"]): row["deliveries"] for row in rows}

    assert waiting() == counted and sum(counted.values()) > 10
    about: dict[str, Any] = {"source": "web", "destination": "crm", "mapping": "again", "redrive": 1, "count": 1}
    about |= {"received_at": BASE_MS, "at": BASE_MS + MINUTE}
    begun = [{**about, "kind": "redriven", "delivery_id": f"d{n}/r1", "log_offset": 10_000 + n} for n in range(3)]
    ended = {**begun[0], "kind": "redrive_outcome", "state": "delivered", "log_offset": 10_009}
    assert store.insert("facts", [*begun, ended]) == []
    assert waiting() == {**counted, ("web", "crm", "again"): 2}


def test_a_destination_in_trouble_is_a_banner_since_the_trouble_began(store: Store) -> None:
    log, event = Log(), Event(1, BASE_MS)
    log.append(event.received(), event.failed(10, BASE_MS + HOUR))
    log.record(store)
    begun_ms = int(time.time() * 1_000) - HOUR  # states are kept for thirty days only
    found = [("crm", "open", 1), ("crm", "ok", 2), ("crm", "open", 5), ("crm", "half_open", 6), ("crm", "open", 7),
             ("mail", "setup", 8), ("ads", "open", 9), ("ads", "ok", 10), ("old", "setup", 3), ("old", "off", 4),
             ("mail", "off", 2)]  # fmt: skip
    rows = [
        {"destination": destination, "state": state, "at": begun_ms + minute * MINUTE, "log_offset": minute,
         "code": "401" if state == "setup" else "BREAKER_OPEN", "message": "said", "until": begun_ms + HOUR}
        for destination, state, minute in found
    ]  # fmt: skip
    assert store.insert("destination_states", rows) == store.insert("destination_states", rows) == []
    crm, mail = store.view("banners", **PERIOD)
    assert (crm["destination"], crm["state"], crm["since"]) == ("crm", "open", begun_ms + 5 * MINUTE)
    assert crm["pending"] == 1 and crm["headline"].startswith("crm is paused because too many calls failed")
    assert (mail["state"], mail["since"], mail["pending"]) == ("setup", begun_ms + 8 * MINUTE, 0)
    assert "until somebody acts" in mail["headline"] and mail["description"] and mail["action"]
    health = store.view("destination_health", **PERIOD)
    assert [(row["destination"], row["since"]) for row in health] == [
        (r["destination"], r["since"]) for r in (crm, mail)
    ]


def test_write_lag_grows_in_the_partition_that_is_not_recorded(store: Store) -> None:
    for partition, minute in ((0, 5), (1, 9)):
        log = Log(partition)
        log.append(watermark_report(BASE_MS), watermark_report(BASE_MS + minute * MINUTE))
        log.record(store)
    rows = store.view("write_lag")
    assert [(row["log_partition"], row["recorded_to"]) for row in rows] == [
        (0, BASE_MS + 5 * MINUTE + 1), (1, BASE_MS + 9 * MINUTE + 1),
    ]  # fmt: skip
    assert rows[0]["lag_seconds"] - rows[1]["lag_seconds"] == pytest.approx(240, abs=5)


def test_possible_duplicates_add_up_by_run_and_day(store: Store) -> None:
    log = mixed_log(8)
    for offset, run in ((400, "a"), (401, "b"), (402, "b")):
        event = Event(offset, BASE_MS + 50 * MINUTE + offset)
        log.append(event.received(), event.outcome(State.DELIVERED, resent=True, run=run))
    log.record(store)
    rows = store.view("possible_duplicates", **PERIOD)
    [metrics] = store.view("delivery_metrics", **PERIOD)
    assert sum(row["possible_duplicates"] for row in rows) == metrics["possible_duplicates"] > 3
    assert [row["possible_duplicates"] for row in rows if row["run"] == "b"] == [2]
    assert {row["day"] for row in rows} == {BASE_MS // 86_400_000 * 86_400_000}


def test_error_details_tell_reason_remedy_and_the_destinations_words(store: Store) -> None:
    log = Log()
    for offset in range(9):
        event = Event(offset, BASE_MS + offset * 1_000)
        words: dict[str, Any] = {"message": f"no field {offset}", "error_group": "no field <n>"} if offset < 6 else {
            "message": "too long", "error_group": "too long"}  # fmt: skip
        log.append(event.received(), event.outcome(State.DISCARDED, 100, code="400", **words))
    waiting = Event(20, BASE_MS + MINUTE)
    log.append(waiting.received(), waiting.failed(10, BASE_MS + HOUR), watermark_report(BASE_MS + 2 * MINUTE))
    log.record(store)
    log.record(store)
    discarded, retrying = store.view("error_details", **PERIOD)
    assert (discarded["state"], discarded["code"], discarded["deliveries"]) == ("discarded", "400", 9)
    assert discarded["description"] and discarded["action"] and discarded["retryable"] is False
    assert (discarded["first_seen"], discarded["last_seen"]) == (BASE_MS + 100, BASE_MS + 8_100)
    assert (retrying["state"], retrying["code"], retrying["share"]) == ("awaiting_retry", "503", 0.1)
    assert retrying["retryable"] is True
    said = [tuple(row.values()) for row in store.view("error_messages", **PERIOD, limit=2)]
    assert said == [("crm", "400", "no field 5", 6), ("crm", "400", "too long", 3), ("crm", "503", "busy", 1)]
    assert [row["attempts"] for row in store.view("error_messages", **PERIOD, limit=1)] == [6, 1]
    trend = store.view("error_trend", **PERIOD, code="400", step_seconds=MINUTE // 1_000)
    assert [row["not_delivered"] for row in trend] == [9] + [0] * 59
    assert sum(row["attempts_failed"] for row in store.view("error_trend", **PERIOD, step_seconds=3600)) == 1
    assert {row["discarded"] for row in store.view("error_trend", **PERIOD, code="4'--", step_seconds=60)} == {0}
    with pytest.raises(ViewRefused, match="larger step_seconds"):
        store.view("error_trend", from_ms=0, to_ms=BASE_MS, step_seconds=60)


def test_errors_outlive_their_facts(store: Store) -> None:
    mixed_log(4).record(store)
    before = store.view("error_details", **PERIOD)
    with store.client() as client:
        for table in ("facts", "undelivered"):
            client.command(f"TRUNCATE TABLE {table}")
    after = store.view("error_details", **PERIOD)
    shown = [{name: value for name, value in row.items() if name != "share"} for row in (*before, *after)]
    ended = [row for row in shown[: len(before)] if row["state"] != "awaiting_retry"]
    assert shown[len(before) :] == ended and None not in {row["first_seen"] for row in ended}
    assert store.view("error_messages", **PERIOD, limit=5) == []
    [metrics] = store.view("key_metrics", **PERIOD)
    assert sum(row["deliveries"] for row in after) == metrics["not_delivered"] > 0


def test_every_error_has_its_own_samples(store: Store) -> None:
    row: dict[str, Any] = {"state": "discarded", "destination": "crm", "received_at": BASE_MS, "request": "{}"}
    rows = [{**row, "code": code, "at": BASE_MS + i, "log_offset": i, "delivery_id": f"d{i}", "attempt_id": f"a{i}"}
            for i, code in enumerate(["400"] * 5 + ["404"])]  # fmt: skip
    rows.append({**rows[0], "log_offset": 9, "state": "delivered"})
    assert store.insert("samples", rows) == store.insert("samples", rows) == []
    samples = store.view("error_samples", **PERIOD, limit=3)
    assert [sample["attempt_id"] for sample in samples] == ["a4", "a3", "a2", "a5"]
    assert len(store.view("error_samples", **PERIOD, limit=3, code="404")) == 1


def test_the_newest_samples_of_a_period_are_found_wherever_it_ends(store: Store) -> None:
    """One in each hour, received hours before; and a burst in the last minutes of the one in which the period ends."""
    row: dict[str, Any] = {"state": "expired", "destination": "crm", "code": "503", "received_at": BASE_MS}
    times = [*(BASE_MS + hour * HOUR + MINUTE for hour in range(6)), *(BASE_MS + 6 * HOUR - n for n in range(1, 40))]
    rows = [{**row, "at": at, "log_offset": n, "attempt_id": str(n)} for n, at in enumerate(times)]
    assert store.insert("samples", rows) == store.insert("samples", rows) == []
    for end, limit in ((6 * HOUR, 3), (5 * HOUR + 30 * MINUTE, 3), (5 * HOUR + 30 * MINUTE, 1), (5 * HOUR, 2)):
        within = sorted((at for at in times if BASE_MS + MINUTE < at < BASE_MS + end), reverse=True)
        period = {"from_ms": BASE_MS + 2 * MINUTE, "to_ms": BASE_MS + end}
        assert [sample["at"] for sample in store.view("error_samples", **period, limit=limit)] == within[:limit]
