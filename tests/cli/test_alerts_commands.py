"""`waybill alerts` as a person types it: over the store itself, and asking a running server."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.commands import Done, waybill, write_workspace
from tests.kit.system import Waybill, running

WORKSPACE = """\
version: 1
ingest: {port: 0}
sources:
  - {id: web, write_keys: [test-write-key]}
destinations:
  - {id: crm, type: webhook, url: "https://crm.example/hook"}
connections:
  - {source: web, destination: crm}
"""


class Shell:
    """Runs commands on one deployment."""

    def __init__(self, workspace: Path, data: Path) -> None:
        self.workspace = workspace
        self.data = data

    def __call__(self, *arguments: str | bytes, stdin: str = "") -> Done:
        return waybill("alerts", *arguments, workspace=self.workspace, data=self.data, stdin=stdin)


@pytest.fixture(scope="module", params=["store", pytest.param("server", marks=pytest.mark.slow)])
def alerts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "server":
        with running(Waybill(directory, WORKSPACE)) as system:
            yield Shell(system.file, system.data)
        return
    shell = Shell(write_workspace(directory, WORKSPACE), directory / "data")
    assert waybill("migrate", workspace=shell.workspace, data=shell.data).code == 0
    yield shell


def made(alerts: Shell, *options: str) -> str:
    done = alerts("create", *options, "--json")
    assert done.code == 0, done.said
    return str(done.json()["rule"]["id"])


@pytest.mark.slow
def test_a_rule_goes_its_way_from_made_to_deleted(alerts: Shell) -> None:
    rule = made(alerts, "--kind", "source-volume", "--source", "web", "--change-percent", "4", "--direction", "down")
    shown = alerts("list", "--source", "web")
    assert shown.code == 0 and "Volume of web" in shown.out and "fewer events" in shown.out
    edited = alerts("edit", rule, "--change-percent", "4.25", "--remind-after", "never", "--disable", "--json").json()
    definition = edited["rule"]["rule"]
    assert (definition["change_percent"], definition["direction"]) == (4.25, "down")
    assert (definition["remind_after_seconds"], definition["enabled"], edited["rule"]["version"]) == (None, False, 2)
    old = alerts("edit", rule, "--change-percent", "5", "--version", "1")
    assert old.code == 2 and "version 2, not 1" in " ".join(old.err.split())
    assert alerts("mute", rule, "--for", "2h").code == 0
    assert "Unmuted" in alerts("unmute", rule).out and "Acknowledged" in alerts("ack", rule).out
    asked = alerts("delete", rule, stdin="n\n")
    assert asked.code == 2 and "Delete Volume of web?" in asked.err
    assert "Deleted" in alerts("delete", rule, "--yes").out
    gone = alerts("delete", rule, "--yes")
    assert gone.code == 2 and "deleted it" in " ".join(gone.err.split())
    assert alerts("list", "--source", "web", "--json").json() == {"rules": []}


@pytest.mark.slow
def test_a_rule_from_a_file_is_changed_by_options(alerts: Shell) -> None:
    file = alerts.workspace.parent / "rule.yaml"
    file.write_text("kind: delivery-rate\nname: From a file\ndestination: crm\nbelow_percent: 95\n")
    rule = made(alerts, "--file", str(file), "--below-percent", "99")
    [listed] = [one for one in alerts("list", "--json").json()["rules"] if one["id"] == rule]
    assert (listed["rule"]["name"], listed["rule"]["below_percent"]) == ("From a file", 99)
    tried = alerts("backtest", rule, "--days", "1", "--json").json()
    assert tried["fired"] == 0 and not tried["complete"]
    shown = alerts("backtest", "--file", str(file))
    assert "would not have fired in 14 days" in shown.out and "shorter" in shown.out
    assert alerts("delete", rule, "--yes").code == 0


@pytest.mark.slow
def test_somebody_subscribes_looks_and_unsubscribes(alerts: Shell) -> None:
    assert "Failed events of crm" in alerts("subscribe", "failed-events", "--destination", "crm").out
    by_mail = alerts("subscribe", "failed-events", "--destination", "crm", "--channel", "email")
    assert by_mail.code == 2 and "alerts.smtp" in by_mail.err
    assert alerts("unsubscribe", "failed-events", "--destination", "crm").code == 0
    assert alerts("unsubscribe", "failed-events", "--destination", "crm").code == 2
    assert "No rule fired" in alerts("history").out
    assert alerts("test-channel", "in-app", "--json").json()["taken"]
    inbox = alerts("inbox")
    assert "Waybill reaches this channel" in inbox.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "--kind", "delivery-rate", "--destination", "crn", "--below-percent", "9"), "Did you mean 'crm'"),
        (("create", "--kind", "delivery-rate", "--destination", "crm", "--below-percent", "101"), "at most 100 %"),
        (("create", "--kind", "delivery-rate", "--destination", "crm"), "below_percent is needed"),
        (
            ("create", "--kind", "source-volume", "--source", "web", "--below-percent", "9"),
            "below_percent is not known",
        ),
        (("create",), "kind is missing"),
        (("create", "--file", "/nowhere/rule.yaml"), "Check the path"),
        (("create", "--kind", "failed-events", "--destination", "crm", "--channel", "\x1b[2J"), "this is no channel"),
        (("create", "--kind", "failed-events", "--destination", b"\xff"), "UTF-8"),
        (("create", "--kind", "moon"), "moon"),
        (("edit", "../../x", "--name", "y"), "waybill"),
        (("mute", "nothing", "--for", "2h"), "there is no alert rule 'nothing'"),
        (("mute", "nothing"), "either --for"),
        (("mute", "nothing", "--until", "2001-01-01"), "is in the past"),
        (("history", "--period", "soon"), "no period"),
        (("backtest",), "either the id"),
        (("test-channel", "teem"), "there is no channel 'teem'"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_remedy(
    alerts: Shell, arguments: tuple[str | bytes, ...], said: str
) -> None:
    done = alerts(*arguments)
    assert done.code == 2, done.said
    assert said in " ".join(done.said.replace("│", " ").split()) and "\x1b[2J" not in done.said


def test_every_command_has_an_example(alerts: Shell) -> None:
    names = (
        "list create edit delete mute unmute ack history inbox backtest test-channel subscribe unsubscribe"
    ).split()
    done = subprocess.run(
        [sys.executable, "-c", "from console.commands.alerts.app import alerts_app as a\n"
         "print(*(f'{c.name} {c.epilog}' for c in a.registered_commands), sep='\\n')"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == names
    assert all("Example: waybill alerts " in line for line in lines)


def test_a_data_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    file = write_workspace(tmp_path, WORKSPACE)
    done = waybill("alerts", "list", workspace=file, data=tmp_path / "mistyped")
    assert done.code == 2 and "no data directory" in done.err and not (tmp_path / "mistyped").exists()
