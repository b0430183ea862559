"""The views of the Event Delivery pages: every number beside what it must agree with."""

from typing import Any

import pytest

from model.recording.facts import Outcome, State
from model.recording.replays import Decision, EarlierOutcome
from sinks.clickhouse.store import Store, ViewRefused
from tests.kit.recording import BASE_MS, Event, Log, rejected, watermark_report
from tests.sql.test_views import FATES, HOUR, MINUTE, PERIOD, mixed_log

CHOICES = [{}, {"source": "web"}, {"destination": "crm"}, {"source": "ios", "destination": "mail"}, {"source": "none"}]
NUMBERS = ("delivered", "not_delivered", "filtered", "possible_duplicates")
LATENCIES = ("p50_latency", "p95_latency", "p99_latency")
STEPS = [
    "successfully_received", "failed_on_ingest", "filtered_at_source", "filtered_at_destination", "pending_retry",
    "failed_delivery", "successful_delivery",
]  # fmt: skip


def settled_log(seed: int = 11) -> Log:
    """Random events and their outcomes, a duplicate, two rejected items, and a watermark past all of it."""
    log = mixed_log(seed)
    log.append(Event(300, BASE_MS + 10, source="web").duplicate(), rejected(BASE_MS + 20, 2))
    log.append(watermark_report(BASE_MS + 3 * HOUR, position=301, end=301))
    return log


def funnel(store: Store, **chosen: Any) -> dict[str, dict[str, Any]]:
    return {row["step"]: row for row in store.view("funnel", **{**PERIOD, "to_ms": BASE_MS + 2 * HOUR, **chosen})}


def test_nothing_recorded_gives_zeros_nulls_and_no_rows(store: Store) -> None:
    [metrics] = store.view("key_metrics", **PERIOD)
    assert {metrics[name] for name in NUMBERS} == {metrics[f"{name}_before"] for name in NUMBERS} == {0}
    assert {value for name, value in metrics.items() if "change" in name or "p95" in name or "rate" in name} == {None}
    steps = store.view("funnel", **PERIOD)
    assert [row["step"] for row in steps] == STEPS and [row["position"] for row in steps] == list(range(1, 8))
    assert {row["count"] for row in steps} == {0} and {row["share"] for row in steps} == {None}
    asked: dict[str, dict[str, Any]] = {
        "breakdown": {"step": "failed_delivery", "by": "event_name"}, "discard_breakdown": {"step": ""},
        "step_series": {"step": "", "by": [], "step_seconds": 0}, "success_by_attempt": {}, "error_details": {},
        "error_samples": {}, "pending_deliveries": {}, "oldest_undelivered": {}, "possible_duplicates": {},
    }  # fmt: skip
    for name, more in asked.items():
        assert store.view(name, **PERIOD, **more) == [], name
    assert store.view("write_lag") == []
    trend = store.view("error_trend", **PERIOD, step_seconds=600)
    assert len(trend) == 6 and {row["not_delivered"] for row in trend} == {0}


@pytest.mark.parametrize("chosen", CHOICES, ids=str)
def test_key_metrics_are_the_metrics_of_the_period_and_of_the_one_before(store: Store, chosen: dict[str, str]) -> None:
    mixed_log(21, 400, span_ms=2 * HOUR).record(store)
    # Not whole minutes: the period is widened to 47 of them, and the one before ends where they begin.
    [key] = store.view("key_metrics", from_ms=BASE_MS + HOUR + 100, to_ms=BASE_MS + HOUR + 47 * MINUTE - 1, **chosen)
    periods = {"": (HOUR, HOUR + 47 * MINUTE), "_before": (HOUR - 47 * MINUTE, HOUR)}
    plain = {
        ending: store.view("delivery_metrics", from_ms=BASE_MS + first, to_ms=BASE_MS + end, **chosen)[0]
        for ending, (first, end) in periods.items()
    }
    for ending, metrics in plain.items():
        for name in (*NUMBERS, "success_rate"):
            assert key[name + ending] == metrics[name], name + ending
        for name in LATENCIES:
            assert key[f"{name}_ms{ending}"] == metrics[f"{name}_ms"], name + ending
    assert (key["delivered"] > 0) is (chosen != {"source": "none"})


def test_changes_are_in_percent_points_and_milliseconds(store: Store) -> None:
    log = Log()
    for offset, (at, state, after) in enumerate([
        (0, State.DELIVERED, 100), (1, State.DELIVERED, 100), (2, State.DISCARDED, 100), (3, State.DISCARDED, 100),
        (HOUR, State.DELIVERED, 150), (HOUR + 1, State.DELIVERED, 150), (HOUR + 2, State.DELIVERED, 150),
        (HOUR + 3, State.DISCARDED, 100), (HOUR + 4, State.FILTERED, 1),
    ]):  # fmt: skip
        event = Event(offset, BASE_MS + at)
        log.append(event.received(), event.outcome(state, after, code="" if state is State.DELIVERED else "400"))
    log.record(store)
    [key] = store.view("key_metrics", from_ms=BASE_MS + HOUR, to_ms=BASE_MS + 2 * HOUR)
    assert (key["delivered_change_percent"], key["not_delivered_change_percent"]) == (50, -50)
    assert key["filtered"] == 1 and key["filtered_change_percent"] is None  # there were none before
    assert (key["success_rate"], key["success_rate_before"], key["success_rate_change_points"]) == (0.75, 0.5, 25)
    assert key["p95_latency_change_ms"] == key["p95_latency_ms"] - 100 and 149 <= key["p95_latency_ms"] <= 151
    [first] = store.view("key_metrics", from_ms=BASE_MS, to_ms=BASE_MS + HOUR)
    assert first["success_rate_change_points"] is first["p50_latency_change_ms"] is None


