"""Each invariant finds the dashboard that breaks it, and the examples break none."""

from typing import Any

import pytest

from tests.dashboards.grafana.example import broken, document, example
from tests.dashboards.grafana.invariants import problems, problems_between

SQL = "panels.0.targets.0.rawSql"
MARKS = "annotations.list.1.target.rawSql"


@pytest.mark.parametrize("name", ["example", "example-detail"])
def test_an_example_breaks_none(name: str) -> None:
    assert list(problems(example(name))) == []


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("uid", "a b", "uid 'a b' is not"),
        ("title", "", "no title"),
        ("description", None, "no description"),
        ("schemaVersion", 30, "schemaVersion 30"),
        ("id", 5, "an id of one deployment"),
        ("refresh", "", "no refresh"),
        ("timezone", None, "no timezone"),
        ("editable", True, "editable"),
        ("time", {"from": "yesterday", "to": "now"}, "not like now-24h"),
        ("panels.1.id", 1, "panel id 1 is used 2 times"),
        ("panels.1.id", 0, "the id is not"),
        ("panels.0.gridPos.w", 25, "not inside 24 columns"),
        ("panels.0.gridPos.h", 0, "not inside 24 columns"),
        ("panels.1.gridPos.x", 5, "overlaps panel 1"),
        ("panels.0.title", "", "no title"),
        ("panels.0.description", "", "no description"),
        ("panels.0.fieldConfig.defaults.noValue", None, "no text for no value"),
        ("panels.0.fieldConfig.defaults.unit", None, "no unit"),
        ("panels.0.options.reduceOptions.calcs", [], "no reduceOptions.calcs"),
        ("panels.1.fieldConfig.defaults.thresholds.steps.0.value", 0, "the first threshold has a value"),
        ("panels.1.fieldConfig.defaults.thresholds.steps.1.value", 9, "do not ascend"),
        ("panels.0.targets", [], "no query"),
        ("panels.0.datasource", {"type": "prometheus", "uid": "x"}, "datasource is not"),
        ("panels.0.targets.0.datasource", None, "datasource is not"),
        ("panels.0.targets.0.refId", "", "no refId"),
        ("panels.0.targets.0.editorType", "builder", "editorType"),
        ("panels.0.targets.0.format", 0, "do not agree"),
        ("panels.4.targets.0.format", 1, "needs format 0"),
        (SQL, " ", "no rawSql"),
        (SQL, "SELECT $source", "$source is not decodeURLComponent('${source:percentencode}')"),
        (SQL, "SELECT ${source:singlequote}", "is not decodeURLComponent"),
        (SQL, "SELECT [[source]]", "is not decodeURLComponent"),
        (SQL, "SELECT ${source:sqlstring}", "${source:sqlstring} is unsafe"),
        (SQL, "SELECT decodeURLComponent('${source:sqlstring}')", "is unsafe"),
        (SQL, "SELECT decodeURLComponent(${source:percentencode})", "is not decodeURLComponent('"),
        (SQL, "SELECT decodeURLComponent('${source:percentencode}%27')", "is not decodeURLComponent('"),
        (SQL, "SELECT '${source:percentencode}'", "is not decodeURLComponent("),
        ("templating.list.0.multi", True, "${source:percentencode} may be many values"),
        (SQL, "SELECT ${sorce:sqlstring}", "$sorce is not defined"),
        ("panels.7.title", "Errors of $nobody", "$nobody is not defined"),
        ("panels.8.options.content", "$nobody", "$nobody is not defined"),
        ("links.0.url", "/d/example-detail?${nobody:queryparam}", "$nobody is not defined"),
        ("panels.0.repeat", "nobody", "repeats for nobody"),
        ("templating.list.1.name", "source", "variable source is defined 2 times"),
        ("templating.list.0.name", "so urce", "no usable name"),
        ("templating.list.0.label", "", "no label"),
        ("templating.list.0.refresh", 0, "never loaded"),
        ("templating.list.0.datasource", None, "datasource is not"),
        ("templating.list.1.query", {"rawSql": "SELECT '$source'"}, "variable destination: $source is not"),
        ("annotations.list.1.name", "", "no name"),
        ("annotations.list.1.iconColor", "", "annotation Releases: no iconColor"),
        ("annotations.list.1.hide", True, "no switch"),
        ("annotations.list.1.placement", "inControlsMenu", "no switch"),
        ("annotations.list.1.datasource", None, "annotation Releases: datasource is not"),
        ("annotations.list.1.target.format", 0, "annotation Releases: an annotation needs format 1"),
        (MARKS, " ", "annotation Releases: no rawSql"),
        (MARKS, "SELECT '${source:raw}'", "annotation Releases: ${source:raw} is not"),
        (MARKS, "SELECT '$nobody'", "annotation Releases: $nobody is not defined"),
    ],
)
def test_a_broken_dashboard_is_caught(path: str, value: Any, problem: str) -> None:
    found = list(problems(broken(path, value)))
    assert any(problem in text for text in found), found


def test_two_queries_with_one_name_are_caught() -> None:
    targets = document()["panels"][0]["targets"] * 2
    assert any("refId 'A' is used 2 times" in text for text in problems(broken("panels.0.targets", targets)))


def test_the_variable_of_a_condition_needs_no_format() -> None:
    encoded = "decodeURLComponent('${source:percentencode}')"
    sql = f"SELECT 1 AS a WHERE $__conditionalAll(source = {encoded}, $source)"
    assert list(problems(broken(SQL, sql))) == []
    assert list(problems(broken(SQL, sql.replace(encoded, "'$source'"))))


def test_two_annotations_with_one_name_are_caught() -> None:
    marks = document()["annotations"]["list"][1:] * 2
    assert any("'Releases' is there 2 times" in text for text in problems(broken("annotations.list", marks)))


def test_dashboards_that_share_a_name_are_caught() -> None:
    found = list(problems_between([example(), example("example-detail"), broken("uid", "other")]))
    assert found == ["title 'Example' is used 2 times"]
    found = list(problems_between([example(), example("example-detail"), broken("title", "Other")]))
    assert "uid 'example' is used 2 times" in found
