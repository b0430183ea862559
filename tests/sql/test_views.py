"""The views of sql/ on a real chDB: every number people read."""

import random
from dataclasses import replace
from math import ceil
from typing import Any

import pytest

from model.recording.facts import Fact, Outcome, State
from model.recording.latency import latency_bucket
from model.recording.replays import Decision, EarlierOutcome
from sinks.clickhouse.store import Store, ViewRefused
from tests.kit.latencies import value_ms
from tests.kit.recording import BASE_MS, Event, Log, rejected, watermark_report

MINUTE, HOUR = 60_000, 3_600_000
PERIOD = {"from_ms": BASE_MS, "to_ms": BASE_MS + HOUR}
FATES = ("routed", "filtered", "delivered", "discarded", "expired", "pending", "unexplained")


def everything(store: Store) -> dict[str, Any]:
    """All numbers of the period, for before and after."""
    names = ("delivery_metrics", "error_details", "balance", "ingest_balance", "low_watermark")
    answers = {name: store.view(name, **(PERIOD if name != "low_watermark" else {})) for name in names}
    answers["trend"] = store.view("delivery_trend", **PERIOD, step_seconds=60)
    answers["trace"] = store.view("event_trace", message_id="m1")
    return answers


def balance(store: Store, **more: Any) -> dict[str, int]:
    rows = store.view("balance", **{**PERIOD, "settle_seconds": 0, **more})
    return {fate: sum(row[fate] for row in rows) for fate in FATES}


def nonzero(numbers: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in numbers.items() if number}


