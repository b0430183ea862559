"""The six reads of the delivery overview: Segment's shapes, and the numbers of the views."""

from datetime import datetime
from typing import Any

import pytest

from console.api.delivery.shapes import DeliveryOverviewAnswer, time_text
from model.durations import HOUR_MS
from sinks.clickhouse.store import Store
from tests.console.public_api.conftest import NAMES, Get
from tests.console.public_api.questions import OF_DESTINATION, OF_SOURCE, PERIOD, READS
from tests.kit.recording import BASE_MS

pytestmark = pytest.mark.slow  # each read plans a view of views

IN_MS = {"from_ms": BASE_MS, "to_ms": BASE_MS + 3 * HOUR_MS}


def counted(store: Store, read: str, by: tuple[str, ...] = ()) -> dict[tuple[str, ...], int]:
    """What the view says, by the values of some columns."""
    destination = READS[read].get("destinationConfigId", "")
    rows = store.view(
        "step_series", **IN_MS, source="web", destination=destination, step=read.replace("-", "_"), step_seconds=0,
        by=list(by),
    )  # fmt: skip
    return {tuple(row[column] for column in by): row["count"] for row in rows}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("granularity", ["MINUTE", "HOUR", "DAY"])
def test_an_answer_has_segments_shape_and_the_views_total(store: Store, get: Get, read: str, granularity: str) -> None:
    data = get(f"delivery-overview/{read}", **{**READS[read], "granularity": granularity})
    DeliveryOverviewAnswer.model_validate({"data": data})
    assert data["total"] == counted(store, read)[()] > 0
    assert set(data) == {"total", "dataset", "pagination"} and data["pagination"]["totalEntries"] == 1
    [entry] = data["dataset"]
    retries = {"totalRetryCount"} if read == "successful-delivery" else set()
    assert set(entry) == {"total", "series"} | retries
    assert sum(point["count"] for point in entry["series"]) == entry["total"] == data["total"]
    times = [datetime.fromisoformat(point["time"]).timestamp() * 1000 for point in entry["series"]]
    width_ms = {"MINUTE": 60_000, "HOUR": HOUR_MS, "DAY": 24 * HOUR_MS}[granularity]
    assert times == sorted(set(times)) and all(time % width_ms == 0 for time in times)


@pytest.mark.parametrize(
    ("read", "name", "column"),
    [
        ("successfully-received", "eventName", "event_name"),
        ("successful-delivery", "appVersion", "app_version"),
        ("failed-delivery", "discardReason", "code"),
        ("failed-on-ingest", "discardReason", "code"),
        ("filtered-at-destination", "subscriptionId", "mapping"),
        ("filtered-at-destination", "eventType", "event_type"),
    ],
)
def test_grouping_gives_an_entry_for_each_value(store: Store, get: Get, read: str, name: str, column: str) -> None:
    data = get(f"delivery-overview/{read}", **READS[read], groupBy=name)
    found = {(entry[name],): entry["total"] for entry in data["dataset"]}
    assert found == counted(store, read, (column,)) and sum(found.values()) == data["total"]


def test_groups_may_be_written_in_every_way_segments_clients_do(get: Get) -> None:
    path = "delivery-overview/failed-delivery"
    data = get(path, **OF_DESTINATION, groupBy="eventName,discardReason")
    assert {tuple(entry)[:2] for entry in data["dataset"]} == {("eventName", "discardReason")}
    for written in (
        {"groupBy.0": "discardReason", "groupBy.1": "eventName"},
        {"groupBy[0]": "eventName", "groupBy[1]": "discardReason"},
        {"groupBy": ["eventName", "discardReason", "eventName"]},
        {"groupBy[]": ["eventName", "discardReason"]},
    ):
        assert get(path, **OF_DESTINATION, **written) == data


def test_filters_count_only_what_they_name(store: Store, get: Get) -> None:
    by_name = counted(store, "successful-delivery", ("event_name",))
    path = "delivery-overview/successful-delivery"
    ways = ("filter.eventName.0", "filter[eventName]", "filter[eventName][0]", "filter.eventName", "filter.eventName.7")
    for name, written in zip(NAMES, ways, strict=True):
        assert get(path, **OF_DESTINATION, **{written: name})["total"] == by_name[(name,)]
    two = get(path, **OF_DESTINATION, **{"filter.eventName": NAMES[:2], "filter.appVersion": "1.0"})
    both = counted(store, "successful-delivery", ("event_name", "app_version"))
    assert two["total"] == sum(both[(name, "1.0")] for name in NAMES[:2])
    assert get(path, **OF_DESTINATION, **{"filter.eventType": "alias"})["dataset"] == []


