"""Every panel's SQL, expanded as Grafana and the plugin do, on the real engine."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from tests.dashboards.boards import BOARDS, GIVEN, panel, panels
from tests.dashboards.conftest import Stores
from tests.dashboards.data import HOUR, TIME, WATERMARK_MS
from tests.dashboards.grafana.choices import Pick, resolve
from tests.dashboards.grafana.engine import Answer, Run, kind_of, panel_answers, panel_frames, run_on
from tests.dashboards.grafana.links import missing_columns
from tests.kit.recording import BASE_MS

pytestmark = pytest.mark.slow  # every query of every panel on the engine, for many choices

PERIOD = {"from_ms": BASE_MS, "to_ms": BASE_MS + HOUR}


class Answers(dict[str, Answer]):
    """What the panels of a dashboard get, by their titles; each is asked when it is looked at."""

    def __init__(self, run: Run, uid: str, pick: Pick, given: dict[str, str]) -> None:
        self.run, self.uid = run, uid
        self.choices = resolve(BOARDS[uid], run, TIME, pick, GIVEN.get(uid, {}) | given)

    def __missing__(self, title: str) -> Answer:
        item = panel(self.uid, title)
        answer = panel_answers(item, self.run, self.choices, TIME)
        panel_frames(item, answer)  # raises for a time series that does not ascend
        assert missing_columns(item, answer) == []
        self[title] = answer["A"]
        return answer["A"]


@cache
def answers(run: Run, uid: str, pick: Pick = Pick.ALL, **given: str) -> Answers:
    return Answers(run, uid, pick, given)


def rows(answer: Answer) -> list[dict[str, Any]]:
    return [dict(zip(answer.names, row, strict=True)) for row in answer.rows]


def value(answer: Answer) -> Any:
    """The first cell."""
    return answer.rows[0][0]


def shape(answer: Answer) -> list[str]:
    return [f"{name}: {kind_of(type_)}" for name, type_ in zip(answer.names, answer.types, strict=True)]


@pytest.mark.parametrize("pick", [Pick.ALL, Pick.ONE, Pick.NONE])
@pytest.mark.parametrize("uid", BOARDS)
def test_every_panel_answers_with_the_same_columns_full_and_empty(uid: str, pick: Pick, full: Run, empty: Run) -> None:
    with_data, without = answers(full, uid, pick), answers(empty, uid)
    for item in panels(uid):
        assert shape(with_data[item.title]) == shape(without[item.title]), item.name


@pytest.mark.parametrize("uid", BOARDS)
def test_a_dashboard_opens_with_everything_picked(uid: str, full: Run) -> None:
    assert resolve(BOARDS[uid], full, TIME) == resolve(BOARDS[uid], full, TIME, Pick.ALL)


def kinds_in(item: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The kind a property of a column asks for."""
    wanted = {"short": "number", "percentunit": "number", "percent": "number", "ms": "number", "s": "number"}
    wanted |= {
        "suffix: points": "number",
        "time:YYYY-MM-DD HH:mm:ss": "time",
        "dateTimeFromNow": "time",
        "json-view": "string",
    }
    for override in item["fieldConfig"]["overrides"]:
        for change in override["properties"]:
            shown = change["value"].get("type") if change["id"] == "custom.cellOptions" else change["value"]
            if change["id"] in ("unit", "custom.cellOptions") and shown in wanted:
                yield str(override["matcher"]["options"]), wanted[str(shown)]


@pytest.mark.parametrize("uid", BOARDS)
def test_columns_are_of_the_kind_their_look_is_for(uid: str, full: Run) -> None:
    found = answers(full, uid)
    for item in panels(uid):
        kinds = dict(zip(found[item.title].names, map(kind_of, found[item.title].types), strict=True))
        wrong = {name: kinds[name] for name, kind in kinds_in(dict(item.json)) if kinds[name] != kind}
        assert wrong == {}, item.name


