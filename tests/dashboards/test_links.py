"""Clicks, followed to the dashboard they open with the variables it then has, to panels with something to show."""

from functools import cache

import pytest

from tests.dashboards.boards import BOARDS, GIVEN, panel, panels
from tests.dashboards.data import TIME
from tests.dashboards.grafana.choices import resolve
from tests.dashboards.grafana.engine import Answer, Run, panel_answers
from tests.dashboards.grafana.links import Landing, follow
from tests.dashboards.grafana.variables import Choice

PERIOD = (str(TIME.from_ms), str(TIME.to_ms))


@cache
def clickable(run: Run, uid: str, title: str, **given: str) -> tuple[dict[str, Choice], Answer]:
    """What is picked on a dashboard, and what a panel of it shows."""
    choices = resolve(BOARDS[uid], run, TIME, given=GIVEN.get(uid, {}) | given)
    return choices, panel_answers(panel(uid, title), run, choices, TIME)["A"]


def land(run: Run, uid: str, title: str, link_title: str, row: int = 0, **given: str) -> Landing:
    """Click a link of a column in a row of a panel."""
    choices, answer = clickable(run, uid, title, **given)
    [link] = [link for link in panel(uid, title).links if link.title == link_title]
    landing = follow(link, choices, TIME, dict(zip(answer.names, answer.rows[row], strict=True)))
    assert landing is not None and (landing.from_ms, landing.to_ms) == PERIOD
    return landing


def opened(run: Run, landing: Landing) -> dict[str, int]:
    """How many rows each panel of the dashboard has after the click."""
    board = BOARDS[landing.uid]
    given = {name: values[0] for name, values in landing.variables.items()}
    choices = resolve(board, run, TIME, given=given)
    assert {name: choices[name].value for name in given} == given
    return {item.title: len(panel_answers(item, run, choices, TIME)["A"].rows) for item in panels(landing.uid)}


def test_an_error_leads_to_all_about_it(full: Run) -> None:
    landing = land(full, "event-delivery", "Errors", "All about this error", source="web")
    assert landing.uid == "error-detail"
    assert landing.variables["source"] == ("web",)
    code, destination = landing.variables["code"][0], landing.variables["destination"][0]
    assert (code, destination) in {("503", "crm"), ("400", "mail"), ("ECONNREFUSED", "mail")}
    assert opened(full, landing)["The error"] == 1


def test_a_sample_leads_to_the_trace_of_its_event(full: Run) -> None:
    landing = land(full, "error-detail", "Samples", "Trace of this event", code="400")
    assert (landing.uid, dict(landing.variables)) == ("event-trace", {"message_id": ("m3",)})
    assert min(opened(full, landing).values()) > 0


def test_a_trace_leads_to_the_error_it_met(full: Run) -> None:
    choices = resolve(BOARDS["event-trace"], full, TIME, given={"message_id": "m3"})
    codes = panel_answers(panel("event-trace", "Where it is now"), full, choices, TIME)["A"].column("Code")
    landing = land(full, "event-trace", "Where it is now", "All about this error", codes.index("400"))
    assert dict(landing.variables) == {"code": ("400",), "destination": ("mail",), "source": ("web",)}
    assert opened(full, landing)["Samples"] == 1


def test_every_bar_and_row_of_the_pipeline_breaks_its_step_down(full: Run) -> None:
    clicked = panel("delivery-overview", "Pipeline")
    choices = resolve(BOARDS["delivery-overview"], full, TIME, given={"source": "web", "by": "app_version"})
    for at, link in enumerate(clicked.links):
        landing = follow(link, choices, TIME)
        assert landing is not None and landing.uid == "delivery-overview"
        [step] = landing.variables["step"]
        assert (landing.variables["source"], landing.variables["by"]) == (("web",), ("app_version",))
        in_table = land(
            full, "delivery-overview", "Steps against the period before", "Break down this step", at,
            source="web", by="app_version",
        )  # fmt: skip
        assert in_table == landing
        if step == "failed_delivery":
            found = opened(full, landing)
            assert found["${step:text} by ${by:text}"] > 0 and found["Why: reasons at ${step:text}"] > 0
    assert len(clicked.links) == 7


def test_a_reason_leads_to_all_about_it(full: Run) -> None:
    landing = land(
        full, "delivery-overview", "Why: reasons at ${step:text}", "All about this error", destination="mail"
    )
    assert landing.variables["destination"] == ("mail",)
    assert opened(full, landing)["The error"] == 1


def test_a_banner_and_a_balance_lead_to_the_destination(full: Run) -> None:
    for title in ("Stopped destinations", "Balance of deliveries"):
        landing = land(full, "operations", title, "Only this destination")
        assert landing.uid == "event-delivery"
        assert opened(full, landing)["Delivered"] == 1


def test_what_waits_longest_leads_to_its_trace(full: Run) -> None:
    landing = land(full, "operations", "Oldest undelivered", "Trace of this event")
    assert dict(landing.variables) == {"message_id": ("m6",)}


@pytest.mark.parametrize("uid", BOARDS)
def test_every_dashboard_leads_to_all_others_with_time_and_pickers(uid: str, full: Run) -> None:
    choices = resolve(BOARDS[uid], full, TIME, given=GIVEN.get(uid))
    landings = [follow(link, choices, TIME) for link in BOARDS[uid].links]
    assert [landing and landing.uid for landing in landings] == [other for other in BOARDS if other != uid]
    for landing in landings:
        assert landing is not None and (landing.from_ms, landing.to_ms) == PERIOD
        assert landing.variables.keys() == choices.keys()