@pytest.mark.parametrize("chosen", CHOICES, ids=str)
def test_the_funnel_adds_up_to_the_balance(store: Store, chosen: dict[str, str]) -> None:
    settled_log().record(store)
    steps = funnel(store, **chosen)
    counted = {step: row["count"] for step, row in steps.items()}
    rows = store.view("balance", from_ms=BASE_MS, to_ms=BASE_MS + 2 * HOUR, **chosen)
    fates = {fate: sum(row[fate] for row in rows) for fate in FATES}
    assert counted["filtered_at_destination"] == fates["filtered"]
    assert counted["failed_delivery"] == fates["discarded"] + fates["expired"]
    assert counted["successful_delivery"] == fates["delivered"]
    assert counted["pending_retry"] == fates["pending"] == 0
    assert sum(counted[step] for step in STEPS[3:]) == fates["routed"]
    if not chosen:
        [ingest] = store.view("ingest_balance", from_ms=BASE_MS, to_ms=BASE_MS + 2 * HOUR)
        assert counted["successfully_received"] == ingest["accepted"] == 301
        assert counted["filtered_at_source"] == ingest["duplicates"] == 1
        assert counted["successfully_received"] - counted["filtered_at_source"] == ingest["routed_events"]
        assert counted["failed_on_ingest"] == ingest["rejected"] == 2
    if fates["routed"]:
        for group in (STEPS[:2], [*STEPS[3:4], *STEPS[5:]]):
            assert sum(steps[step]["share"] for step in group) == pytest.approx(1)
    assert steps["pending_retry"]["count_before"] is steps["pending_retry"]["share"] is None


def test_a_destination_shows_the_events_of_the_sources_that_reach_it(store: Store) -> None:
    log = Log()
    for offset in range(10):
        event = Event(offset, BASE_MS + offset, source="web" if offset < 3 else "server",
                      destinations=("crm",) if offset < 3 else ("warehouse",))  # fmt: skip
        log.append(event.received(), event.outcome(State.DELIVERED, to=event.destinations[0]))
    log.record(store)
    assert funnel(store)["successfully_received"]["count"] == 10
    assert funnel(store, destination="crm")["successfully_received"]["count"] == 3
    assert funnel(store, destination="nowhere")["successfully_received"]["count"] == 0


def test_steps_compare_with_the_period_before(store: Store) -> None:
    log = Log()
    for offset, minute in enumerate([0, 1, 2, 60, 61, 62, 63, 64, 65]):
        event = Event(offset, BASE_MS + minute * MINUTE)
        log.append(
            event.received(), event.outcome(State.DISCARDED if minute in {0, 60} else State.DELIVERED, code="400")
        )
    log.record(store)
    row = funnel(store, from_ms=BASE_MS + HOUR)["failed_delivery"]
    assert (row["count"], row["count_before"], row["change_percent"]) == (1, 1, 0)
    assert row["share_change_points"] == pytest.approx(100 * (1 / 6 - 1 / 3))
    [found] = store.view("discard_breakdown", from_ms=BASE_MS + HOUR, to_ms=BASE_MS + 2 * HOUR, step="failed_delivery")
    assert (found["code"], found["count"], found["share"], found["change_percent"]) == ("400", 1, 1, 0)


@pytest.mark.parametrize(
    "by", ["event_type", *(pytest.param(by, marks=pytest.mark.slow) for by in ("event_name", "app_version"))]
)
def test_a_breakdown_adds_up_to_its_step(store: Store, by: str) -> None:
    settled_log().record(store)
    whole = {**PERIOD, "to_ms": BASE_MS + 2 * HOUR}
    [metrics] = store.view("delivery_metrics", **whole)
    for step in STEPS:
        if step == "pending_retry":
            continue
        rows = store.view("breakdown", **whole, step=step, by=by, limit=100)
        assert sum(row["count"] for row in rows) == funnel(store)[step]["count"], step
        assert sum(row["share"] for row in rows) == pytest.approx(1)
    [row] = [row for row in store.view("breakdown", **whole, step="failed_delivery", by=by) if row["delivered"]]
    for name in ("delivered", "not_delivered", "filtered", "success_rate", "p95_latency_ms"):
        assert row[name] == metrics[name], name
    assert store.view("breakdown", **whole, step="failed_delivery", by=by, code="no such code") == []


def test_a_breakdown_by_anything_else_is_refused(store: Store) -> None:
    settled_log().record(store)
    with pytest.raises(ViewRefused, match="by must be event_type"):
        store.view("breakdown", **PERIOD, step="failed_delivery", by="message_id")