@pytest.mark.parametrize("uid", BOARDS)
def test_with_nothing_recorded_only_numbers_and_trends_have_rows(uid: str, empty: Run) -> None:
    found = answers(empty, uid)
    with_rows = {"Pipeline", "Steps against the period before", "Balance of events"}
    for item in panels(uid):
        if item.kind == "table" and item.title not in with_rows:
            assert found[item.title].rows == (), item.name
        if item.kind == "stat":
            assert len(found[item.title].rows) == 1 and not value(found[item.title]), item.name
        if item.kind == "timeseries":
            assert len(found[item.title].rows) == 12
            assert set(found[item.title].column("may still change")) == {1}


def test_key_metrics_and_their_changes(full: Run) -> None:
    found = answers(full, "event-delivery")
    shown = {title: found[title].rows[0] for title in ("Delivered", "Not delivered", "Success rate", "P50 latency")}
    assert shown == {
        "Delivered": (11, "▲ 175 %"),
        "Not delivered": (2, "▲ 100 %"),
        "Success rate": (11 / 13, "▲ 4.6 points"),
        "P50 latency": (300, "▲ 200 ms"),
    }
    assert found["P95 latency"].rows[0][1] == "▲ 2.3 s"


def test_a_change_against_nothing_says_so(empty: Run) -> None:
    found = answers(empty, "event-delivery")
    assert {found[title].rows[0][1] for title in ("Delivered", "Success rate", "P95 latency")} == {"nothing before"}


def test_one_source_and_one_destination_narrow_every_number(full: Run) -> None:
    ios = answers(full, "event-delivery", source="ios")
    assert value(ios["Delivered"]) == 1 and ios["Errors"].rows == ()
    mail = answers(full, "event-delivery", destination="mail")
    assert (value(mail["Delivered"]), value(mail["Not delivered"])) == (4, 2)
    assert set(mail["Errors"].column("Destination")) == {"mail"}
    assert value(answers(full, "event-delivery", source="web", destination="mail")["Delivered"]) == 4


def test_errors_are_explained_and_open_to_three_payloads(full: Run) -> None:
    errors = {row["Code"]: row for row in rows(answers(full, "event-delivery")["Errors"])}
    assert {code: (row["State"], row["Deliveries"]) for code, row in errors.items()} == {
        "503": ("awaiting_retry", 1),
        "400": ("discarded", 1),
        "ECONNREFUSED": ("expired", 1),
    }
    refused = errors["400"]
    assert refused["What happened"] and refused["What to do"] and refused["More"].startswith("https://")
    assert [refused[name] for name in ("You sent", "Request", "Response")] == [
        '{"type":"track"}', '{"method":"POST"}', '{"status":400}',
    ]  # fmt: skip
    assert errors["ECONNREFUSED"]["Sampled at"] is None  # the row stays though there is no sample of it
    deliveries = [row["Deliveries"] for row in errors.values()]
    assert deliveries == sorted(deliveries, reverse=True)


def test_rows_of_errors_are_told_apart_by_what_they_open_by(full: Run) -> None:
    item = panel("event-delivery", "Errors")
    [transformation] = item.json["transformations"]
    outer = list(transformation["options"]["fields"])
    answer = answers(full, "event-delivery")["Errors"]
    assert set(outer) < set(answer.names)
    groups = {tuple(row[name] for name in outer) for row in rows(answer)}
    assert len(groups) == len({(row["Code"], row["Destination"], row["State"]) for row in rows(answer)})


def test_a_destination_that_needs_a_person_is_shown_whatever_is_picked(full: Run) -> None:
    for uid in ("event-delivery", "delivery-overview", "operations"):
        [banner] = rows(answers(full, uid, source="ios", destination="crm")["Stopped destinations"])
        assert (banner["Destination"], banner["State"], banner["In its own words"]) == (
            "mail",
            "setup",
            "token revoked",
        )
        assert banner["What to do"]


def test_trends_tell_buckets_that_may_still_change(full: Run) -> None:
    trend = rows(answers(full, "event-delivery")["Deliveries"])
    assert sum(row["Delivered"] for row in trend) == 11 and sum(row["Not delivered"] for row in trend) == 2
    ends_ms = [round(row["time"].replace(tzinfo=None).timestamp()) for row in trend]
    assert ends_ms == sorted(ends_ms)
    assert [row["may still change"] for row in trend] == [None] * 10 + [1] * 2  # the watermark is at minute 50
    assert value(answers(full, "event-delivery")["Complete up to"]) == WATERMARK_MS


