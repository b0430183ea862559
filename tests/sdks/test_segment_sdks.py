"""Segment's own SDKs send to Waybill as they would to Segment: only the host is changed."""

import json
import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from segment.analytics.client import Client  # type: ignore[import-untyped]

from console.ingest.limits import IngestLimits
from flows.topics.interface import Topics
from tests.kit.ingest import WRITE_KEY, events, rejections, running_ingest
from tests.kit.iso_times import parse_iso_ms

HERE = Path(__file__).parent
NODE_CACHE = HERE.parent.parent / ".cache" / "node"
CALL_TYPES = ["alias", "group", "identify", "page", "screen", "track"]


def python_client(url: str, errors: list[Any], **options: Any) -> Client:
    return Client(WRITE_KEY, host=url, on_error=lambda error, items: errors.append(error), **options)


def call_all_six(client: Client) -> None:
    client.identify("u1", {"plan": "free"})
    client.track("u1", "Signed Up", {"plan": "free"}, timestamp=datetime(2026, 5, 1, 10, tzinfo=UTC))
    client.page("u1", "Docs", "Home", {"path": "/"})
    client.screen(anonymous_id="a1", name="Start")
    client.group("u1", "g1", {"name": "Initech"})
    client.alias("a1", "u1")


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
def test_python_all_six_calls_arrive_in_batches(topics: Topics, gzip: bool) -> None:
    errors: list[Any] = []
    with running_ingest(topics) as url:
        client = python_client(url, errors, gzip=gzip, upload_size=4, upload_interval=0.2)
        call_all_six(client)
        client.flush()
        client.shutdown()
    assert errors == []
    found = events(topics)
    assert sorted(event["type"] for _, event in found) == CALL_TYPES
    for source, event in found:
        assert source == "web"
        assert event["context"]["library"]["name"] == "analytics-python"
        assert parse_iso_ms(event["sentAt"]) is not None
    [track] = [event for _, event in found if event["type"] == "track"]
    assert track["originalTimestamp"] == "2026-05-01T10:00:00.000+00:00"
    corrected_ms, original_ms = parse_iso_ms(track["timestamp"]), parse_iso_ms(track["originalTimestamp"])
    assert corrected_ms is not None and original_ms is not None
    assert 0 <= corrected_ms - original_ms < 10_000  # the time from sending to receiving


def test_python_hundreds_of_events_arrive_once_each(topics: Topics) -> None:
    errors: list[Any] = []
    with running_ingest(topics) as url:
        client = python_client(url, errors, gzip=True, upload_interval=0.1)
        sent = [client.track("u1", "Clicked", {"n": number})[1]["messageId"] for number in range(500)]
        client.shutdown()
    assert errors == []
    assert [event["messageId"] for _, event in events(topics)] == sorted(sent)


def test_python_is_told_of_a_wrong_write_key(topics: Topics) -> None:
    errors: list[Any] = []
    with running_ingest(topics) as url:
        client = Client("nobody", host=url, on_error=lambda error, items: errors.append(error), upload_interval=0.1)
        client.track("u1", "Clicked")
        client.shutdown()
    assert [(error.status, error.code) for error in errors] == [(401, "unknown_source")]
    assert events(topics) == []
    assert [fact.code for fact in rejections(topics)] == ["unknown_source"]


def test_python_told_to_come_later_comes_later(topics: Topics) -> None:
    errors: list[Any] = []
    with running_ingest(topics, IngestLimits(requests_per_second=1)) as url:
        client = python_client(url, errors, upload_size=1, upload_interval=0.1)
        for number in range(3):
            client.track("u1", "Clicked", {"n": number})
        client.shutdown()
    assert errors == []
    assert sorted(event["properties"]["n"] for _, event in events(topics)) == [0, 1, 2]


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """The Node SDK, installed once per pinned version."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node or npm is missing: install Node.js 20 or newer to run the Node SDK tests")
    wanted = (HERE / "package.json").read_text()
    [(name, version)] = json.loads(wanted)["dependencies"].items()
    installed = NODE_CACHE / f"{name.split('/')[-1]}-{version}"
    if not installed.exists():
        NODE_CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=NODE_CACHE) as scratch:
            (Path(scratch) / "package.json").write_text(wanted)
            command = ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=180, check=False)
            assert done.returncode == 0, f"npm install failed: {done.stderr}"
            # Renamed when complete, so that an interrupted install, or another test run's, is never used half done.
            (Path(scratch) / "node_modules").rename(installed)
    return installed


def run_node(node_modules: Path, url: str, write_key: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["node", str(HERE / "node_sdk.cjs"), url, write_key],
        env={**os.environ, "NODE_PATH": str(node_modules)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_node_all_six_calls_arrive_and_their_callbacks_say_so(topics: Topics, node_modules: Path) -> None:
    with running_ingest(topics) as url:
        said = run_node(node_modules, url, WRITE_KEY)
    called_back = {line["type"]: line["messageId"] for line in said if line.get("failed") is False}
    assert sorted(called_back) == CALL_TYPES
    assert {"flushed": True} in said
    assert not [line for line in said if "error" in line]
    found = {event["type"]: event for _, event in events(topics)}
    assert {kind: event["messageId"] for kind, event in found.items()} == called_back
    assert found["track"]["originalTimestamp"] == "2026-05-01T10:00:00Z"
    assert found["page"]["category"] == "Docs"
    assert found["track"]["context"]["library"]["name"] == "@segment/analytics-node"


def test_node_is_told_of_a_wrong_write_key(topics: Topics, node_modules: Path) -> None:
    with running_ingest(topics) as url:
        said = run_node(node_modules, url, "nobody")
    assert [line["error"] for line in said if "error" in line]
    assert events(topics) == []
