"""Links between dashboards are followed and broken ones are named."""

import re
from collections.abc import Iterable
from typing import Any

import pytest

from tests.dashboards.grafana.choices import resolve
from tests.dashboards.grafana.dashboard import Dashboard
from tests.dashboards.grafana.engine import Run, panel_answers
from tests.dashboards.grafana.example import TIME, broken, example
from tests.dashboards.grafana.links import Landing, follow, link_problems, missing_columns

DATA_LINK = "panels.7.fieldConfig.overrides.0.properties.0.value.0.url"


def problems_of(dashboards: Iterable[Dashboard]) -> list[str]:
    return list(link_problems({dashboard.uid: dashboard for dashboard in dashboards}))


def test_a_click_on_an_error_lands_on_its_detail_with_variables_and_time(run: Run) -> None:
    dashboard = example()
    choices = resolve(dashboard, run, TIME)
    panel = dashboard.panels[7]
    answer = panel_answers(panel, run, choices, TIME)["A"]
    row = dict(zip(answer.names, answer.rows[0], strict=True))
    assert follow(panel.links[0], choices, TIME, row) == Landing(
        "example-detail",
        {"error": (row["error_id"],), "source": ("$__all",), "destination": ("$__all",)},
        str(TIME.from_ms),
        str(TIME.to_ms),
    )


def test_a_dashboard_link_keeps_variables_and_time(run: Run) -> None:
    choices = resolve(example(), run, TIME, given={"destination": ("crm", "mail")})
    landing = follow(example().links[0], choices, TIME)
    assert landing is not None
    assert landing.variables == {"source": ("$__all",), "destination": ("crm", "mail")}
    assert landing.from_ms == str(TIME.from_ms)


def test_the_examples_have_no_broken_links() -> None:
    assert problems_of([example(), example("example-detail")]) == []


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("links.0.keepTime", False, "drops the time"),
        ("links.0.includeVars", False, "loses destination"),
        ("links.0.url", "/d/nowhere", "leads to nowhere"),
        ("links.0.url", "example-detail", "neither /d/<uid> nor an address"),
        ("links.0.url", "//evil.example/d/example-detail", "neither /d/<uid> nor an address"),
        (DATA_LINK, "/d/example-detail?var-eror=1&${__all_variables}&${__url_time_range}", "sets eror"),
        (DATA_LINK, "/d/example-detail?${source:queryparam}&${destination:queryparam}", "drops the time"),
        (DATA_LINK, "/d/example-detail?var-error=${nobody}&${__url_time_range}", r"nothing to put in for \$\{nobody"),
    ],
)
def test_a_broken_link_is_named(path: str, value: Any, message: str) -> None:
    found = problems_of([broken(path, value), example("example-detail")])
    assert any(re.search(message, problem) for problem in found), found


def test_addresses_outside_and_those_in_the_data_are_left_alone() -> None:
    for url in ("https://example.com/docs", "${__data.fields.code}"):
        assert problems_of([broken(DATA_LINK, url), example("example-detail")]) == []


def test_columns_nobody_gives_are_named(run: Run) -> None:
    path = "panels.7.fieldConfig.overrides.1.matcher.options"
    for dashboard, expected in ((example(), []), (broken(path, "delivreies"), ["delivreies"])):
        panel = dashboard.panels[7]
        answers = panel_answers(panel, run, resolve(dashboard, run, TIME), TIME)
        assert missing_columns(panel, answers) == expected
