"""Marks on the trends: which alerts they show, in which words, and that nothing people wrote becomes HTML or SQL."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboards.comparison import COMPARISON, WORDS
from model.alerts.alert_event import AlertEvent
from model.alerts.messages import summary_of
from model.alerts.notification import Change
from model.alerts.state import Check
from tests.dashboards.alert_data import alert_event
from tests.dashboards.boards import BOARDS
from tests.dashboards.data import TIME
from tests.dashboards.grafana.choices import Pick, resolve
from tests.dashboards.grafana.engine import Run, annotation_marks
from tests.dashboards.grafana.macros import expand
from tests.kit.recording import BASE_MS

pytestmark = pytest.mark.slow  # asks the engine

WITH_TRENDS = ("event-delivery", "delivery-overview", "error-detail")


def marks(run: Run, uid: str, pick: Pick = Pick.DEFAULT, **picked: str) -> dict[str, list[dict[str, Any]]]:
    choices = resolve(BOARDS[uid], run, TIME, pick, picked)
    return {
        one.name: annotation_marks(one, run(expand(one.target.raw_sql, choices, TIME)))
        for one in BOARDS[uid].annotations
    }


def test_trends_have_both_kinds_of_marks_and_other_dashboards_none() -> None:
    for uid, board in BOARDS.items():
        found = [(one.name, one.colour, one.is_on) for one in board.annotations]
        expected = [("Alerts fired", "red", True), ("Alerts recovered", "green", True)]
        assert found == (expected if uid in WITH_TRENDS else []), uid
        assert any(panel.kind == "timeseries" for panel in board.panels) == (uid in WITH_TRENDS)


@pytest.mark.parametrize("uid", WITH_TRENDS)
def test_a_mark_stands_where_it_fired_with_what_was_compared(uid: str, full: Run) -> None:
    found = marks(full, uid)
    [recovered] = found["Alerts recovered"]
    assert recovered == {
        "time": BASE_MS + 40 * 60_000,
        "title": "CRM &lt;b&gt;arrives&lt;/b&gt; &amp; stays",
        "text": "delivered 990 of 1,000 = 99.00 % &gt;= 95 %",
        "tags": "crm",
    }
    fired = sorted((mark["time"] - BASE_MS) // 60_000 for mark in found["Alerts fired"])
    assert fired == [10, 20, 30, 45]


@pytest.mark.parametrize(
    ("pick", "picked", "fired"),
    [
        (Pick.ALL, {}, {"crm", "web", "mail"}),
        (Pick.NONE, {}, {"crm", "web", "mail"}),
        (Pick.DEFAULT, {"destination": "mail"}, {"mail", "web"}),
        (Pick.DEFAULT, {"source": "ios"}, {"crm", "mail"}),
        (Pick.DEFAULT, {"source": "ios", "destination": "crm"}, {"crm"}),
        (Pick.DEFAULT, {"source": "') OR 1=1 --", "destination": "\\') OR 1=1 --"}, set()),
    ],
)
def test_marks_are_of_the_source_and_destination_picked(
    full: Run, pick: Pick, picked: dict[str, str], fired: set[str]
) -> None:
    assert {mark["tags"] for mark in marks(full, "event-delivery", pick, **picked)["Alerts fired"]} == fired


def test_without_alerts_there_are_no_marks(empty: Run) -> None:
    for uid in WITH_TRENDS:
        assert marks(empty, uid) == {"Alerts fired": [], "Alerts recovered": []}


numbers = st.integers(0, 10**9)
compared = st.builds(
    lambda kind, check, change, **more: alert_event(1, "r", check, change, kind=kind, **more),
    kind=st.sampled_from(["source-volume", "delivery-rate"]),
    check=st.sampled_from([check for check in Check if check is not Check.BLIND]),
    change=st.sampled_from([Change.FIRED, Change.RECOVERED, Change.REMINDER]),
    operator=st.sampled_from(["<", ">=", ""]),
    numerator=numbers | st.integers(0, 20),
    denominator=numbers | st.integers(0, 20),
    threshold_bp=st.integers(1, 1_000_000) | st.sampled_from([400, 9_500, 9_950, 10_000]),
    minimum=st.integers(1, 10_000),
    code=st.sampled_from(["", "401"]),
    message=st.sampled_from(["", "token revoked"]),
    notes=st.sampled_from([(), ("A note.",)]),
)
COLUMNS = (
    "kind String, check String, change String, operator String, numerator Int64, denominator Int64,"
    " threshold_bp UInt32, minimum Int64, code String, message String, notes Array(String)"
)


@given(st.lists(compared, min_size=50, max_size=200))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_comparison_reads_as_in_messages(full: Run, found: list[AlertEvent]) -> None:
    data = "\n".join(json.dumps(asdict(one)) for one in found)
    answer = full(f"{WORDS}SELECT {COMPARISON} AS words FROM format(JSONEachRow, '{COLUMNS}', $${data}$$)")
    assert answer.column("words") == [summary_of(one) for one in found]