def test_reasons_may_be_written_as_segment_does(get: Get) -> None:
    path = "delivery-overview/failed-delivery"
    ours = get(path, **OF_DESTINATION, **{"filter.discardReason": "400"})
    assert ours["total"] > 0
    assert get(path, **OF_DESTINATION, **{"filter.discardReason": "errors.discarded.BAD_REQUEST"}) == ours
    [entry] = get("delivery-overview/filtered-at-source", **OF_SOURCE, groupBy="discardReason")["dataset"]
    assert (entry["discardReason"], entry["total"]) == ("DUPLICATE", 1)


def test_successes_tell_at_which_call_they_came(get: Get) -> None:
    path = "delivery-overview/successful-delivery"
    whole = get(path, **OF_DESTINATION)
    entries = get(path, **OF_DESTINATION, groupBy="discardReason")["dataset"]
    totals = {entry["discardReason"]: entry["total"] for entry in entries}
    assert set(totals) == {"successes.attempt.1", "successes.attempt.2", "successes.attempt.12"}
    assert sum(totals.values()) == whole["total"]
    later = whole["total"] - totals["successes.attempt.1"]
    assert whole["dataset"][0]["totalRetryCount"] == later > 0
    assert sum(point["retryCount"] for point in whole["dataset"][0]["series"]) == later
    second = get(path, **OF_DESTINATION, **{"filter.discardReason": "successes.attempt.2"})
    assert second["total"] == second["dataset"][0]["totalRetryCount"] == totals["successes.attempt.2"]


def test_a_period_includes_its_start_and_not_its_end(get: Get) -> None:
    path = "delivery-overview/successfully-received"
    whole = get(path, **{**OF_SOURCE, "granularity": "MINUTE"})
    cut: dict[str, Any] = {**OF_SOURCE, "granularity": "MINUTE"}
    middle = time_text(BASE_MS + HOUR_MS + 17 * 60_000)
    before, after = get(path, **{**cut, "endTime": middle}), get(path, **{**cut, "startTime": middle})
    assert before["total"] + after["total"] == whole["total"]
    assert before["dataset"][0]["series"] + after["dataset"][0]["series"] == whole["dataset"][0]["series"]


def test_nothing_happened_is_an_empty_dataset(get: Get) -> None:
    for read, asked in READS.items():
        data = get(f"delivery-overview/{read}", **{**asked, "sourceId": "quiet"}, groupBy="eventName")
        assert data["total"] == 0 and data["dataset"] == []
        assert set(data["pagination"]) == {"current", "totalEntries"}


@pytest.mark.parametrize("count", [3, 5, 1000])
def test_walking_the_pages_gives_every_entry_exactly_once(get: Get, count: int) -> None:
    path, groups = "delivery-overview/successful-delivery", "eventName,appVersion"
    whole = get(path, **OF_DESTINATION, groupBy=groups)
    walked: list[Any] = []
    page = get(path, **OF_DESTINATION, groupBy=groups, **{"pagination.count": count})
    while True:
        assert 0 < len(page["dataset"]) <= count and page["total"] == whole["total"]
        assert page["pagination"]["totalEntries"] == len(whole["dataset"]) == 10
        walked += page["dataset"]
        if "next" not in page["pagination"]:
            break
        asked = {"pagination[count]": count, "pagination[cursor]": page["pagination"]["next"]}
        following = get(path, **OF_DESTINATION, groupBy=groups, **asked)
        back = {"pagination.count": count, "pagination.cursor": following["pagination"]["previous"]}
        assert get(path, **OF_DESTINATION, groupBy=groups, **back)["dataset"] == page["dataset"]
        page = following
    assert walked == whole["dataset"]


def test_times_may_be_written_as_iso_8601_allows(get: Get) -> None:
    path = "delivery-overview/successfully-received"
    whole = get(path, **OF_SOURCE)
    zone = datetime.fromisoformat("2026-01-01T00:00:00+02:00").tzinfo
    start = datetime.fromisoformat(PERIOD["startTime"])
    for written in (start.astimezone(zone).isoformat(), start.replace(tzinfo=None).isoformat(), str(start)[:10]):
        assert get(path, **{**OF_SOURCE, "startTime": written})["total"] == whole["total"]
