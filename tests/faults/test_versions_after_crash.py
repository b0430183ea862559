"""A changed workspace and kill -9: an event read again is routed by the version that routed it first.

The first run never makes a snapshot, so that everything it has read, delivered or not, is read again by the second one.
"""

import os
import sys
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from shutil import rmtree

import pytest

from flows.delivery.dataflow import FLOW
from flows.delivery.versions import VERSIONS_DIRECTORY
from flows.runtime.recovery import log_id
from flows.topics.factory import open_topics
from flows.topics.interface import OUTCOMES
from model.events.ids import delivery_id
from model.recording.facts import Fact, Outcome, Received, decode
from tests.kit.cluster import EVER, plain_events
from tests.kit.ingest import records
from tests.kit.system import WRITE_KEY, Receiver, Waybill, receiver, running, wait_until

BEFORE, AFTER = 300, 100  # events sent before and after the change; facts are appended 64 at a time
ENDLESS_EPOCH = (sys.executable, "-m", "tests.faults.endless_epoch")
FATES = ("routed", "filtered", "delivered", "discarded", "expired", "pending", "unexplained")
# What becomes of an event, by destination and mapping, for one read before the change and one read after it.
OLD = {
    ("crm", ""): ("delivered", ""),
    ("hub", "long"): ("delivered", ""),
    ("silent", ""): ("discarded", "CONNECTION_REMOVED"),
}
NEW = {
    ("crm", ""): ("filtered", "FILTERED_BY_RULES"),
    ("hub", "long"): ("delivered", ""),
    ("hub", "short"): ("delivered", ""),
}


def workspace(target: Receiver) -> str:
    """A destination that takes everything, one with a mapping, one that never answers."""
    return f"""\
version: 1
ingest: {{port: 0}}
sources: [{{id: web, write_keys: [{WRITE_KEY}]}}]
destinations:
  - {{id: crm, type: webhook, url: "{target.address}/healthy/crm"}}
  - {{id: hub, type: webhook, url: "{target.address}/healthy/hub"}}
  - {{id: silent, type: webhook, url: "{target.address}/hang", timeout_seconds: 60}}
delivery: {{allow_addresses: [127.0.0.0/8], keep_removed_seconds: 2}}
connections:
  - source: web
    destination: crm
  - source: web
    destination: silent
  - source: web
    destination: hub
    mappings:
      - {{name: long, mapping: {{who: {{"@path": $.userId}}, number: {{"@path": $.properties.n}}}}}}
"""


def change(file: Path) -> None:
    """A filter and a mapping are added, a connection is removed."""
    text = file.read_text(encoding="utf-8")
    text = text.replace("  - source: web\n    destination: silent\n", "")
    text = text.replace("destination: crm\n", "destination: crm\n    filters: [{if: all, actions: [{type: DROP}]}]\n")
    beside = file.with_suffix(".new")
    beside.write_text(text + '      - {name: short, mapping: {who: {"@path": $.userId}}}\n', encoding="utf-8")
    os.replace(beside, file)


def crash(system: Waybill, target: Receiver, *, changed_while_it_runs: bool) -> None:
    """Deliver events, change the file, and kill -9 with nothing of it in a snapshot."""
    system.start(*ENDLESS_EPOCH)
    system.post(plain_events(BEFORE))
    wait_until(lambda: calls(target, "crm") == calls(target, "hub") == BEFORE, 60, "delivered")
    assert target.tally()["hang"]["calls"] > 0, "nothing is unsettled"
    if changed_while_it_runs:
        change(system.file)
        wait_until(
            lambda: "workspace is active" in system.log.read_text(encoding="utf-8"), 20, "the change is active", 0.01
        )
        system.post(plain_events(AFTER, first=BEFORE))
        wait_until(lambda: calls(target, "hub") == BEFORE + 2 * AFTER, 60, "delivered by the new version")
    system.kill()
    if not changed_while_it_runs:
        change(system.file)


def calls(target: Receiver, name: str) -> int:
    count: int = target.tally().get(f"healthy/{name}", {}).get("calls", 0)
    return count


def facts(data: Path) -> list[Fact]:
    with closing(open_topics(f"sqlite:///{data / 'topics'}")) as topics:
        return [decode(record.value) for record in records(topics, OUTCOMES)]


