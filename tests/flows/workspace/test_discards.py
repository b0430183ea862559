"""What a workspace would discard is counted and told, with what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from console.commands.check import check_file, with_discards
from flows.workspace.compiled import compile_workspace
from flows.workspace.discards import Discard, PendingCount, discards, uncounted
from flows.workspace.live import CurrentWorkspace
from flows.workspace.reloader import WorkspaceReloader
from model.workspace.reader import read_workspace
from model.workspace.workspace import Workspace
from sinks.clickhouse.store import StoreUnavailable
from tests.kit.workspaces import connection, webhook, workspace

BEFORE = workspace(
    [webhook("crm"), webhook("ads")],
    [connection("web", "crm", mappings=[{"name": "orders"}]), connection("app", "crm"), connection("web", "ads")],
)
WAITING = [
    PendingCount("web", "crm", "orders", 200),
    PendingCount("app", "crm", "", 100),
    PendingCount("web", "ads", "", 1),
]


def changed(destinations: list[dict[str, Any]], connections: list[dict[str, Any]], **sections: Any) -> Workspace:
    return workspace(destinations, connections, **sections)


OWN = {"mappings": [{"name": "orders"}]}
BOTH = [webhook("crm"), webhook("ads")]
ALL = [connection("web", "crm", **OWN), connection("app", "crm"), connection("web", "ads")]


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (changed(BOTH, ALL), []),
        (changed([webhook("ads")], [ALL[2], connection("app", "ads")]), [("DESTINATION_REMOVED", 300)]),
        (changed([webhook("crm", enabled=False), webhook("ads")], ALL), [("DESTINATION_DISABLED", 300)]),
        (changed(BOTH, [ALL[0], ALL[2], connection("app", "ads")]), [("CONNECTION_REMOVED", 100)]),
        (changed(BOTH, [ALL[0], ALL[2]]), [("SOURCE_REMOVED", 100)]),
        (changed(BOTH, [*ALL[:2], connection("web", "ads", enabled=False)]), [("CONNECTION_DISABLED", 1)]),
        (changed(BOTH, [*ALL[:2], connection("web", "ads", mode="device")]), [("CONNECTION_REMOVED", 1)]),
        (changed(BOTH, [connection("web", "crm", mappings=[{"name": "sales"}]), *ALL[1:]]), [("MAPPING_REMOVED", 200)]),
        (changed(BOTH, [ALL[0], connection("app", "crm", **OWN), ALL[2]]), [("MAPPING_REMOVED", 100)]),
        (changed(BOTH, [connection("web", "crm", mappings=[{"name": "sales", "was": "orders"}]), *ALL[1:]]), []),
        (changed([webhook("hub", was=["crm", "x"]), webhook("ads")],
                 [connection("web", "hub", **OWN), connection("app", "hub"), ALL[2]]), []),
        (changed(BOTH, [connection("web", "crm", **OWN, filters=[{"if": "all", "actions": [{"type": "DROP"}]}]),
                        connection("app", "crm", insert_function="a.b:c"), ALL[2]]), []),
    ],
)  # fmt: skip
def test_each_kind_of_change_says_what_it_discards(after: Workspace, told: list[tuple[str, int]]) -> None:
    found = discards(compile_workspace(after), WAITING)
    assert [(discard.code, discard.deliveries) for discard in found] == told
    assert {discard.code for discard in uncounted(compile_workspace(BEFORE), compile_workspace(after))} == {
        code for code, _ in told
    }
    assert all(discard.message and discard.remedy for discard in found)


def test_a_source_that_has_another_id_keeps_what_waits() -> None:
    data = BEFORE.model_dump(mode="json", by_alias=True)
    data["sources"][1] = {**data["sources"][1], "id": "phone", "was": ["app"]}
    data["connections"][1]["source"] = "phone"
    assert discards(compile_workspace(Workspace.model_validate(data, strict=False)), WAITING) == ()


def test_what_is_told_names_the_number_and_the_way_out() -> None:
    discard = Discard("DESTINATION_REMOVED", "", "crm", "", 300, 30)
    assert discard.message == (
        "destination 'crm' is not in the workspace: its 300 pending deliveries are discarded after 30 s"
    )
    assert "`was: crm`" in discard.remedy
    one = Discard("MAPPING_REMOVED", "web", "crm", "orders", 1, 0.5)
    assert "its 1 pending delivery is discarded after 0.5 s" in one.message


TEXT = """version: 1
sources: [{id: web, write_keys: [key]}]
destinations: [{id: crm, type: webhook, url: "https://crm.example/"}]
connections: [{source: web, destination: crm}]
"""
RENAMED = TEXT.replace("crm,", "hub,").replace("destination: crm", "destination: hub")
HOOK = 'type: webhook, url: "https://ads.example/"'
Rows = Callable[[str, dict[str, Any]], list[dict[str, Any]]]


def watching(path: Path, view: Rows | None) -> WorkspaceReloader:
    path.write_text(TEXT)
    live = CurrentWorkspace(read_workspace(TEXT.encode(), file="w", environ={}).valid())
    return WorkspaceReloader(path, live, {}, view=view, clock=lambda: 1_790_000_000_000)


def test_a_changed_file_is_told_with_what_it_discards(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def view(name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        assert name == "waiting_deliveries" and parameters["from_ms"] < 1_790_000_000_000 < parameters["to_ms"]
        return [{"source": "web", "destination": "crm", "mapping": "", "deliveries": 300}]

    path = tmp_path / "workspace.yaml"
    watch = watching(path, view)
    path.write_text(RENAMED)
    watch.poll()
    assert "its 300 pending deliveries" in caplog.text and "`was: crm`" in caplog.text
    caplog.clear()
    path.write_text(RENAMED.replace("{id: hub,", "{id: hub, was: crm,"))
    watch.poll()
    assert "deliveries" not in caplog.text


@pytest.mark.parametrize("store", ["away", "none"])
def test_a_changed_file_is_in_force_and_told_where_nobody_can_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, store: str
) -> None:
    def away(name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        raise StoreUnavailable("away")

    path = tmp_path / "workspace.yaml"
    watch = watching(path, away if store == "away" else None)
    path.write_text(RENAMED)
    watch.poll()
    assert "destination 'crm' is not in the workspace: its pending deliveries (not counted)" in caplog.text


def test_check_works_where_there_is_no_deployment_and_makes_none(tmp_path: Path) -> None:
    file = tmp_path / "workspace.yaml"
    file.write_text(TEXT)
    for data in (tmp_path / "none", tmp_path):
        assert with_discards(check_file(file, {}), data).problems == ()
    assert [path.name for path in tmp_path.iterdir()] == ["workspace.yaml"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{id: web,", "{id: web, was: web,", None),
        ("{id: crm,", "{id: crm, was: [a, b],", None),
        ("{id: crm,", "{id: crm, was: [a, a],", None),
        ("[{id: crm,", "[{id: ads, " + HOOK + "}, {id: crm, was: ads,", "'ads' is taken by"),
        ("[{id: crm,", "[{id: ads, was: x, " + HOOK + "}, {id: crm, was: x,", "'x' is taken by"),
        ("{id: crm,", "{id: crm, was: A B,", "this is no id"),
        ("{id: crm,", "{id: crm, was: 7,", "a list is expected"),
        ("destination: crm}", "destination: crm, mappings: [{name: m}, {name: n, was: m}]}", "'m' is taken by"),
    ],
)  # fmt: skip
def test_a_former_id_belongs_to_one_entry_that_does_not_have_it_today(old: str, new: str, message: str | None) -> None:
    reading = read_workspace(TEXT.replace(old, new, 1).encode(), file="w", environ={})
    errors = [problem for problem in reading.problems if problem.severity == "error"]
    assert [message in problem.message for problem in errors] == [True] if message else errors == []
