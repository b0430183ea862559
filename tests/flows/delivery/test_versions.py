from pathlib import Path
from typing import Any

import orjson

from flows.delivery.versions import VERSIONS_LIMIT, WorkspaceVersions
from model.workspace.workspace import Workspace
from tests.kit.workspaces import connection, webhook, workspace

DROP = {"if": "all", "actions": [{"type": "DROP"}]}


def version(*destinations: str, **settings: Any) -> Workspace:
    return workspace([webhook(name) for name in destinations], [connection("web", n, **settings) for n in destinations])


def destinations(versions: WorkspaceVersions, offset: int, partition: int = 0) -> list[str]:
    return [plan.destination for plan in versions.plans(partition, offset, "web")]


def opened(directory: Path, workspace: Workspace, **next_offsets: int) -> WorkspaceVersions:
    """Versions with partitions open, given as p0=next_offset."""
    versions = WorkspaceVersions(directory, workspace)
    for partition, next_offset in next_offsets.items():
        versions.open(int(partition[1:]), next_offset)
    return versions


def read(versions: WorkspaceVersions, next_offset: int, partition: int = 0) -> None:
    with versions.pinned(partition, next_offset):
        pass


def test_a_change_routes_what_was_not_read_yet_and_nothing_else(tmp_path: Path) -> None:
    versions = opened(tmp_path, version("crm"), p0=0, p1=0)
    read(versions, 10)
    assert versions.change(version("crm", "ads"))
    assert destinations(versions, 9) == ["crm"]
    assert destinations(versions, 10) == ["crm", "ads"]
    assert destinations(versions, 0, partition=1) == ["crm", "ads"]


def test_after_a_restart_each_event_still_has_the_version_that_routed_it_first(tmp_path: Path) -> None:
    versions = opened(tmp_path, version("a"), p0=0)
    read(versions, 10)
    versions.change(version("b"))
    read(versions, 20)
    versions.change(version("c"))
    again = opened(tmp_path, version("c"), p0=20)
    assert [destinations(again, offset) for offset in (0, 9, 10, 19, 20)] == [["a"], ["a"], ["b"], ["b"], ["c"]]


def test_a_file_changed_while_nothing_ran_begins_where_no_run_before_can_have_read(tmp_path: Path) -> None:
    opened(tmp_path, version("a"), p0=0)
    again = opened(tmp_path, version("b"), p0=7)
    assert destinations(again, 6) == ["a"] and destinations(again, 7) == ["b"]


def test_the_same_workspace_is_no_new_version(tmp_path: Path) -> None:
    versions = opened(tmp_path, version("a"), p0=0)
    read(versions, 10)
    assert not versions.change(version("a"))
    assert len(orjson.loads((tmp_path / "0.json").read_bytes())) == 1


def test_what_is_kept_holds_no_secrets_and_needs_none(tmp_path: Path) -> None:
    secret = webhook("a", headers={"Authorization": "Bearer ${KEY}"})
    opened(tmp_path, workspace([secret], environ={"KEY": "s3cret-value"}), p0=0)
    assert (
        b"s3cret-value" not in (tmp_path / "0.json").read_bytes() and (tmp_path / "0.json").stat().st_mode & 0o077 == 0
    )
    again = opened(tmp_path, version("b"), p0=7)
    assert destinations(again, 0) == ["a"]


def test_filters_of_an_old_version_are_those_it_had(tmp_path: Path) -> None:
    opened(tmp_path, version("a", filters=[DROP]), p0=0)
    again = opened(tmp_path, version("a"), p0=7)
    (before,), (after,) = again.plans(0, 0, "web"), again.plans(0, 7, "web")
    assert len(before.filters) == 1 and not after.filters


def test_versions_kept_are_bounded(tmp_path: Path) -> None:
    versions = opened(tmp_path, version("d0"), p0=0)
    for number in range(1, VERSIONS_LIMIT + 10):
        read(versions, number)
        versions.change(version(f"d{number}"))
    assert len(orjson.loads((tmp_path / "0.json").read_bytes())) == VERSIONS_LIMIT
    assert destinations(versions, VERSIONS_LIMIT + 8) == [f"d{VERSIONS_LIMIT + 8}"]