def readings(said: list[Fact]) -> Counter[str]:
    """How many events each run has read."""
    return Counter(fact.run for fact in said if isinstance(fact, Received))


def settled(data: Path) -> bool:
    """The run that came last has read every event and ended every delivery it made of it."""
    said = facts(data)
    last = next((fact.run for fact in reversed(said) if isinstance(fact, Received)), "")
    routed = {route for fact in said if isinstance(fact, Received) and fact.run == last for route, _, _ in fact.routes}
    ended = {fact.delivery_id for fact in said if isinstance(fact, Outcome)}
    return readings(said)[last] == BEFORE + AFTER and routed <= ended


def check_one_version_each(data: Path, target: Receiver) -> None:
    """Every run made the same deliveries of an event, each ended in one way only, and no others were sent."""
    said = facts(data)
    with closing(open_topics(f"sqlite:///{data / 'topics'}")) as topics:
        log = log_id(topics, FLOW)
    expected: dict[str, tuple[str, str]] = {}
    for fact in said:
        if isinstance(fact, Received):
            fates = OLD if int(fact.message_id.removeprefix("m-")) < BEFORE else NEW
            ids = {
                delivery_id(log, fact.events_partition, fact.events_offset, "web", *name): fate
                for name, fate in fates.items()
            }
            assert {route for route, _, _ in fact.routes} == set(ids), (fact.message_id, fact.routes)
            expected |= ids
    ends: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for fact in said:
        if isinstance(fact, Outcome):
            ends[fact.delivery_id].add((fact.state, fact.code))
    assert ends == {name: {fate} for name, fate in expected.items()}
    sent = set(target.keys("healthy/crm")) | set(target.keys("healthy/hub"))
    assert sent == {name for name, (state, _) in expected.items() if state == "delivered"}


def balance(system: Waybill) -> dict[str, dict[str, int]]:
    """What is not 0 in the balance of each destination."""
    rows = system.view("balance", **EVER, source="", destination="", settle_seconds=0)
    return {row["destination"]: {fate: row[fate] for fate in FATES if row[fate]} for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("changed_while_it_runs", [True, False], ids=["changed, then killed", "killed, then changed"])
def test_events_read_again_are_routed_by_the_version_that_routed_them_first(
    tmp_path: Path, changed_while_it_runs: bool
) -> None:
    with receiver() as target:
        system = Waybill(tmp_path, workspace(target))
        with running(system, started=True):
            crash(system, target, changed_while_it_runs=changed_while_it_runs)
            system.start()
            if not changed_while_it_runs:
                wait_until(lambda: len(readings(facts(system.data))) == 2, 30, "events are read again", 0.2)
                system.post(plain_events(AFTER, first=BEFORE))
            wait_until(lambda: settled(system.data), 60, "settled", 0.2)
            check_one_version_each(system.data, target)
            [first_run, _] = readings(facts(system.data)).values()
            assert first_run >= 64, "no event was said to be read by both runs"
            every = BEFORE + AFTER
            closed = {
                "crm": {"routed": every, "filtered": AFTER, "delivered": BEFORE},
                "hub": {"routed": every + AFTER, "delivered": every + AFTER},
                "silent": {"routed": BEFORE, "discarded": BEFORE},
            }
            wait_until(lambda: balance(system) == closed, 30, "the balance is closed", 0.2)
            [ingest] = system.view("ingest_balance", **EVER, settle_seconds=0)
            assert (ingest["accepted"], ingest["unexplained"]) == (every, 0)


@pytest.mark.slow
def test_control_without_the_versions_the_same_check_fails(tmp_path: Path) -> None:
    with receiver() as target:
        system = Waybill(tmp_path, workspace(target))
        with running(system, started=True):
            crash(system, target, changed_while_it_runs=True)
            rmtree(system.data / "recovery" / FLOW / VERSIONS_DIRECTORY)
            system.start()
            wait_until(lambda: settled(system.data), 60, "settled", 0.2)
            with pytest.raises(AssertionError, match="m-"):
                check_one_version_each(system.data, target)
            wait_until(
                lambda: any("unexplained" in fates for fates in balance(system).values()), 60, "a hole shows", 0.5
            )
