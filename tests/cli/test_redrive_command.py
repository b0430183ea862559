"""`waybill redrive` as its user meets it: a destination was dead and is well again."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer

from console.operations.redrive import choose
from flows.topics.factory import open_topics
from model.delivery.redrive import Choice
from tests.kit.commands import SMALL, Done, track, waybill, write_workspace
from tests.kit.system import WRITE_KEY, Waybill, receiver, running, wait_until, workspace_text
from tests.kit.workspaces import webhook, workspace

EVER = {"from_ms": 0, "to_ms": 4_000_000_000_000}
QUICK = "attempts: 2\nfirst_wait_seconds: 0.2\nsetup_probe_seconds: 0.5"
OUTAGE, MANY = 12, 200


class Shop:
    """A partner's server; ``status`` is its answer. Keeps the key and the body of what it took."""

    def __init__(self) -> None:
        self.status = 503
        self.keys: set[str] = set()  # of every call
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.address = ""


@contextmanager
def shop() -> Iterator[Shop]:
    kept = Shop()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.keys.add(self.headers["Idempotency-Key"])
            if kept.status == 200:
                kept.taken.append((self.headers["Idempotency-Key"], orjson.loads(body)))
            self.send_response(kept.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def shop_workspace(address: str, connection: str) -> str:
    """One connection to the shop, with filters and mappings."""
    return f"""\
version: 1
ingest: {{port: 0}}
sources:
  - {{id: web, write_keys: [{WRITE_KEY}]}}
destinations:
  - {{id: crm, type: webhook, url: "{address}/hook", breaker: {{enabled: false}}}}
connections:
  - source: web
    destination: crm
{connection}
delivery:
  allow_addresses: [127.0.0.0/8]
  attempts: 2
  first_wait_seconds: 0.2
"""


THEN = """\
    mappings:
      - {name: orders}
"""
TODAYS = """\
    filters:
      - {if: all, actions: [{type: DROP}]}
    mappings:
      - {name: orders, mapping: {id: {"@path": $.messageId}, note: mapped today}}
"""


@pytest.mark.slow
def test_after_an_outage_what_failed_is_sent_again_with_todays_configuration(tmp_path: Path) -> None:
    with shop() as crm, running(Waybill(tmp_path, shop_workspace(crm.address, THEN))) as system:
        system.post([track(f"m-{number}") for number in range(OUTAGE)])
        wait_until(lambda: balance(system, "expired") == OUTAGE, 60, "all expired")
        assert system.stop() == 0

        shown = ask(system, "redrive", "--destination", "crm", "--dry-run")
        assert shown.code == 0 and "expired" in shown.out and "503" in shown.out and f"{OUTAGE} to be sent" in shown.out
        refused = waybill("redrive", "--destination", "crm", workspace=system.file, data=system.data, stdin="n\n")
        assert refused.code == 2 and f"Send {OUTAGE} to crm again?" in refused.said

        crm.status = 200
        system.file.write_text(shop_workspace(crm.address, TODAYS), encoding="utf-8")
        sent = ask(system, "redrive", "--destination", "crm", "--code", "503", "--yes", "--json").json()
        assert (sent["to_send"], sent["sent"], sent["stopped"]) == (OUTAGE, OUTAGE, False)
        assert sent["groups"] == [{"state": "expired", "code": "503", "deliveries": OUTAGE}]
        again = ask(system, "redrive", "--destination", "crm", "--yes", "--json").json()
        assert (again["to_send"], again["sent"], again["skipped"]["pending"]) == (0, 0, OUTAGE)
        assert not crm.taken  # the command calls nobody

        system.start()
        wait_until(lambda: redrives(system).get("recovered") == OUTAGE, 60, "all recovered")
        system.post([track("m-new")])
        wait_until(lambda: balance(system, "filtered") == 1, 60, "the new filter at work")
        assert system.stop() == 0
        report, drawn = ask(system, "report", "--json").json(), ask(system, "report").out
        trace, told = ask(system, "trace", "m-3", "--json").json(), ask(system, "trace", "m-3").out
        last = ask(system, "redrive", "--destination", "crm", "--yes")

    assert {key for key, _ in crm.taken} == crm.keys and len(crm.taken) == OUTAGE
    expected = [{"id": f"m-{number}", "note": "mapped today"} for number in range(OUTAGE)]
    assert sorted((body for _, body in crm.taken), key=lambda body: int(body["id"][2:])) == expected
    [row] = report["redrives"]
    assert (row["redriven"], row["recovered"], row["pending"], row["unexplained"]) == (OUTAGE, OUTAGE, 0, 0)
    assert (report["expired"], report["delivered"], report["unexplained"]) == (OUTAGE, 0, 0)
    assert f"{OUTAGE} redriven = {OUTAGE} recovered" in drawn
    assert [step["step"] for step in trace["steps"]][-2:] == ["redriven", "redrive_outcome"]
    assert "recovered by redrive at" in told
    assert last.code == 0 and "Nothing to send" in last.out and f"{OUTAGE} not sent: already recovered" in last.out


@pytest.mark.slow
def test_stopped_and_killed_beside_a_running_system_every_event_arrives_once(tmp_path: Path) -> None:
    with receiver() as target:
        text = workspace_text({"crm": f"{target.address}/scripted"}, QUICK)
        with running(Waybill(tmp_path, text)) as system:
            system.post([track(f"m-{number}", 422, 200) for number in range(MANY)])
            wait_until(lambda: balance(system, "discarded") == MANY, 60, "all discarded")

            stopped = begun(system, rate=10)
            wait_until(lambda: on_the_tier(system) >= 10, 60, "under way")
            busy = ask(system, "redrive", "--destination", "crm", "--dry-run")
            assert busy.code == 2 and "another redrive" in busy.err
            stopped.send_signal(signal.SIGINT)
            out, err = stopped.communicate(timeout=60)
            assert stopped.returncode == 2 and b"Stopped: " in out and b"Run the same command again" in out, err
            so_far = on_the_tier(system)
            assert 10 <= so_far < MANY

            killed = begun(system, rate=20)
            wait_until(lambda: on_the_tier(system) > so_far, 60, "under way again")
            killed.kill()
            killed.communicate()
            assert on_the_tier(system) < MANY

            assert ask(system, "redrive", "--destination", "crm", "--yes").code == 0
            wait_until(lambda: redrives(system).get("recovered") == MANY, 60, "all recovered")
            assert on_the_tier(system) == MANY
            tally = target.tally()["scripted"]
            row = redrives(system)
            done = ask(system, "redrive", "--destination", "crm", "--dry-run", "--json").json()
    assert (tally["delivered_keys"], tally["keys_delivered_more_than_once"], tally["calls"]) == (MANY, 0, 2 * MANY)
    assert row["redriven"] == row["recovered"] and row["pending"] == row["unexplained"] == 0
    assert (done["to_send"], done["skipped"]["recovered"]) == (0, MANY)


@pytest.mark.parametrize(
    ("destination", "since", "until", "words"),
    [
        ("cmr", "", "", "Did you mean 'crm'?"),
        ("\x1b[31m", "", "", "There are crm"),
        ("lake", "", "", "loaded in bulk"),
        ("crm", "yesterday", "", "'yesterday' is not a time; write 2026-11-20"),
        ("crm", "", "0001-01-01T00:00", "is not a time"),
        ("crm", "2026-11-21", "2026-11-21T01:00+01:00", "--from must be before --to"),
    ],
)
def test_what_cannot_be_asked_for_is_named(destination: str, since: str, until: str, words: str) -> None:
    known = workspace([webhook("crm"), {"id": "lake", "type": "s3"}])
    with pytest.raises((ValueError, typer.BadParameter)) as refused:
        choose(known, destination, [], since, until)
    assert words in str(refused.value) and "\x1b" not in str(refused.value)


def test_times_are_utc_unless_they_say_otherwise() -> None:
    day_ms = 1_795_132_800_000
    known = workspace([webhook("crm")])
    chosen = choose(known, "crm", ["503", "503"], "2026-11-20", "2026-11-20T02:00:00.5+01:00")
    assert chosen == Choice(destination="crm", codes=frozenset({"503"}), from_ms=day_ms, to_ms=day_ms + 3_600_500)


def test_where_there_is_nothing_it_says_so(tmp_path: Path) -> None:
    file = write_workspace(tmp_path, SMALL)
    nowhere = waybill("redrive", "--destination", "crm", workspace=file, data=tmp_path / "data")
    assert nowhere.code == 2 and str(tmp_path / "data") in nowhere.err and not (tmp_path / "data").exists()
    (tmp_path / "data").mkdir()
    nothing = waybill("redrive", "--destination", "crm", "--code", "503", workspace=file, data=tmp_path / "data")
    assert nothing.code == 0 and "Nothing to send: no dead letter of crm with code 503" in nothing.out


def ask(system: Waybill, *arguments: str) -> Done:
    return waybill(*arguments, workspace=system.file, data=system.data)


def begun(system: Waybill, rate: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "console", "redrive", "--destination", "crm", "--yes", "--rate", str(rate)]
    environment = {**os.environ, "WAYBILL_WORKSPACE": str(system.file), "WAYBILL_DATA": str(system.data)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def balance(system: Waybill, fate: str) -> int:
    return sum(row[fate] for row in system.view("balance", **EVER))


def redrives(system: Waybill) -> dict[str, int]:
    rows = system.view("redrive_balance", **EVER)
    return rows[0] if rows else {}


def on_the_tier(system: Waybill) -> int:
    with closing(open_topics(f"sqlite:///{system.data / 'topics'}")) as topics:
        return sum(topics.bounds("retries.1s", number)[1] for number in range(topics.partitions("retries.1s")))
