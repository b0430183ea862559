"""A change of the workspace while events flow and deliveries wait: nothing is lost silently."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.kit.system import WRITE_KEY, Receiver, Waybill, receiver, running, wait_until

EVER = {"from_ms": 0, "to_ms": 4_000_000_000_000}
WAITING = 300


def workspace(target: Receiver, destinations: dict[str, str], *, source: str = "{id: web}", delivery: str = "") -> str:
    """Webhooks, given as id (with more settings behind it) and path at the receiver, all connected to one source."""
    web = source.replace("}", f", write_keys: [{WRITE_KEY}]}}")
    lines = ["version: 1", "ingest: {port: 0}", f"sources: [{web}]", "destinations:"]
    for name, path in destinations.items():
        lines.append(f'  - {{id: {name}, type: webhook, url: "{target.address}{path}", breaker: {{enabled: false}}}}')
    lines.append("connections:")
    source_id = source.removeprefix("{id: ").partition(",")[0].rstrip("}")
    lines += [f"  - {{source: {source_id}, destination: {name.partition(',')[0]}}}" for name in destinations]
    lines += ["delivery:", "  allow_addresses: [127.0.0.0/8]", *(f"  {line}" for line in delivery.splitlines())]
    return "\n".join(lines) + "\n"


def write(file: Path, text: str) -> None:
    beside = file.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, file)


def events(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {"type": "track", "event": "Bought", "userId": "u", "messageId": f"m-{n}", "properties": {"n": n}}
        for n in range(first, first + count)
    ]


def in_force(system: Waybill, times: int) -> None:
    wait_until(lambda: system.log.read_text().count("workspace is active") >= times, 20, f"in force ({times})")


def balance(system: Waybill, destination: str) -> dict[str, int]:
    rows = system.view("balance", **EVER, source="", destination=destination, settle_seconds=120)
    return (
        {name: rows[0][name] for name in ("routed", "delivered", "discarded", "pending", "unexplained")} if rows else {}
    )


def errors(system: Waybill) -> dict[str, int]:
    rows = system.view("error_details", **EVER, source="", destination="")
    return {row["code"]: row["deliveries"] for row in rows if row["state"] == "discarded"}


def ask(system: Waybill, *command: str) -> dict[str, Any]:
    environment = {**os.environ, "WAYBILL_WORKSPACE": str(system.file), "WAYBILL_DATA": str(system.data)}
    run = [sys.executable, "-m", "console", *command, "--json"]
    answer: dict[str, Any] = orjson.loads(subprocess.run(run, env=environment, capture_output=True, check=True).stdout)
    return answer


@contextmanager
def flowing(system: Waybill) -> Iterator[list[int]]:
    """Send events all the while; gives how many, once it is over."""
    stop, sent = threading.Event(), [0]

    def send() -> None:
        while not stop.wait(0.02):
            assert system.post(events(5, first=sent[0])).status_code == 200
            sent[0] += 5

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


@pytest.mark.slow
def test_events_that_flow_while_destinations_are_added_all_arrive(tmp_path: Path) -> None:
    with receiver() as target:
        names = {f"d{number}": f"/healthy/{number}" for number in range(5)}
        system = Waybill(tmp_path, workspace(target, {"d0": names["d0"]}))
        with running(system):
            with flowing(system) as sent:
                for number in range(1, 5):
                    write(system.file, workspace(target, dict(list(names.items())[: number + 1])))
                    in_force(system, number)
            wait_until(lambda: balance(system, "d0").get("delivered") == sent[0], 30, "recorded")
            for name in names:
                found = balance(system, name)
                assert found["routed"] > 0 and found["routed"] == found["delivered"], (name, found)
            assert errors(system) == {}


def filled(system: Waybill) -> None:
    """Deliveries wait for a destination that is found to need a person."""
    system.post(events(WAITING))
    wait_until(lambda: balance(system, "crm").get("pending") == WAITING, 30, "waiting")
    wait_until(lambda: [row["destination"] for row in system.view("banners", **EVER)] == ["crm"], 30, "a banner")


SLOW_PROBES = "setup_probe_seconds: 2\nfirst_wait_seconds: 1\nwait_factor: 1\n"


@pytest.mark.slow
@pytest.mark.parametrize("source", ["{id: web}", "{id: shop, was: web}"], ids=["destination", "source too"])
def test_what_waits_for_a_renamed_destination_moves_on_under_the_new_id(tmp_path: Path, source: str) -> None:
    with receiver() as target:
        system = Waybill(tmp_path, workspace(target, {"crm": "/status/401"}, delivery=SLOW_PROBES))
        with running(system):
            filled(system)
            renamed = workspace(target, {"hub, was: crm": "/healthy"}, source=source, delivery=SLOW_PROBES)
            write(system.file, renamed)
            in_force(system, 1)
            wait_until(lambda: balance(system, "crm").get("delivered") == WAITING, 60, "delivered")
            assert balance(system, "crm") == {
                "routed": WAITING, "delivered": WAITING, "discarded": 0, "pending": 0, "unexplained": 0,
            }  # fmt: skip
            assert system.view("banners", **EVER) == []
            assert target.tally()["healthy"]["delivered_keys"] == WAITING
            assert "discarded after" not in system.log.read_text()


@pytest.mark.slow
def test_what_a_removal_discards_is_said_with_its_number_everywhere_before_it_happens(tmp_path: Path) -> None:
    delivery = SLOW_PROBES + "keep_removed_seconds: 20\n"
    with receiver() as target:
        system = Waybill(tmp_path, workspace(target, {"crm": "/status/401"}, delivery=delivery))
        with running(system):
            filled(system)
            write(system.file, workspace(target, {"hub": "/healthy"}, delivery=delivery))
            told = f"destination 'crm' is not in the workspace: its {WAITING} pending deliveries are discarded"
            wait_until(lambda: told in system.log.read_text(), 15, "said in the log", 0.02)
            assert "add `was: crm`" in system.log.read_text()
            assert errors(system) == {}, "it happened before it was said"
            assert [problem["message"][: len(told)] for problem in ask(system, "check")["problems"]] == [told]
            [discard] = ask(system, "report")["discards"]
            assert (discard["code"], discard["destination"], discard["deliveries"]) == (
                "DESTINATION_REMOVED", "crm", WAITING,
            )  # fmt: skip
            wait_until(lambda: balance(system, "crm").get("discarded") == WAITING, 60, "discarded")
            wait_until(lambda: errors(system) == {"DESTINATION_REMOVED": WAITING}, 20, "among the errors")
            wait_until(lambda: system.view("banners", **EVER) == [], 20, "the banner has ended")
            # What was discarded can be sent after all.
            write(system.file, workspace(target, {"hub, was: crm": "/healthy"}, delivery=delivery))
            in_force(system, 2)
            assert ask(system, "redrive", "--destination", "hub", "--yes")["sent"] == WAITING
            wait_until(lambda: target.tally().get("healthy", {}).get("delivered_keys") == WAITING, 30, "sent again")
