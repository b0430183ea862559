"""A changed workspace file is picked up within ten seconds, without a restart; an invalid one changes nothing."""

import os
from pathlib import Path

import pytest

from tests.kit.system import Receiver, Waybill, receiver, running, wait_until, workspace_text

PICKED_UP_SECONDS = 10
EVER = {"from_ms": 0, "to_ms": 4_000_000_000_000}


def write(file: Path, text: str) -> None:
    """As editors do: a new file under the old name."""
    beside = file.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, file)


def event(number: int) -> dict[str, object]:
    about = {"type": "track", "event": "Bought", "userId": "u", "messageId": f"m-{number}"}
    return {**about, "properties": {"number": number}}


def log_says(system: Waybill, words: str) -> bool:
    return words in system.log.read_text(encoding="utf-8")


def balance(system: Waybill, destination: str) -> dict[str, int]:
    rows = system.view("balance", **EVER, source="", destination=destination, settle_seconds=120)
    return rows[0] if rows else {}


def outcomes(system: Waybill, message_id: str) -> dict[str, tuple[str, str]]:
    rows = system.view("event_trace", message_id=message_id)
    return {row["destination"]: (row["state"], row["code"]) for row in rows if row["step"] == "outcome"}


def start(directory: Path, target: Receiver) -> tuple[Waybill, str]:
    urls = {"crm": f"{target.address}/healthy/crm", "locked": f"{target.address}/status/401"}
    text = workspace_text(urls, delivery="setup_probe_seconds: 5\nfirst_wait_seconds: 5\nkeep_removed_seconds: 2")
    return Waybill(directory, text), text


@pytest.mark.slow
def test_a_change_is_in_force_for_new_events_for_what_waits_and_at_ingest(tmp_path: Path) -> None:
    with receiver() as target:
        system, text = start(tmp_path, target)
        with running(system):
            system.post([event(1)])
            wait_until(lambda: outcomes(system, "m-1").get("crm") == ("delivered", ""), 20, "delivered")
            wait_until(lambda: bool(system.view("destination_health", **EVER, settle_seconds=120)), 20, "a banner")
            drop = "{source: web, destination: crm, filters: [{if: all, actions: [{type: DROP}]}]}"
            changed = text.replace("{source: web, destination: crm}", drop)
            changed = changed.replace("  - {source: web, destination: locked}\n", "")
            write(system.file, changed.replace("test-write-key", "another-write-key"))
            wait_until(lambda: log_says(system, "workspace is active"), PICKED_UP_SECONDS, "picked up")
            assert system.post([event(2)]).status_code == 401
            write(system.file, changed)
            wait_until(lambda: system.post([event(3)]).status_code == 200, PICKED_UP_SECONDS, "the key is back")
            wait_until(lambda: outcomes(system, "m-3") == {"crm": ("filtered", "FILTERED_BY_RULES")}, 20, "filtered")
            # It waits for its next attempt, so at the latest when that comes.
            removed = ("discarded", "CONNECTION_REMOVED")
            wait_until(lambda: outcomes(system, "m-1").get("locked") == removed, 90, "what waited has ended")
            assert balance(system, "locked")["unexplained"] == balance(system, "crm")["unexplained"] == 0


def test_an_invalid_file_is_refused_with_its_errors_and_the_old_one_stays(tmp_path: Path) -> None:
    with receiver() as target:
        system, text = start(tmp_path, target)
        with running(system):
            write(system.file, text.replace("destination: crm}", "destination: crn}"))
            wait_until(lambda: log_says(system, "Did you mean 'crm'?"), PICKED_UP_SECONDS, "refused")
            assert log_says(system, "is not valid")
            system.post([event(1)])
            wait_until(lambda: outcomes(system, "m-1").get("crm") == ("delivered", ""), 20, "delivered as before")
