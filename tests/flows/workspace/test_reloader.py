import logging
import os
from pathlib import Path

import pytest

from flows.workspace.live import CurrentWorkspace
from flows.workspace.reloader import WorkspaceReloader, needs_restart
from model.workspace.reader import read_workspace
from model.workspace.workspace import Workspace

TEXT = """version: 1
sources: [{id: web, write_keys: [key]}]
destinations: [{id: crm, type: webhook, url: "https://crm.example/"}]
connections: [{source: web, destination: crm}]
"""


class Watching:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(TEXT)
        self.live = CurrentWorkspace(read_workspace(TEXT.encode(), file="w", environ={}).valid())
        self.told: list[Workspace] = []
        self.live.subscribe(self.told.append)
        self.watch = WorkspaceReloader(path, self.live, {})

    def change(self, text: str | None) -> None:
        if text is None:
            self.path.unlink()
        else:
            beside = self.path.with_suffix(".new")
            beside.write_text(text)
            os.replace(beside, self.path)
        self.watch.poll()


@pytest.fixture
def watching(tmp_path: Path) -> Watching:
    return Watching(tmp_path / "workspace.yaml")


def test_a_file_that_did_not_change_changes_nothing(watching: Watching) -> None:
    watching.watch.poll()
    assert watching.told == []


def test_a_changed_file_is_in_force_for_everybody(watching: Watching) -> None:
    watching.change(TEXT.replace("crm.example", "new.example"))
    (workspace,) = watching.told
    assert watching.live.current is workspace
    assert workspace.http_destinations()["crm"].endpoint.value == "https://new.example/"
    watching.watch.poll()
    assert len(watching.told) == 1


def test_an_invalid_file_is_refused_with_its_errors_and_the_old_one_stays(
    watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    before = watching.live.current
    watching.change(TEXT.replace("destination: crm}", "destination: crn}"))
    assert watching.live.current is before and watching.told == []
    assert "workspace.yaml:4:" in caplog.text and "Did you mean 'crm'?" in caplog.text
    watching.change(TEXT)
    assert len(watching.told) == 1


def test_a_file_that_is_gone_is_no_empty_workspace(watching: Watching, caplog: pytest.LogCaptureFixture) -> None:
    watching.change(None)
    assert watching.told == [] and "cannot be read" in caplog.text


def test_what_needs_a_restart_is_said(watching: Watching, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "waybill")
    before = watching.live.current
    watching.change(TEXT + "delivery: {shards: 8, attempts: 3}\ntopics: {partitions: 4}\n")
    assert needs_restart(before, watching.live.current) == ["topics", "delivery.shards"]
    assert "delivery.shards takes effect at the next start" in caplog.text
