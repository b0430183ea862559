"""The commands that need nothing running: what they say, in text and in JSON, and their exit codes."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from tests.kit.commands import SMALL, waybill, write_workspace

COMMANDS = ["demo", "up", "check", "migrate", "report", "trace", "recover"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    told = CliRunner().invoke(app, [command, "--help"])
    assert told.exit_code == 0 and f"Example: waybill {command}" in told.output


def test_without_a_command_all_of_them_are_listed() -> None:
    told = waybill()
    assert told.code == 2
    assert all(f" {command} " in told.said for command in COMMANDS)


def test_check_shows_what_goes_where_and_what_cannot_be_reported(tmp_path: Path) -> None:
    file = write_workspace(tmp_path, SMALL)
    text = waybill("check", workspace=file)
    assert text.code == 0
    assert text.out.count("not reportable here") == 2
    assert "is valid: 1 source, 2 destinations, 2 connections" in text.out
    shown = waybill("check", "--json", workspace=file)
    assert shown.code == 0 and shown.err == ""
    assert [(c["destination"], c["reportable"]) for c in shown.json()["connections"]] == [
        ("crm", False),
        ("lake", False),
    ]
    assert all(connection["reason"] for connection in shown.json()["connections"])


def test_check_tells_every_error_with_its_place_and_a_remedy(tmp_path: Path) -> None:
    text = SMALL.replace("type: s3", "type: s4").replace("destination: crm", "destination: crn") + "colour: red\n"
    file = write_workspace(tmp_path, text)
    told = waybill("check", workspace=file)
    assert told.code == 1
    for line, path in ((7, "destinations[1]"), (9, "connections[0].destination"), (11, "colour")):
        assert any(f"{file}:{line}:" in said and path in said for said in told.out.splitlines()), told.out
    answer = waybill("check", "--json", workspace=file).json()
    assert answer["valid"] is False and answer["connections"] == []
    assert [problem["path"] for problem in answer["problems"]] == [
        "destinations[1]",
        "connections[0].destination",
        "colour",
    ]
    assert all(problem["remedy"] for problem in answer["problems"])


def test_check_of_no_file_says_so(tmp_path: Path) -> None:
    told = waybill("check", "--workspace", str(tmp_path / "absent.yaml"))
    assert told.code == 1
    assert "No such file" in told.out and "Check the path" in told.out


def test_up_with_an_invalid_workspace_tells_every_problem_and_makes_no_data_directory(tmp_path: Path) -> None:
    text = SMALL.replace("type: s3", "type: s4").replace("port: 0", "port: no")
    told = waybill("up", workspace=write_workspace(tmp_path, text), data=tmp_path / "data")
    assert told.code == 1
    assert "ingest.port" in told.err and "destinations[1]" in told.err and "waybill check" in told.err
    assert not (tmp_path / "data").exists()


def test_up_where_the_data_directory_cannot_be_made_names_it(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    told = waybill("up", workspace=write_workspace(tmp_path, SMALL), data=tmp_path / "taken" / "data")
    assert told.code == 2
    assert str(tmp_path / "taken") in told.err and "Check the path" in told.err


def test_migrate_twice_is_harmless(tmp_path: Path) -> None:
    file, data = write_workspace(tmp_path, SMALL), tmp_path / "data"
    assert waybill("migrate", "--json", workspace=file, data=data).json()["applied"] > 0
    again = waybill("migrate", workspace=file, data=data)
    assert again.code == 0 and "up to date" in again.out


@pytest.mark.parametrize("period", ["9y", "0m", "-1h", "401d", "", "1h; DROP TABLE facts"])
def test_a_period_that_is_none_is_refused_with_an_example(period: str) -> None:
    told = CliRunner().invoke(app, ["report", f"--period={period}"], env={"COLUMNS": "200"})
    assert told.exit_code == 2 and "write 15m, 24h or 7d" in told.output


def test_asking_of_a_data_directory_that_is_not_there_makes_none(tmp_path: Path) -> None:
    told = waybill("report", workspace=write_workspace(tmp_path, SMALL), data=tmp_path / "mistyped")
    assert told.code == 2 and "there is no data directory" in told.err and "--data" in told.err
    assert not (tmp_path / "mistyped").exists()


def test_asking_of_an_empty_data_directory_names_migrate(tmp_path: Path) -> None:
    told = waybill("trace", "m-1", workspace=write_workspace(tmp_path, SMALL), data=tmp_path)
    assert told.code == 2 and "waybill migrate" in told.err


def test_a_message_id_that_is_no_text_is_refused(tmp_path: Path) -> None:
    told = waybill("trace", b"\xff\xfe", workspace=write_workspace(tmp_path, SMALL), data=tmp_path)
    assert told.code == 2 and "UTF-8" in told.err


def test_recover_knows_its_flows(tmp_path: Path) -> None:
    file = write_workspace(tmp_path, SMALL)
    told = waybill("recover", "deliver", "--yes", workspace=file, data=tmp_path / "data")
    assert told.code == 2 and "delivery, recording, alerting" in told.err


def test_recover_changes_nothing_without_a_yes(tmp_path: Path) -> None:
    file, data = write_workspace(tmp_path, SMALL), tmp_path / "data"
    told = waybill("recover", "delivery", "--json", workspace=file, data=data, stdin="n\n")
    assert told.code == 2 and told.out.strip() == "" and "Start there?" in told.err
    assert not (data / "recovery").exists()


@pytest.mark.parametrize(
    ("module", "unused"),
    [
        ("console.cli", "model.workspace.workspace"),
        ("console.commands.report", "console.server.app"),
        ("console.commands.run", "console.server.app"),
        ("console.commands.alerts.app", "console.api.app"),
    ],
)
def test_a_command_imports_only_what_it_needs(module: str, unused: str) -> None:
    code = f"import sys, {module}; sys.exit({unused!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
