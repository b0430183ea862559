"""A dashboard is read, its variables loaded, and its panels filled from the engine."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.grafana.choices import Pick, resolve
from tests.dashboards.grafana.dashboard import DashboardError, load_dashboard, parse_dashboard
from tests.dashboards.grafana.engine import (
    Answer,
    NotARead,
    Run,
    annotation_marks,
    kind_of,
    panel_answers,
    panel_frames,
)
from tests.dashboards.grafana.example import TIME, broken, document, example
from tests.dashboards.grafana.macros import expand
from tests.dashboards.grafana.variables import ALL


def test_panels_inside_a_row_are_read_too() -> None:
    changed = document()
    changed["panels"] = [{**changed["panels"][6], "panels": changed["panels"][7:]}]
    assert [panel.kind for panel in parse_dashboard(changed).panels] == ["row", "table", "text"]


def test_links_of_dashboard_panels_and_values_are_all_found() -> None:
    places = [link.place for link in example().all_links()]
    assert places == ["links[0]", "panels[7].fieldConfig.overrides[0].links[0]"]


def test_the_range_counts_from_now() -> None:
    assert example().time_range_ms(100_000_000) == (13_600_000, 100_000_000)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("panels.0.gridPos.w", "6", r"panels\[0\]\.gridPos: w is '6'"),
        ("panels.0.title", 7, r"panels\[0\]\.title"),
        ("panels.1.timeShift", "1d", "a time of its own"),
        ("panels", None, "classic schema"),
        ("panels.0", [], r"panels\[0\] is no object"),
        ("templating.list.0", 3, r"templating.list\[0\] is no object"),
        ("annotations.list.1", 3, r"annotations.list\[1\] is no object"),
        ("annotations.list.1.target", None, r"annotations.list\[1\].target is no object"),
    ],
)
def test_what_cannot_be_read_is_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(DashboardError, match=message):
        broken(path, value)


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(DashboardError, match="bad.json"):
        load_dashboard(tmp_path / "bad.json")


@pytest.mark.parametrize(
    ("pick", "source", "destination"),
    [
        (Pick.DEFAULT, ALL, (ALL,)),
        (Pick.ALL, ALL, (ALL,)),
        (Pick.ONE, "ios", ("crm",)),
        (Pick.NONE, "", ()),
    ],
)
def test_each_choice_of_a_person(run: Run, pick: Pick, source: str, destination: tuple[str, ...]) -> None:
    changed = document()
    changed["templating"]["list"][1] |= {"multi": True, "current": {"value": [ALL]}}
    choices = resolve(parse_dashboard(changed), run, TIME, pick)
    assert (choices["source"].value, choices["destination"].value) == (source, destination)


def test_options_depend_on_the_variables_before_them_wherever_they_stand(run: Run) -> None:
    changed = document()
    changed["templating"]["list"].reverse()
    choices = resolve(parse_dashboard(changed), run, TIME, given={"source": "ios"})
    assert list(choices) == ["destination", "source"]
    assert choices["destination"].options == (("crm", "CRM"),)


def test_a_value_that_is_no_option_can_be_given_but_an_unknown_variable_not(run: Run) -> None:
    assert resolve(example(), run, TIME, given={"source": "' OR 1=1"})["source"].value == "' OR 1=1"
    with pytest.raises(DashboardError, match="no variable sorce"):
        resolve(example(), run, TIME, given={"sorce": "x"})


def test_a_stored_value_that_is_no_option_any_more_falls_back(run: Run) -> None:
    changed = document()
    changed["templating"]["list"][0] |= {"current": {"value": "gone"}, "includeAll": False}
    assert resolve(parse_dashboard(changed), run, TIME)["source"].value == "ios"


def test_variables_in_a_circle_are_refused(run: Run) -> None:
    query = {"rawSql": "SELECT ${destination:sqlstring}"}
    with pytest.raises(DashboardError, match="circle: source, destination"):
        resolve(broken("templating.list.0.query", query), run, TIME)


@pytest.mark.parametrize(
    ("kind", "query", "options"),
    [
        ("custom", "1 hour : 1h, a\\,b", (("1h", "1 hour"), ("a,b", "a,b"))),
        ("interval", "1m,1h", (("1m", "1m"), ("1h", "1h"))),
        ("textbox", "x", ()),
    ],
)
def test_options_of_variables_without_a_query(run: Run, kind: str, query: str, options: Any) -> None:
    changed = document()
    changed["templating"]["list"] = [{"name": "v", "type": kind, "query": query}]
    choice = resolve(parse_dashboard(changed), run, TIME)["v"]
    assert choice.options == options
    assert choice.value == (options[0][0] if options else "x")


def test_every_panel_answers_for_every_choice(run: Run) -> None:
    dashboard = example()
    for pick in Pick:
        choices = resolve(dashboard, run, TIME, pick)
        for panel in dashboard.panels:
            frames = panel_frames(panel, panel_answers(panel, run, choices, TIME))
            assert json.dumps(frames, allow_nan=False)


def test_a_time_series_gets_a_column_for_every_label(run: Run) -> None:
    panel = example().panels[4]
    [frame] = panel_frames(panel, panel_answers(panel, run, resolve(example(), run, TIME), TIME))
    assert [field.get("labels") for field in frame["fields"]] == [
        None,
        {"status": "delivered"},
        {"status": "discarded"},
    ]
    assert frame["fields"][0]["values"][:2] == [TIME.from_ms, TIME.from_ms + 300_000]
    assert {len(field["values"]) for field in frame["fields"]} == {288}


def test_a_time_series_that_does_not_ascend_or_has_no_time_is_refused() -> None:
    panel = example().panels[4]
    with pytest.raises(ValueError, match="do not ascend"):
        panel_frames(panel, {"A": Answer(("time", "n"), ("DateTime", "UInt8"), ((_at(2), 1), (_at(1), 1)))})
    with pytest.raises(ValueError, match="without a column of times"):
        panel_frames(panel, {"A": Answer(("n",), ("UInt8",), ())})


def test_marks_are_the_rows_of_an_annotation_but_not_of_the_one_built_in(run: Run) -> None:
    [annotation] = example().annotations
    choices = resolve(example(), run, TIME, given={"source": "o'web"})
    assert annotation_marks(annotation, run(expand(annotation.target.raw_sql, choices, TIME))) == [
        {"time": TIME.from_ms + number * 3_600_000, "title": f"Release {number}", "text": "o'web"} for number in (1, 2)
    ]


def test_marks_without_the_usual_names_take_the_first_columns_that_would_do() -> None:
    [annotation] = example().annotations
    answer = Answer(("n", "what", "at"), ("UInt8", "String", "Nullable(DateTime)"), ((1, "a", _at(2)),))
    assert annotation_marks(annotation, answer) == [{"time": 2_000, "text": "a"}]
    for wrong in (Answer(("time",), ("String",), ()), Answer(("at",), answer.types[2:], ((None,),))):
        with pytest.raises(ValueError, match="annotation Releases has"):
            annotation_marks(annotation, wrong)


def _at(second: int) -> Any:
    return datetime.fromtimestamp(second, UTC)


def test_an_answer_without_rows_still_has_its_columns(run: Run) -> None:
    answer = run("SELECT number AS n, toDateTime(number, 'UTC') AS at FROM numbers(0)")
    assert answer == Answer(("n", "at"), ("UInt64", "DateTime('UTC')"), ())


@pytest.mark.parametrize("sql", ["CREATE TABLE written (x UInt8) ENGINE = Memory", "-- SELECT\nDROP TABLE facts", ""])
def test_the_engine_only_reads(run: Run, sql: str) -> None:
    with pytest.raises(NotARead):
        run(sql)


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("Nullable(DateTime64(3, 'UTC'))", "time"),
        ("LowCardinality(Nullable(String))", "string"),
        ("UInt64", "number"),
        ("Nullable(Float64)", "number"),
        ("Bool", "boolean"),
        ("Array(UInt8)", "string"),
    ],
)
def test_kinds_of_columns(type_: str, kind: str) -> None:
    assert kind_of(type_) == kind