def test_the_funnel_is_the_view_and_the_bars_are_the_table(full: Run, stores: Stores) -> None:
    found = answers(full, "delivery-overview")
    counts = [row["count"] for row in stores.full.view("funnel", **PERIOD)]
    assert list(found["Pipeline"].rows[0]) == counts == [9, 3, 1, 1, 1, 2, 11]
    table = rows(found["Steps against the period before"])
    assert [row["Now"] for row in table] == counts
    assert [row["Step"] for row in table] == list(found["Pipeline"].names)


@pytest.mark.parametrize(
    ("step", "codes", "count"),
    [
        ("failed_on_ingest", ["event_too_large"], 3),
        ("filtered_at_source", ["DUPLICATE"], 1),
        ("filtered_at_destination", ["FILTERED_BY_RULES"], 1),
        ("failed_delivery", ["400", "ECONNREFUSED"], 2),
        ("successful_delivery", [], 11),
        ("pending_retry", [], 0),
    ],
)
def test_a_step_is_broken_down(full: Run, step: str, codes: list[str], count: int) -> None:
    found = answers(full, "delivery-overview", step=step)
    assert found["Why: reasons at ${step:text}"].column("Code") == codes
    assert sum(found["Trend of ${step:text}"].column("Count")) == count
    if step == "failed_delivery":
        [row] = rows(found["${step:text} by ${by:text}"])
        assert (row["Value"], row["Count"], row["Success rate"]) == ("Order Completed", 2, 11 / 13)


def test_an_error_has_its_trend_messages_names_and_samples(full: Run) -> None:
    found = answers(full, "error-detail", code="400", destination="mail")
    assert found["The error"].column("Code") == ["400"]
    assert sum(found["When it happens"].column("Discarded")) == 1
    assert found["What the destination says"].column("Message") == ["email is missing"]
    assert found["Affected events"].column("Value") == ["Order Completed"]
    assert found["Affected versions"].column("Value") == ["1.0"]
    assert found["Samples"].column("Message id") == ["m3"]
    assert len(answers(full, "error-detail")["The error"].rows) == 3  # no code: all of them


def test_a_trace_says_where_each_delivery_is(full: Run) -> None:
    def now(message_id: str) -> list[tuple[str, str]]:
        answer = answers(full, "event-trace", message_id=message_id)["Where it is now"]
        return [(row["To"], row["Now"]) for row in rows(answer)]

    assert now("m3") == [("crm", "delivered"), ("mail", "discarded"), ("mail", "delivered")]  # the last by redrive
    assert now("m6") == [("crm", "pending"), ("mail", "delivered")]
    assert now("bad") == [("none", "rejected")]
    assert now("never heard of") == []
    assert now("m0") == [("none", "duplicate"), ("crm", "delivered"), ("mail", "delivered")]
    steps = answers(full, "event-trace")["Step by step"].column("At")
    assert steps == sorted(steps)


def test_what_is_lost_shows_as_unexplained(full: Run, stores: Stores) -> None:
    for run, pending, unexplained in ((full, 1, 0), (run_on(stores.lost), 0, 1)):
        found = answers(run, "operations")
        assert (value(found["Pending"]), value(found["Unexplained"])) == (pending, unexplained)
        assert sum(found["Balance of deliveries"].column("Unexplained")) == unexplained


def test_operations_show_what_waits_and_what_was_sent_twice(full: Run) -> None:
    found = answers(full, "operations")
    [oldest] = rows(found["Oldest undelivered"])
    assert (oldest["Destination"], oldest["Waits for"], oldest["Code"]) == ("crm", "retry", "503")
    assert (value(found["Unread events"]), value(found["Possible duplicates"])) == (2, 1)
    [redrive] = rows(found["Balance of redrives"])
    assert (redrive["Redriven"], redrive["Recovered"]) == (1, 1)
