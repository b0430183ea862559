"""`waybill demo`: it ends by itself, and its last line says that every delivery is accounted for."""

from collections import Counter

import pytest

from tests.kit.commands import waybill

PROMISED = {
    "ingested",
    "accepted",
    "rejected",
    "duplicates",
    "routed",
    "filtered",
    "delivered",
    "discarded",
    "expired",
    "pending",
    "unexplained",
    "possible_duplicates",
    "p95_latency_ms",
    "errors",
}
EVENTS = 300


@pytest.mark.slow
def test_the_demo_accounts_for_every_delivery() -> None:
    told = waybill("demo", "--json", "--events", str(EVENTS), seconds=120)
    assert told.code == 0, told.err
    report = told.json()
    assert report.keys() >= PROMISED
    assert report["ingested"] == report["accepted"] == EVENTS and report["routed"] == 3 * EVENTS
    assert report["rejected"] == report["duplicates"] == report["filtered"] == report["possible_duplicates"] == 0
    assert report["pending"] == report["unexplained"] == 0
    assert report["delivered"] + report["discarded"] + report["expired"] == 3 * EVENTS
    assert report["expired"] == EVENTS  # all that went to the dead destination
    assert report["p95_latency_ms"] > 0
    assert all(error.keys() >= {"code", "destination", "state", "count"} for error in report["errors"])
    counted: Counter[tuple[str, str]] = Counter()
    for error in report["errors"]:
        counted[error["destination"], error["state"]] += error["count"]
    assert counted["dead", "expired"] == EVENTS
    assert counted["flaky", "discarded"] == report["discarded"]
    assert report["delivered"] == 2 * EVENTS - report["discarded"]