def test_discards_tell_reason_and_remedy_at_every_step(store: Store) -> None:
    settled_log().record(store)
    rows = store.view("discard_breakdown", **PERIOD, step="")
    assert {row["step"] for row in rows} == {
        "failed_on_ingest",
        "filtered_at_source",
        "filtered_at_destination",
        "failed_delivery",
    }
    [refused] = [row for row in rows if row["step"] == "failed_on_ingest"]
    assert (refused["code"], refused["count"], refused["owner"]) == ("event_too_large", 2, "source")
    assert refused["action"] and refused["link"] and refused["first_seen"] == refused["last_seen"] == BASE_MS
    [duplicate] = [row for row in rows if row["step"] == "filtered_at_source"]
    assert duplicate["code"] == "DUPLICATE" and "same messageId" in duplicate["description"]
    assert all(row["description"] for row in rows)


def test_success_by_attempt_adds_up(store: Store) -> None:
    log = Log()
    for offset in range(10):
        event = Event(offset, BASE_MS + offset)
        log.append(event.received())
        calls = 1 if offset < 6 else 3
        log.append(*(event.failed(n, BASE_MS + n, attempt=n) for n in range(1, calls)))
        log.append(event.outcome(State.DISCARDED if offset == 9 else State.DELIVERED, 50, attempt=calls, code="400"))
    log.record(store)
    log.record(store)  # facts are there twice until they are merged
    rows = store.view("success_by_attempt", **PERIOD)
    assert [(r["attempt"], r["delivered"], r["attempts_failed"], r["not_delivered"]) for r in rows] == [
        (1, 6, 4, 0), (2, 0, 4, 0), (3, 3, 0, 1),
    ]  # fmt: skip
    assert [r["cumulative_share"] for r in rows] == pytest.approx([6 / 9, 6 / 9, 1])
    [metrics] = store.view("delivery_metrics", **PERIOD)
    assert sum(r["attempts_failed"] for r in rows) == metrics["attempts_failed"]
    assert sum(r["share"] for r in rows) == pytest.approx(1)


def test_the_series_of_steps_agrees_with_the_funnel_and_tells_retries(store: Store) -> None:
    settled_log().record(store)
    whole = {**PERIOD, "to_ms": BASE_MS + 2 * HOUR}
    for step, row in funnel(store).items():
        series = store.view("step_series", **whole, step=step, step_seconds=3600, by=["event_name", "code", "mapping"])
        assert sum(point["count"] for point in series) == (row["count"] if step != "pending_retry" else 0)
    [point] = store.view("step_series", **whole, step="successful_delivery", step_seconds=0, by=[])
    assert point["event_name"] == point["source"] == "" and point["retry_count"] == 0
    by_source = store.view("step_series", **whole, step="successful_delivery", step_seconds=0, by=["source"])
    assert {row["source"] for row in by_source} == {"web", "ios"}


def test_trend_and_series_hold_every_percentile(store: Store) -> None:
    mixed_log(5).record(store)
    [metrics] = store.view("delivery_metrics", **PERIOD)
    trend = store.view("delivery_trend", **PERIOD, step_seconds=3600)
    assert len(trend) == 1
    for name, number in trend[0].items():
        assert name == "bucket" or number == metrics[name], name


def test_a_replay_changes_no_number(store: Store) -> None:
    log, event = settled_log(), Event(400, BASE_MS + 30)
    expired = event.outcome(State.EXPIRED, 1_000, code="EXPIRED")
    log.append(event.received(), event.failed(10, BASE_MS + 20), expired)
    late = event.outcome(State.DELIVERED, 2_000, replayed=True, resent=True, attempt=2)
    log.append(late, decision=Decision(1, EarlierOutcome(State.EXPIRED, "EXPIRED", expired.at_ms, expired.attempt)))
    log.append(event.outcome(State.DISCARDED, 3_000, code="400", replayed=True), decision=Decision(0))
    names: dict[str, dict[str, Any]] = {
        "key_metrics": {}, "funnel": {}, "discard_breakdown": {"step": ""}, "success_by_attempt": {},
        "error_details": {}, "error_groups": {}, "error_trend": {"step_seconds": 60}, "possible_duplicates": {},
        "pending_deliveries": {}, "breakdown": {"step": "failed_delivery", "by": "event_name"},
    }  # fmt: skip
    period = {"from_ms": BASE_MS, "to_ms": BASE_MS + 2 * HOUR}
    log.record(store)
    before = {name: store.view(name, **period, **more) for name, more in names.items()}
    log.record(store)
    assert {name: store.view(name, **period, **more) for name, more in names.items()} == before
    outcomes = [fact for _, fact, _ in log.entries if isinstance(fact, Outcome)]
    delivered = sum(fact.state is State.DELIVERED for fact in outcomes)
    assert before["key_metrics"][0]["delivered"] == delivered  # the one taken back is expired no more
    assert (
        sum(row["not_delivered"] for row in before["success_by_attempt"]) == before["key_metrics"][0]["not_delivered"]
    )
