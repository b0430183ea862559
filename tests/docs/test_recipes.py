"""Follows the recipes of CONTRIBUTING.md on a copy of the code, block by block, and uses what comes of them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^### (Add .+?)\n(.*?)(?=^### |\Z)", TEXT, re.MULTILINE | re.DOTALL))
PLACE = re.compile(r'(?:#|--) ([\w/.]+), (?:(new file)|(before|after|instead of) "(.+)")')
WORKSPACE = """
version: 1
sources: [{id: web, write_keys: [k]}]
destinations: [{id: crm, type: acme, url: "https://acme.example/in", api_key: "${KEY}"}]
connections: [{source: web, destination: crm}]
alerts:
  channels: [{id: plain, type: text, url: "https://text.example/in"}]
"""


def follow(recipe: str, root: Path) -> int:
    """Put each block of a recipe where its first line says; gives how many there were."""
    blocks = re.findall(r"^```(?:python|sql)\n(.*?)^```$", RECIPES[recipe], re.MULTILINE | re.DOTALL)
    for block in blocks:
        first, _, body = block.partition("\n")
        place = PLACE.fullmatch(first)
        assert place is not None, first
        path = root / place[1]
        if place[2]:
            assert not path.exists(), first
            path.write_text(body, encoding="utf-8")
            continue
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        found = [number for number, line in enumerate(lines) if line.startswith(place[4])]
        assert found, f"{first}: no line begins so"
        at = found[0] if place[3] != "after" else found[-1] + 1
        lines[at : at + (place[3] == "instead of")] = [body]
        path.write_text("".join(lines), encoding="utf-8")
    return len(blocks)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code with every recipe followed."""
    root = tmp_path_factory.mktemp("recipes")
    for folder in ("model", "sinks", "flows", "console", "sql"):
        shutil.copytree(ROOT / folder, root / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for recipe in RECIPES:
        assert follow(recipe, root), recipe
    (root / "acme.yaml").write_text(WORKSPACE, encoding="utf-8")
    shutil.copy(ROOT / "examples" / "alerts" / "event.json", root)
    return root


def run(root: Path, *arguments: str) -> str:
    """Run Python on the copy; gives what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={"PYTHONPATH": str(root), "KEY": "secret-key-of-acme", "PATH": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_is_a_recipe_for_each_kind_of_addition() -> None:
    assert list(RECIPES) == [f"Add {what}" for what in (
        "a destination", "a notification channel", "a fact", "a view", "an API route",
    )]  # fmt: skip


def test_a_new_destination_is_documented_valid_and_called(copy: Path) -> None:
    assert "Acme Analytics" in run(copy, "-m", "console", "destinations", "acme")
    assert "0 errors, 0 warnings" in run(copy, "-m", "console", "check", "-w", "acme.yaml", "-d", "none")
    explained = run(copy, "-m", "console", "check", "-w", "acme.yaml", "--explain", "event.json", "--json")
    assert '"state":"sent"' in explained and "https://acme.example/in" in explained
    assert r"{\"name\":\"Order Completed\",\"user\":\"u1\"}" in explained


def test_a_new_channel_sends(copy: Path) -> None:
    run(copy, "-c", CHANNEL)


CHANNEL = """
import os
from pathlib import Path
from types import SimpleNamespace
from flows.workspace.loader import load_workspace
from sinks.channels.catalogue import open_channels

sent = []
class Calls:
    def http(self, request):
        sent.append(request)
        raise KeyboardInterrupt  # what an answer means is not this channel's business

channels = open_channels(load_workspace(Path("acme.yaml"), os.environ).alerts, Calls(), lambda: 0)
try:
    channels["plain"].send([SimpleNamespace(id="n-1", title="Firing: CRM")])
except KeyboardInterrupt:
    pass
assert [(request.url, request.body) for request in sent] == [("https://text.example/in", b"Firing: CRM")]
"""


def test_a_new_fact_is_stored_read_by_a_new_view_and_answered_by_a_new_route(copy: Path) -> None:
    run(copy, "-c", FACT)


FACT = """
from starlette.testclient import TestClient
from console.access import Caller
from console.api.app import create_api
from console.api.services import Services
from model.destinations.catalogue import ALL_REASONS
from model.recording.facts import Noted, decode, encode
from model.recording.replays import Decision
from model.recording.rows import LogPosition, rows_of
from model.workspace.permissions import Role
from sinks.clickhouse.schema import migrate
from sinks.clickhouse.store import open_store

AT_MS = 1_790_000_000_000
fact = Noted(at_ms=AT_MS, source="web", message_id="m-1", event_type="track", event_name="", app_version="",
             events_partition=0, events_offset=0, received_at_ms=AT_MS, author="ada", message="seen")
assert decode(encode(fact)) == fact
store = open_store("chdb://" + __import__("os").getcwd() + "/store")
migrate(store, {"facts": 10 * 366 * 86_400}, ALL_REASONS)
[row] = rows_of(fact, LogPosition(0, 0, AT_MS), Decision(1))
assert store.insert(row.table, [row.values]) == store.insert(row.table, [row.values]) == []
notes = [{"at": AT_MS, "author": "ada", "message": "seen"}]
assert store.view("notes", message_id="m-1") == notes
ada = Caller("ada", Role.READ)
services = Services(
    identify=lambda request: ada, installation=None, view=lambda name, given: store.view(name, **given), rules=None,
    tester=None, targets=None, clock=None,
)
api = TestClient(create_api(services))
answer = api.get("/notes/m-1")
assert answer.json() == {"data": {"notes": notes}}, answer.text
assert api.post("/views/notes", json={"message_id": "m-1"}).json() == {"rows": notes}
assert {"/notes/{messageId}", "/views/notes"} <= set(api.get("/openapi.json").json()["paths"])
store.close()
"""
