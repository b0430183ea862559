"""Every workspace of examples/ is valid, and its event goes where the example says."""

import re
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
import trustme
from typer.testing import CliRunner

from console.cli import app

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/workspace.yaml"))
SECRETS = {"SLACK_URL": "https://hooks.slack.com/services/T00000000/B00000000/aaaaaaaaaaaaaaaaaaaaaaaa"}


def names(example: Path) -> list[str]:
    return re.findall(r"\$\{(\w+)\}", (example / "workspace.yaml").read_text(encoding="utf-8"))


@pytest.fixture(params=EXAMPLES, ids=lambda example: example.name)
def example(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, as the current directory, with its secrets in the environment and a certificate authority."""
    copy: Path = tmp_path / request.param.name
    shutil.copytree(request.param, copy)
    for name in names(copy):
        monkeypatch.setenv(name, SECRETS.get(name, f"value-of-{name.lower()}"))
    trustme.CA().cert_pem.write_to_path(copy / "authorities.pem")
    monkeypatch.chdir(copy)
    return copy


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.stdout, result.output
    return result.exit_code, orjson.loads(result.stdout)


def test_the_workspace_is_valid_without_a_warning(example: Path) -> None:
    code, answer = run("check", "--data", "none")
    assert (code, answer["problems"]) == (0, [])


def test_its_event_is_sent_on_every_connection(example: Path) -> None:
    code, answer = run("check", "--explain", "event.json")
    assert code == 0
    assert answer["deliveries"], example.name
    assert {delivery["state"] for delivery in answer["deliveries"]} == {"sent"}, answer


def test_what_the_filters_and_the_function_take_out_is_not_sent(example: Path) -> None:
    _, answer = run("check", "--explain", "event.json")
    bodies = [str(delivery["request"]["body"]) for delivery in answer["deliveries"]]
    assert all(("debug" in body) == (example.name not in {"insert-function", "ga4-with-filters"}) for body in bodies)


def test_secrets_stand_in_the_environment_only(example: Path) -> None:
    assert names(example)


def test_the_page_names_every_example() -> None:
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[([\w-]+)\]\(\1/workspace\.yaml\)", page, re.MULTILINE)
    assert {example.name for example in EXAMPLES} == set(
        re.findall(r"^\| \[([\w-]+)\]\(\1/workspace\.yaml\)", page, re.MULTILINE)
    )
