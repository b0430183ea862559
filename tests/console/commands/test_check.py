"""`waybill check` and the file on disk: what a person sees, and what a program gets."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from console.commands.check import check_file, render, to_json
from flows.workspace.loader import load_workspace
from model.config.problems import WorkspaceInvalid
from tests.kit.workspace_sample import ENVIRON, SHOP, changed


def test_a_missing_file_and_a_directory_are_problems(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(WorkspaceInvalid, match="cannot be read"):
            load_workspace(path, {})
        assert check_file(path, {}).workspace is None


def test_reading_stops_at_the_limit_even_without_an_end() -> None:
    assert "bytes" in check_file(Path("/dev/zero"), {}).problems[0].message


def test_check_shows_where_events_go_and_what_is_not_reportable(tmp_path: Path) -> None:
    text = _check_output(tmp_path, SHOP)
    assert "not reportable here: s3" in text and "not reportable here: device mode" in text
    assert "https://crm.example" in text and "hooks" not in text
    assert "2 sources, 3 destinations, 3 connections; 0 errors, 0 warnings" in text


def test_check_shows_disabled_connections(tmp_path: Path) -> None:
    text = _check_output(tmp_path, changed("destination: crm}", "destination: crm, enabled: false}"))
    assert "disabled" in text


def test_check_prints_problems_as_they_are_without_reading_markup_in_them(tmp_path: Path) -> None:
    text = _check_output(tmp_path, changed("mode: device", "'[red]x': 1"))
    assert "shop.yaml:25:" in text and "'[red]x' is not known" in text
    assert "cannot be used: 1 error, 0 warnings" in text


def test_json_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP)
    result = to_json(check_file(path, ENVIRON))
    assert result["valid"] and [c["reportable"] for c in result["connections"]] == [True, False, False]
    path.write_text(changed("version: 1", "version: one"))
    result = json.loads(json.dumps(to_json(check_file(path, ENVIRON))))
    assert not result["valid"] and result["connections"] == []
    assert result["problems"][0]["line"] == 1 and result["problems"][0]["severity"] == "error"


def _check_output(directory: Path, text: str) -> str:
    path = directory / "shop.yaml"
    path.write_text(text)
    console = Console(width=200, record=True, file=io.StringIO())
    render(check_file(path, ENVIRON), console)
    return console.export_text()
