"""Triggers against Segment's own parser and evaluator of triggers."""

import subprocess
import tarfile
from pathlib import Path
from random import Random
from typing import Any

import pytest

from model.fql.triggers import compile_trigger
from tests.differential import fql_cases
from tests.differential.node import Reference, install_packages
from tests.kit.once import made_once

PRESETS = "@segment/action-destinations@3.497.0"
SOME_EVENTS: list[dict[str, Any]] = [
    {"type": kind, "event": name, "name": name, "properties": {"name": name}}
    for kind in ("track", "page", "screen", "identify", "group", "alias")
    for name in ("Order Completed", "Cart Updated", "Trigger Survey", "Home", "Address Registered", "", None)
]


def differences(reference: Reference, cases: list[tuple[str, list[dict[str, Any]]]]) -> list[str]:
    """Say which events a trigger takes here and not in Segment, or the other way round; the shortest case first."""
    found = []
    answers = reference.ask_all("trigger", [{"trigger": trigger, "events": events} for trigger, events in cases])
    for (trigger, events), answer in zip(cases, answers, strict=True):
        matches = compile_trigger(trigger).matches
        theirs = answer.result or [answer.error] * len(events)
        for event, expected in zip(events, theirs, strict=True):
            if matches(event) != expected:
                found.append(f"{trigger!r} on {event}: {matches(event)} here, {expected} in Segment")
    return sorted(found, key=len)


def generated(seed: int, triggers: int) -> list[tuple[str, list[dict[str, Any]]]]:
    draw = Random(seed)
    return [(fql_cases.trigger(draw), [fql_cases.event(draw) for _ in range(5)]) for _ in range(triggers)]


def test_generated_triggers_take_the_same_events(reference: Reference) -> None:
    cases = generated(1, 600)
    assert differences(reference, cases) == []
    taken = [compile_trigger(trigger).matches(event) for trigger, events in cases for event in events]
    assert 0.1 < sum(taken) / len(taken) < 0.9  # both answers are compared


@pytest.mark.slow
def test_many_generated_triggers_take_the_same_events(reference: Reference) -> None:
    for seed in range(100, 112):
        assert differences(reference, generated(seed, 1_000)) == []


@pytest.fixture(scope="module")
def presets(reference: Reference) -> list[str]:
    """The triggers of every destination Segment ships; the package alone, without the hundreds it depends on."""
    install_packages()  # skips where npm is missing

    def fetch(directory: Path) -> None:
        command = ["npm", "pack", "--silent", PRESETS]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, f"npm pack failed: {done.stderr}"
        [archive] = directory.glob("*.tgz")
        with tarfile.open(archive) as packed:
            packed.extractall(directory, filter="data")

    folder = made_once("node", "presets", PRESETS.encode(), fetch)
    answer = reference.ask("presets", {"destinations": str(folder / "package" / "dist" / "destinations")})
    assert answer.error is None
    triggers: list[str] = answer.result
    return triggers


def test_no_trigger_segment_ships_is_refused(presets: list[str]) -> None:
    assert len(presets) > 150
    for trigger in presets:
        compile_trigger(trigger)


def test_triggers_segment_ships_take_the_same_events(reference: Reference, presets: list[str]) -> None:
    cases = [(trigger, SOME_EVENTS) for trigger in presets if "==" not in trigger]  # which takes nothing in Segment
    assert differences(reference, cases) == []
