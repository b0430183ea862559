"""The committed JSON is what the program writes, and keeps to what Grafana and the plugin need."""

import json
import re
from pathlib import Path

import pytest

from dashboards import colours
from dashboards.__main__ import BUILDERS, DIRECTORY, write_all
from dashboards.queries import call
from sinks.clickhouse.views import VIEWS
from tests.dashboards.boards import BOARDS
from tests.dashboards.grafana.dashboard import Variable
from tests.dashboards.grafana.invariants import COLUMNS, problems, problems_between
from tests.dashboards.grafana.node import NodeMissing
from tests.dashboards.grafana.roundtrip import lost_keys
from tests.dashboards.grafana.typecheck import type_errors


def test_the_committed_files_are_what_the_program_writes(tmp_path: Path) -> None:
    write_all(tmp_path)
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_text(encoding="utf-8") for path in DIRECTORY.glob("*.json")}


@pytest.mark.parametrize("uid", BUILDERS)
def test_writing_again_gives_the_same_text(uid: str) -> None:
    text = BUILDERS[uid]()
    assert text == BUILDERS[uid]() and text.endswith("}\n")
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("uid", BUILDERS)
def test_grafanas_own_program_reads_every_key(uid: str) -> None:
    assert list(lost_keys(BOARDS[uid].json)) == []


def test_grafanas_own_types_take_every_dashboard() -> None:
    try:
        assert type_errors({uid: board.json for uid, board in BOARDS.items()}) == []
    except NodeMissing as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("uid", BUILDERS)
def test_a_dashboard_keeps_to_the_invariants(uid: str) -> None:
    assert list(problems(BOARDS[uid])) == []


def test_the_dashboards_agree_with_each_other() -> None:
    assert list(problems_between(list(BOARDS.values()))) == []


@pytest.mark.parametrize("uid", BUILDERS)
def test_sql_reads_views_alone(uid: str) -> None:
    for place, sql in BOARDS[uid].queries():
        read = set(re.findall(r"\b(?:FROM|JOIN) (\w+)", sql))
        assert read and read <= VIEWS.keys(), place


@pytest.mark.parametrize("uid", BUILDERS)
def test_the_grid_has_no_holes(uid: str) -> None:
    cells = {
        (column, row)
        for x, y, width, height in (panel.grid for panel in BOARDS[uid].panels)
        for column in range(x, x + width)
        for row in range(y, y + height)
    }
    bottom = 1 + max(row for _, row in cells)
    assert cells == {(column, row) for column in range(COLUMNS) for row in range(bottom)}


def test_a_word_has_one_colour_on_all_dashboards() -> None:
    meanings = {
        "Delivered": colours.DELIVERED, "Successful delivery": colours.DELIVERED, "Discarded": colours.DISCARDED,
        "Not delivered": colours.DISCARDED, "Failed delivery": colours.DISCARDED, "Expired": colours.EXPIRED,
        "Filtered": colours.FILTERED, "Filtered at source": colours.FILTERED, "Pending retry": colours.PENDING,
    }  # fmt: skip
    seen: dict[str, set[str]] = {}
    for board in BOARDS.values():
        for panel in board.panels:
            for override in (panel.json.get("fieldConfig") or {}).get("overrides") or []:
                for item in override["properties"]:
                    if item["id"] == "color" and item["value"]["mode"] == "fixed":
                        seen.setdefault(str(override["matcher"]["options"]), set()).add(item["value"]["fixedColor"])
    assert {name: seen[name] for name in meanings.keys() & seen.keys()} == {
        name: {meanings[name]} for name in meanings.keys() & seen.keys()
    }
    assert len(meanings.keys() & seen.keys()) >= 8


@pytest.mark.parametrize("variable", BOARDS["event-delivery"].variables, ids=lambda variable: variable.name)
def test_pickers_take_values_of_their_list_alone(variable: Variable) -> None:
    assert variable.json["allowCustomValue"] is False


def test_a_view_or_parameter_that_does_not_exist_is_refused() -> None:
    for view, parameters in (("no_such_view", {}), ("freshness", {"colour": "1"}), ("event_trace", {})):
        with pytest.raises(KeyError):
            call(view, **parameters)
