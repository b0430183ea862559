"""What the picture tool records and gives the page to draw."""

import json
from typing import Any

import pytest

from tests.dashboards.grafana.choices import resolve
from tests.dashboards.grafana.dashboard import parse_dashboard
from tests.dashboards.grafana.engine import Run
from tests.dashboards.grafana.example import TIME, document, example
from tests.dashboards.grafana.render.recording import height_px, record, state


@pytest.fixture
def recorded(run: Run) -> Any:
    choices = resolve(example(), run, TIME, given={"destination": ("crm", "mail")})
    return json.loads(json.dumps(record(example(), run, choices, TIME), allow_nan=False))


def drawn(recorded: Any, dashboard: Any = None) -> Any:
    return state(dashboard or example(), recorded, theme="dark", width_px=1_000, open_rows=1)


def test_a_panel_is_drawn_with_its_answer_and_without_its_query(recorded: Any) -> None:
    [first, *_] = drawn(recorded)["panels"]
    assert [field["name"] for field in first["frames"][0]["fields"]] == ["delivered"]
    assert "targets" not in first


def test_a_panel_that_limits_its_points_gets_wider_ones(run: Run) -> None:
    changed = document()
    assert changed["panels"][4]["type"] == "timeseries"
    changed["panels"][4]["targets"][0]["rawSql"] = "SELECT now() AS time, $__interval_s AS seconds"
    for limits, seconds in (
        ({}, 60),
        ({"maxDataPoints": 24}, 3_600),
        ({"maxDataPoints": 1_000, "interval": "5m"}, 300),
    ):
        changed["panels"][4] |= limits
        dashboard = parse_dashboard(changed)
        frames = record(dashboard, run, resolve(dashboard, run, TIME), TIME)["frames"]["5"]
        assert frames[0]["fields"][1]["values"] == [seconds]


def test_variables_in_titles_and_texts_are_put_in(recorded: Any) -> None:
    panels = {panel["id"]: panel for panel in drawn(recorded)["panels"]}
    assert panels[8]["title"] == "Errors of All"
    assert panels[9]["options"]["content"].startswith("Numbers of **All** from")


def test_pickers_and_period_are_shown(recorded: Any) -> None:
    found = drawn(recorded)
    assert found["pickers"] == [{"label": "Source", "text": "All"}, {"label": "Destination", "text": "CRM + MAIL"}]
    assert found["period"] == "2026-01-01 00:00 to 2026-01-02 00:00 UTC"


def test_a_picker_that_is_hidden_is_not_shown(recorded: Any) -> None:
    changed = document()
    changed["templating"]["list"][0]["hide"] = 2
    assert [picker["label"] for picker in drawn(recorded, parse_dashboard(changed))["pickers"]] == ["Destination"]


def test_marks_are_drawn_while_their_annotation_is_on(recorded: Any) -> None:
    [shown] = drawn(recorded)["annotations"]
    assert (shown["name"], shown["colour"], [mark["title"] for mark in shown["marks"]]) == (
        "Releases", "red", ["Release 1", "Release 2"],
    )  # fmt: skip
    changed = document()
    changed["annotations"]["list"][1]["enable"] = False
    [hidden] = drawn(recorded, parse_dashboard(changed))["annotations"]
    assert (hidden["isOn"], hidden["marks"]) == (False, [])


def test_what_a_collapsed_row_hides_is_not_drawn(recorded: Any) -> None:
    changed = document()
    inner = changed["panels"][7:]
    changed["panels"] = [*changed["panels"][:6], {**changed["panels"][6], "collapsed": True, "panels": inner}]
    collapsed = parse_dashboard(changed)
    assert [panel["id"] for panel in drawn(recorded, collapsed)["panels"]] == [1, 2, 3, 4, 5, 6, 7]
    assert height_px(collapsed) < height_px(example())


def test_a_panel_nobody_recorded_is_named(recorded: Any) -> None:
    del recorded["frames"]["1"]
    del recorded["marks"]["Releases"]
    with pytest.raises(ValueError, match=r"nothing recorded for panel 1 \(Delivered\), Releases"):
        drawn(recorded)