def mixed_log(seed: int, events: int = 300, *, span_ms: int = HOUR) -> Log:
    """Random events to two destinations, each settled in one of the four ways, some after failed attempts."""
    chance = random.Random(seed)
    log = Log()
    times = sorted(chance.randrange(span_ms) for _ in range(events))
    facts: list[Fact] = []
    for offset, after in enumerate(times):
        event = Event(offset, BASE_MS + after, destinations=("crm", "mail"), source=chance.choice(("web", "ios")))
        facts.append(event.received())
        for to in event.destinations:
            took = min(int(chance.lognormvariate(5, 1.5)) + 1, 3_000_000)
            due_ms = event.received_at_ms + took if chance.random() < 0.2 else 0
            if due_ms:
                facts.append(event.failed(took // 2, due_ms, to=to))
            state = chance.choices(list(State), (1, 7, 1, 1))[0]
            code = "" if state is State.DELIVERED else "400"
            resent = chance.random() < 0.02
            facts.append(event.outcome(state, took, to=to, code=code, resent=resent, due_at_ms=due_ms))
    log.append(*sorted(facts, key=lambda fact: fact.at_ms))
    return log


def test_nothing_recorded_gives_zeros_and_nulls(store: Store) -> None:
    [metrics] = store.view("delivery_metrics", **PERIOD)
    assert metrics["delivered"] == metrics["not_delivered"] == 0
    assert metrics["success_rate"] is None and metrics["p95_latency_ms"] is None
    assert store.view("error_details", **PERIOD) == store.view("balance", **PERIOD) == []
    assert set(store.view("ingest_balance", **PERIOD)[0].values()) == {0}
    assert store.view("freshness") == [{"watermark": None, "newest_report": None, "lag_seconds": None}]
    trend = store.view("delivery_trend", **PERIOD, step_seconds=600)
    assert [row["bucket"] for row in trend] == [BASE_MS + i * 600_000 for i in range(6)]
    assert {row["p95_latency_ms"] for row in trend} == {None}


def test_recording_the_same_log_again_changes_no_number(store: Store) -> None:
    log = mixed_log(1)
    log.append(rejected(BASE_MS + 50, 3), watermark_report(BASE_MS + 2 * HOUR, position=300, end=300))
    log.record(store)
    before = everything(store)
    log.record(store)
    assert everything(store) == before
    assert before["delivery_metrics"][0]["delivered"] > 0
    assert before["ingest_balance"][0]["ingested"] == 303


def test_metrics_count_outcomes_in_the_minute_they_happened(store: Store) -> None:
    log, event = Log(), Event(0, BASE_MS - 30_000)
    log.append(event.received(), event.outcome(State.DELIVERED, 40_000))
    log.record(store)
    [metrics] = store.view("delivery_metrics", **PERIOD)
    assert (metrics["delivered"], metrics["success_rate"]) == (1, 1.0)
    assert metrics["p50_latency_ms"] == value_ms(latency_bucket(40_000))
    assert balance(store)["routed"] == 0  # the cohort is by the time of receiving


def test_minutes_facts_and_balance_agree(store: Store) -> None:
    log = mixed_log(2)
    log.append(watermark_report(BASE_MS + 10 * HOUR))
    log.record(store)
    period = {"from_ms": BASE_MS, "to_ms": BASE_MS + 2 * HOUR}
    [metrics] = store.view("delivery_metrics", **period)
    cohort = balance(store, **period)
    for fate in ("filtered", "delivered", "discarded", "expired"):
        assert metrics[fate] == cohort[fate] > 0
    assert cohort["routed"] == 600 and cohort["pending"] == cohort["unexplained"] == 0
    errors = store.view("error_details", **period)
    assert sum(row["deliveries"] for row in errors) == metrics["not_delivered"]
    assert sum(row["share"] for row in errors) == pytest.approx(1)
    trend = store.view("delivery_trend", **period, step_seconds=300)
    assert sum(row["delivered"] for row in trend) == metrics["delivered"]
    parts = [store.view("delivery_metrics", **period, source=s, destination=d)[0]["delivered"]
             for s in ("web", "ios") for d in ("crm", "mail")]  # fmt: skip
    assert sum(parts) == metrics["delivered"] and min(parts) > 0


def test_p95_is_within_one_per_cent_of_the_exact_one(store: Store) -> None:
    chance = random.Random(3)
    log = mixed_log(3, 400, span_ms=3 * HOUR)
    log.record(store)
    outcomes = [fact for _, fact, _ in log.entries if isinstance(fact, Outcome)]
    delivered = [fact for fact in outcomes if fact.state is State.DELIVERED]
    for _ in range(25):
        first = chance.randrange(200)
        last = first + 1 + chance.choice((0, 1, 5, 60, 150))
        from_ms, to_ms = BASE_MS + first * MINUTE, BASE_MS + last * MINUTE
        latencies = sorted(f.at_ms - f.received_at_ms for f in delivered if from_ms <= f.at_ms < to_ms)
        [metrics] = store.view("delivery_metrics", from_ms=from_ms, to_ms=to_ms)
        assert metrics["delivered"] == len(latencies)
        for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
            answer = metrics[f"{name}_latency_ms"]
            if not latencies:
                assert answer is None
                continue
            exact = latencies[max(1, ceil(q * len(latencies))) - 1]
            assert abs(answer - exact) <= exact * 0.01, (name, len(latencies))


def test_a_correction_moves_a_delivery_and_is_counted_once(store: Store) -> None:
    log, event = Log(), Event(1, BASE_MS)
    expired = event.outcome(State.EXPIRED, 1_000, code="EXPIRED")
    log.append(event.received(), expired)
    taken_back = EarlierOutcome(State.EXPIRED, "EXPIRED", expired.at_ms, expired.attempt)
    delivered = event.outcome(State.DELIVERED, 200_000, replayed=True, resent=True)
    log.append(delivered, decision=Decision(1, taken_back))
    log.append(event.outcome(State.DISCARDED, 201_000, code="400", replayed=True), decision=Decision(0))
    log.append(watermark_report(BASE_MS + HOUR))
    log.record(store)
    assert nonzero(balance(store)) == {"routed": 1, "delivered": 1}
    [metrics] = store.view("delivery_metrics", **PERIOD)
    assert (metrics["delivered"], metrics["not_delivered"], metrics["possible_duplicates"]) == (1, 0, 1)
    assert store.view("error_details", **PERIOD) == []
    before = {"destinations": ["crm"], "first_received_ms": BASE_MS, "last_received_ms": BASE_MS,
              "delivery_ids": [event.delivery(), "x'\\"], "log_partition": 0}  # fmt: skip
    prior = store.view("prior_outcomes", **before, before_offset=2)
    assert [(row["state"], row["at"]) for row in prior] == [("expired", expired.at_ms)]
    prior = store.view("prior_outcomes", **before, before_offset=3)
    assert [(row["state"], row["at"]) for row in prior] == [("delivered", delivered.at_ms)]


def test_a_lost_outcome_is_pending_until_the_watermark_passes_and_then_unexplained(store: Store) -> None:
    log, event = Log(), Event(0, BASE_MS)
    lost = event.outcome(State.DELIVERED)
    log.append(event.received(), lost)
    log.record(store, without=lost)
    assert nonzero(balance(store)) == {"routed": 1, "pending": 1}  # no watermark yet
    log.append(watermark_report(BASE_MS + 60_000))
    log.record(store, without=lost)
    assert nonzero(balance(store, settle_seconds=120)) == {"routed": 1, "pending": 1}
    assert nonzero(balance(store, settle_seconds=59)) == {"routed": 1, "unexplained": 1}
    log.record(store)
    assert nonzero(balance(store, settle_seconds=59)) == {"routed": 1, "delivered": 1}


@pytest.mark.parametrize("kind", ["failed", "requeued"])
def test_a_retry_is_pending_while_its_due_time_lies_ahead(store: Store, kind: str) -> None:
    log, event = Log(), Event(0, BASE_MS)
    log.append(event.received(), getattr(event, kind)(10, BASE_MS + 500_000), watermark_report(BASE_MS + 400_000))
    log.record(store)
    assert nonzero(balance(store)) == {"routed": 1, "pending": 1}
    [error] = store.view("error_details", **PERIOD)
    assert (error["state"], error["deliveries"]) == ("awaiting_retry", 1)
    log.append(watermark_report(BASE_MS + 500_001))
    log.record(store)
    assert nonzero(balance(store)) == {"routed": 1, "unexplained": 1}


def test_an_outcome_nobody_routed_is_unexplained_once_the_watermark_has_passed(store: Store) -> None:
    log, event = Log(), Event(0, BASE_MS)
    log.append(event.outcome(State.DELIVERED), watermark_report(BASE_MS - 1))
    log.record(store)
    assert balance(store) == dict.fromkeys(FATES, 0)  # its routing may be recorded in a moment
    log.append(watermark_report(BASE_MS + 10_000))
    log.record(store)
    assert nonzero(balance(store)) == {"unexplained": 1}


def test_an_outcome_counted_twice_is_unexplained(store: Store) -> None:
    log, event = Log(), Event(0, BASE_MS)
    log.append(event.received(), event.outcome(State.DELIVERED), event.outcome(State.DELIVERED, 300))
    log.record(store)
    assert nonzero(balance(store)) == {"routed": 1, "unexplained": 1}


def test_the_watermark_is_the_least_of_all_workers_in_all_partitions(store: Store) -> None:
    log, other = Log(0), Log(1)
    log.append(watermark_report(BASE_MS + 9, shard="0", shards=2))
    log.record(store)
    assert store.view("low_watermark")[0]["watermark_ms"] is None  # shard 1 has not reported
    log.append(watermark_report(BASE_MS + 7, shard="1", shards=2))
    log.record(store)
    assert store.view("low_watermark")[0]["watermark_ms"] == BASE_MS + 7
    other.append(watermark_report(BASE_MS + 5, shard="0", shards=2))
    other.record(store)
    assert store.view("low_watermark")[0]["watermark_ms"] is None  # shard 1 has not reported in partition 1
    other.append(watermark_report(BASE_MS + 6, shard="1", shards=2))
    other.record(store)
    assert store.view("low_watermark")[0]["watermark_ms"] == BASE_MS + 5
    for log_ in (log, other):  # one shard from now on: the last report of shard 1 no longer counts
        log_.append(watermark_report(BASE_MS + 50, shard="0", shards=1))
        log_.record(store)
    assert store.view("low_watermark")[0]["watermark_ms"] == BASE_MS + 50


def test_hours_give_the_same_numbers_as_minutes_and_take_late_rows_up(store: Store) -> None:
    log = mixed_log(4, span_ms=4 * HOUR)
    log.record(store)
    periods = [(0, 4 * HOUR), (17 * MINUTE, 3 * HOUR + 9 * MINUTE), (5 * MINUTE, 50 * MINUTE), (HOUR, 2 * HOUR)]

    choices = [{"source": source, "destination": destination} for source in ("", "web") for destination in ("", "crm")]

    def numbers() -> list[Any]:
        return [
            (store.view("delivery_metrics", from_ms=BASE_MS + a, to_ms=BASE_MS + b),
             store.view("delivery_trend", from_ms=BASE_MS + a, to_ms=BASE_MS + b, step_seconds=3600),
             store.view("delivery_trend", from_ms=BASE_MS + a, to_ms=BASE_MS + b, step_seconds=60),
             store.view("error_details", from_ms=BASE_MS + a, to_ms=BASE_MS + b),
             store.view("error_messages", from_ms=BASE_MS + a, to_ms=BASE_MS + b, limit=100),
             store.view("latency_trend", **chosen, from_ms=BASE_MS + a, to_ms=BASE_MS + b, step_seconds=3600),
             store.view("key_latencies", **chosen, from_ms=BASE_MS + a, to_ms=BASE_MS + b))
            for (a, b), chosen in zip(periods, choices, strict=True)
        ]  # fmt: skip

    def of_an_hour() -> list[Any]:
        hour = {"from_ms": BASE_MS + HOUR, "to_ms": BASE_MS + 2 * HOUR, "step_seconds": 3600}
        return [store.view("latency_trend", **chosen, **hour) for chosen in choices]

    from_minutes = numbers()
    hours = [BASE_MS + i * HOUR for i in range(3)]
    for through in (BASE_MS + 2 * HOUR + 30 * MINUTE, BASE_MS + 3 * HOUR):  # the first one covers hour 2 in part
        store.rebuild_hours(0, hours, through)
        assert numbers() == from_minutes
    late, lost = Event(9_000, BASE_MS + HOUR + 1), Event(9_001, BASE_MS + HOUR + 2)
    log.append(
        late.received(), late.outcome(State.DELIVERED, 50),
        lost.received(), lost.outcome(State.DISCARDED, 60, code="418", message="I am a teapot"),
        appended_ms=BASE_MS + 6 * HOUR,
    )  # fmt: skip
    log.record(store)
    after = numbers()
    assert after[0][0][0]["delivered"] == from_minutes[0][0][0]["delivered"] + 1
    assert "I am a teapot" in [said["message"] for said in after[3][4]]
    store.rebuild_hours(0, hours, BASE_MS + 7 * HOUR)
    assert numbers() == after
    latencies = of_an_hour()
    with store.client() as client:  # whole hours really are read from hours
        client.command("TRUNCATE TABLE minute_totals")
        client.command("TRUNCATE TABLE undelivered")
    [metrics] = store.view("delivery_metrics", from_ms=BASE_MS + HOUR, to_ms=BASE_MS + 2 * HOUR)
    assert metrics["delivered"] == after[3][0][0]["delivered"] > 0
    hour = {"from_ms": BASE_MS + HOUR, "to_ms": BASE_MS + 2 * HOUR}
    assert store.view("error_details", **hour) == after[3][3]
    assert store.view("error_messages", **hour, limit=100) == after[3][4]
    assert of_an_hour() == latencies
    assert len({trend["p50_latency_ms"] for [trend] in latencies}) > 1


def test_errors_tell_state_reason_and_the_destinations_words(store: Store) -> None:
    log = Log()
    for offset in range(3):
        event = Event(offset, BASE_MS + offset)
        log.append(event.received(), event.outcome(State.DISCARDED, code="400", message="no such field"))
    waiting = Event(3, BASE_MS + 3)
    log.append(waiting.received(), waiting.failed(10, BASE_MS + 99, code="ECONNREFUSED"))
    log.append(waiting.failed(20, BASE_MS + 199, attempt=2, code="503"), waiting.requeued(30, BASE_MS + 500))
    log.record(store)
    first, second = store.view("error_details", **PERIOD)
    assert (first["state"], first["code"], first["deliveries"], first["share"]) == ("discarded", "400", 3, 0.75)
    assert first["description"] and first["action"]
    assert (first["first_seen"], first["last_seen"]) == (BASE_MS + 100, BASE_MS + 102)
    assert (second["state"], second["code"], second["deliveries"]) == ("awaiting_retry", "503", 1)
    said = [tuple(row.values()) for row in store.view("error_messages", **PERIOD, limit=1)]
    assert said == [("crm", "400", "no such field", 3), ("crm", "503", "busy", 1), ("crm", "ECONNREFUSED", "busy", 1)]
    assert store.view("error_details", **PERIOD, destination="mail") == []


def test_ingest_balance_finds_an_event_nobody_spoke_of(store: Store) -> None:
    log = Log()
    log.append(Event(10, BASE_MS).received(), Event(11, BASE_MS + 1).duplicate(), Event(13, BASE_MS + 3).received())
    unreadable = Event(14, BASE_MS + 4).outcome(State.DISCARDED, to="", code="UNREADABLE_RECORD")
    log.append(unreadable, rejected(BASE_MS + 5, 4), watermark_report(BASE_MS + 3, position=15, end=17))
    log.record(store)
    [ingest] = store.view("ingest_balance", **PERIOD, settle_seconds=0)
    assert ingest == {"ingested": 11, "accepted": 7, "rejected": 4, "duplicates": 1, "routed_events": 3,
                      "unread": 3, "unexplained": 0}  # fmt: skip
    log.append(watermark_report(BASE_MS + 10, position=17, end=17))
    log.record(store)
    [ingest] = store.view("ingest_balance", **PERIOD, settle_seconds=0)
    assert (ingest["accepted"], ingest["unread"], ingest["unexplained"]) == (5, 0, 1)
    assert balance(store)["unexplained"] == 2  # the two received without outcome; not the unreadable record
    log.append(Event(12, BASE_MS + 2).received())
    log.record(store)
    assert store.view("ingest_balance", **PERIOD, settle_seconds=0)[0]["unexplained"] == 0


def test_ingest_balance_counts_an_event_said_twice(store: Store) -> None:
    log, event = Log(), Event(0, BASE_MS)
    log.append(event.received())
    log.append(event.received(replayed=True), decision=Decision(0))
    log.record(store)
    assert store.view("ingest_balance", **PERIOD)[0]["unexplained"] == 0
    log.append(event.received(replayed=True))
    log.record(store)
    assert store.view("ingest_balance", **PERIOD)[0]["unexplained"] == 1


def test_a_trace_tells_the_story_in_order(store: Store) -> None:
    log = Log()
    event = Event(1, BASE_MS, destinations=("crm", "mail"), message_id="it's \\ me")
    log.append(event.received(), event.outcome(State.DELIVERED, 50), event.failed(60, BASE_MS + 900, to="mail"))
    again = replace(event, offset=7, received_at_ms=BASE_MS + 300)
    log.append(event.requeued(100, BASE_MS + 1_000, to="mail"), again.duplicate())
    log.append(event.outcome(State.DISCARDED, 1_200, to="mail", code="400", message="bad", http_status=400, attempt=2))
    log.append(Event(2, BASE_MS).received())
    log.record(store)
    steps = store.view("event_trace", message_id=event.message_id)
    assert [(s["step"], s["destination"]) for s in steps] == [
        ("received", ""), ("routed", "crm"), ("routed", "mail"), ("outcome", "crm"), ("attempt_failed", "mail"),
        ("requeued", "mail"), ("duplicate", ""), ("outcome", "mail"),
    ]  # fmt: skip
    assert steps[4]["due_at"] == BASE_MS + 900 and steps[4]["http_status"] == 503 and steps[4]["latency_ms"] is None
    assert steps[-1]["latency_ms"] == 1_200 and steps[-1]["description"] and steps[3]["http_status"] is None
    assert store.view("event_trace", message_id="it") == []


def test_samples_are_given_newest_first_and_no_more_than_asked(store: Store) -> None:
    row = {"destination": "crm", "code": "400", "delivery_id": "d", "received_at": BASE_MS, "request": '{"x":1}'}
    rows = [{**row, "at": BASE_MS + i, "log_offset": i, "attempt_id": f"a{i}"} for i in range(5)]
    assert store.insert("samples", rows) == store.insert("samples", rows) == []
    samples = store.view("delivery_samples", **PERIOD, destination="crm", code="400", limit=2)
    assert [sample["attempt_id"] for sample in samples] == ["a4", "a3"]
    assert store.view("delivery_samples", **PERIOD, code="500") == []


def test_events_said_before_are_found_for_recording(store: Store) -> None:
    log = Log()
    log.append(Event(4, BASE_MS).received(), Event(5, BASE_MS + 1).duplicate(), Event(6, BASE_MS + 2).received())
    log.record(store)
    asked = {"first_received_ms": BASE_MS, "last_received_ms": BASE_MS + 2, "events_partition": 0, "log_partition": 0}
    found = store.view("prior_events", **asked, events_offsets=[4, 5, 6, 7], before_offset=2)
    assert sorted(row["events_offset"] for row in found) == [4, 5]


def test_a_trend_of_too_many_buckets_is_refused_with_the_remedy(store: Store) -> None:
    with pytest.raises(ViewRefused, match="larger step_seconds"):
        store.view("delivery_trend", from_ms=0, to_ms=BASE_MS, step_seconds=60)


def test_lag_is_that_of_the_worker_furthest_behind_and_grows_while_it_stands_still(store: Store) -> None:
    assert store.view("topic_lag") == []
    log = Log()
    log.append(watermark_report(BASE_MS, shard="0", shards=2, position=70, end=100))
    log.append(watermark_report(BASE_MS + 60_000, shard="1", shards=2, position=90, end=120))
    log.record(store)
    [lag] = store.view("topic_lag")
    assert (lag["topic"], lag["partition"], lag["position"], lag["end"], lag["unread"]) == ("events", 0, 70, 120, 50)
    assert lag["unsettled"] == 0
    assert lag["waits_seconds"] > lag["reported_seconds"] - 1 > 0
    log.append(watermark_report(BASE_MS + 120_000, position=120, end=120))  # now there is only one shard
    log.record(store)
    [lag] = store.view("topic_lag")
    assert (lag["position"], lag["unread"]) == (120, 0)
