"""The bench of reading works, on a store with next to nothing in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from model.durations import DAY_MS
from sinks.clickhouse.store import Store
from tests.bench.reading import read
from tests.bench.synthetic_days import DESTINATION, END_MS, Amount, fill
from tests.kit.chdb import database, drop

AMOUNT = Amount(deliveries_per_day=1_500, days=3)


@pytest.fixture(scope="module")
def progress() -> Progress:
    return Progress(console=Console(quiet=True))


@pytest.fixture(scope="module")
def store(chdb: Path, open_chdb: Store, progress: Progress) -> Iterator[Store]:
    made = database(chdb, "reading")
    fill(made, AMOUNT, progress)
    yield made
    drop(made)


@pytest.fixture(scope="module")
def result(store: Store, progress: Progress) -> dict[str, Any]:
    return read(store, AMOUNT, progress, runs=1, periods_days=(1,))


def test_every_panel_and_picker_is_timed(result: dict[str, Any]) -> None:
    assert {"Errors", "Latency", "P95 latency", "picker source", "picker destination"} <= result["panels"].keys()
    for times in result["panels"].values():
        assert times.keys() == {"1 d, all", "1 d, one destination"}
        assert all(0 < took_ms <= result["median_ms_worst_panel"] for took_ms in times.values())


def test_sizes_are_told_of_every_table_that_grows(result: dict[str, Any]) -> None:
    tables = {
        "facts",
        "samples",
        "undelivered",
        "minutes",
        "minute_totals",
        "hours",
        "hour_totals",
        "error_hours",
        "hour_latencies",
    }
    assert result["rows"].keys() == result["bytes_per_million_outcomes"].keys() == tables
    assert all(rows > 0 for rows in result["rows"].values())


@pytest.mark.parametrize("days", [1, 2, 3])
def test_each_day_filled_in_counts_as_the_last_does(store: Store, days: int) -> None:
    [last] = store.view("delivery_metrics", from_ms=END_MS - DAY_MS, to_ms=END_MS)
    [found] = store.view("delivery_metrics", from_ms=END_MS - days * DAY_MS, to_ms=END_MS)
    assert 0.9 * AMOUNT.deliveries_per_day < last["delivered"] + last["not_delivered"] < AMOUNT.deliveries_per_day
    for number in ("delivered", "not_delivered", "filtered", "attempts_failed"):
        assert found[number] == days * last[number]
    assert found["p95_latency_ms"] == last["p95_latency_ms"]


def test_minutes_hours_and_facts_agree(store: Store) -> None:
    with store.client() as client:
        told = client.command("SELECT countIf(state = 'delivered') FROM facts")
        counted = client.command(
            f"SELECT sum(count) FROM counts(from_ms = {END_MS - DAY_MS}, to_ms = {END_MS}, source = '',"
            " destination = '', step_seconds = 0) WHERE status = 'delivered'"
        )
    [metrics] = store.view("delivery_metrics", from_ms=END_MS - DAY_MS, to_ms=END_MS)
    assert told == counted == metrics["delivered"] > 0


def test_a_destination_is_in_trouble(store: Store) -> None:
    [banner] = store.view("banners", from_ms=END_MS - DAY_MS, to_ms=END_MS)
    assert (banner["destination"], banner["state"]) == (DESTINATION, "open")
