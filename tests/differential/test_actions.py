"""Actions of destination filters against the transformers of tsub."""

from random import Random
from typing import Any

import pytest

from model.fql.actions import FilterAction, MapProperties, apply
from tests.differential import action_cases
from tests.differential.node import Reference

Case = tuple[list[FilterAction], list[dict[str, Any]]]


def never() -> float:
    raise AssertionError("nothing is left to chance here")


def value_at(event: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(event, list) and name.isdigit() and int(name) < len(event):
            event = event[int(name)]
        elif isinstance(event, dict) and name in event:
            event = event[name]
        else:
            return None
    return event


def is_known_to_differ(actions: list[FilterAction], event: dict[str, Any]) -> bool:
    """Whether tsub would leave a moved 0 where it was, or write 'undefined' for a field that is missing."""
    last = actions[-1] if actions else None
    if not isinstance(last, MapProperties):
        return False
    left = apply(actions[:-1], event, never) or {}
    return any(
        change.move_from is not None
        and not value_at(left, change.move_from)
        or change.to_string
        and value_at(left, path) is None
        for path, change in last.map.items()
    )


def differences(reference: Reference, cases: list[Case]) -> list[str]:
    """Say which events are not changed alike; the shortest case first."""
    found = []
    questions = [{"transformers": [*map(action_cases.transformer, a)], "events": events} for a, events in cases]
    for (actions, events), answer in zip(cases, reference.ask_all("actions", questions), strict=True):
        assert answer.error is None
        for event, theirs in zip(events, answer.result, strict=True):
            if "failed" in theirs or is_known_to_differ(actions, event):
                continue
            made = apply(actions, event, never)
            if made != theirs["made"]:
                found.append(f"{actions} on {event}: {made} here, {theirs['made']} in Segment")
    return sorted(found, key=len)


def generated(seed: int, lists_of_actions: int) -> list[Case]:
    draw = Random(seed)
    return [(action_cases.actions(draw), [action_cases.event(draw) for _ in range(4)]) for _ in range(lists_of_actions)]


def test_generated_actions_make_the_same_events(reference: Reference) -> None:
    cases = generated(1, 500)
    assert differences(reference, cases) == []
    all_made = [(event, apply(actions, event, never)) for actions, events in cases for event in events]
    assert sum(made is not None and made != event for event, made in all_made) > len(all_made) / 4


@pytest.mark.slow
def test_many_generated_actions_make_the_same_events(reference: Reference) -> None:
    for seed in range(100, 112):
        assert differences(reference, generated(seed, 1_000)) == []
