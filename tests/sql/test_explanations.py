"""Whatever code a delivery or a record ended with, the views say what it means and what to do."""

import pytest

from model.destinations.catalogue import ALL_REASONS, reason
from model.recording.facts import State
from sinks.clickhouse.store import Store
from tests.kit.recording import BASE_MS, Event, Log
from tests.sql.test_views import PERIOD

CODES = {*map(str, range(100, 1_000)), *(entry.code for entry in ALL_REASONS), "CODE_OF_A_NEWER_VERSION"}
EXPLAINED = {code: (reason(code).description, reason(code).action) for code in CODES}


@pytest.fixture
def recorded(store: Store) -> Store:
    log = Log()
    for offset, code in enumerate(sorted(CODES)):
        event = Event(offset, BASE_MS, message_id="one for all")
        log.append(event.received(), event.outcome(State.DISCARDED, 50, code=code))
    log.record(store)
    return store


def test_every_code_is_explained_in_every_view(recorded: Store) -> None:
    assert all(description and action for description, action in EXPLAINED.values())
    for view, parameters in (
        ("error_details", PERIOD),
        ("discard_breakdown", {**PERIOD, "step": "failed_delivery"}),
        ("event_trace", {"message_id": "one for all"}),
    ):
        rows = recorded.view(view, **parameters)
        told = {row["code"]: (row["description"], row["action"]) for row in rows if row["code"]}
        assert told == EXPLAINED, view


def test_a_code_nobody_knows_is_ours_to_explain(recorded: Store) -> None:
    (row,) = [row for row in recorded.view("error_details", **PERIOD) if row["code"] == "CODE_OF_A_NEWER_VERSION"]
    assert (row["severity"], row["owner"]) == ("error", "us")


@pytest.mark.parametrize("code", ["301", "777", "100", "ETIMEDOUT", "CODE_OF_A_NEWER_VERSION"])
def test_what_waits_is_explained_too(store: Store, code: str) -> None:
    log, event = Log(), Event(1, BASE_MS)
    log.append(event.received(), event.failed(10, BASE_MS + 99_000_000, code=code))
    log.record(store)
    (oldest,) = store.view("oldest_undelivered", **PERIOD)
    assert (oldest["description"], oldest["action"]) == (reason(code).description, reason(code).action)
