"""Batches against a partner that refuses some events, some items, some whole batches, and while processes die."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from model.recording.facts import AttemptFailed, Outcome, Received, State
from tests.kit.batch_receiver import NAME, Event, batch_cluster, facts_of, taken, wait_until_settled
from tests.kit.cluster import EVER, QUICK, plain_events
from tests.kit.system import wait_until

BATCH = 50
KILLS = 3
CHOSEN = {**EVER, "source": "", "destination": "crm"}
POISONED = (0, 41, 42, 700, 1_234, 1_500, 1_999)  # the first, two side by side, the last


def batched(max_age_seconds: float, more: str = "") -> str:
    """Settings of a destination that takes fifty at a time."""
    return f"batch: {{max_events: {BATCH}, max_age_seconds: {max_age_seconds}}}{more}"


def events_with(poisoned: Sequence[int], count: int) -> list[Event]:
    """Plain events, some of which spoil the batch they are in."""
    events = plain_events(count)
    for number in poisoned:
        events[number]["properties"]["poisoned"] = True
    return events


def refuse_poisoned(events: Sequence[Event], earlier: Sequence[int]) -> int:
    """What a partner does that checks a batch as a whole."""
    return 400 if any(event["properties"].get("poisoned") for event in events) else 200


def answer_each(events: Sequence[Event], earlier: Sequence[int]) -> list[int]:
    """Each event says its answers; the last one for ever after."""
    scripts = [event["properties"]["answers"] for event in events]
    return [script[min(before, len(script) - 1)] for script, before in zip(scripts, earlier, strict=True)]


def balance(*, delivered: int, discarded: int = 0) -> dict[str, int]:
    """A closed one."""
    return {
        "routed": delivered + discarded, "filtered": 0, "delivered": delivered,
        "discarded": discarded, "expired": 0, "pending": 0, "unexplained": 0,
    }  # fmt: skip


@pytest.mark.slow
def test_events_that_spoil_their_batch_are_discarded_and_take_no_neighbour_along(tmp_path: Path) -> None:
    count = 2_000
    spoilers = {f"m-{number}" for number in POISONED}
    with batch_cluster(tmp_path, refuse_poisoned, batched(0.5)) as (made, partner):
        made.start("recording")
        made.start("delivery")
        made.send(events_with(POISONED, count))
        wait_until_settled(made, count)
        made.stop("delivery")
        made.stop("recording")
        numbers = made.numbers()
        outcomes = [fact for fact in facts_of(made) if isinstance(fact, Outcome)]
    assert numbers["balance"] == balance(delivered=count - len(POISONED), discarded=len(POISONED))
    assert numbers["errors"] == [("crm", "400", "discarded", len(POISONED))]
    assert numbers["metrics"]["possible_duplicates"] == 0
    assert taken(partner.calls) == {f"m-{n}": 1 for n in range(count) if n not in POISONED}
    discarded = [outcome for outcome in outcomes if outcome.state is State.DISCARDED]
    assert {outcome.message_id for outcome in discarded} == spoilers
    assert all(outcome.batch_items == 0 for outcome in discarded), "each was refused standing alone"
    refused = [call for call in partner.calls if call.status == 400]
    assert any(len(call.messages) > 1 for call in refused), "no batch was refused: nothing was tested"
    assert max(len(call.messages) for call in partner.calls) == BATCH
    assert len(partner.calls) < count / 5, "sent one by one"


@pytest.mark.slow
def test_each_item_of_a_207_has_the_outcome_and_the_retries_of_its_own_status(tmp_path: Path) -> None:
    events = plain_events(600)
    for number, event in enumerate(events):
        event["properties"]["answers"] = [400] if number % 10 == 0 else [500, 200] if number % 10 < 3 else [200]
    scripts = {event["messageId"]: event["properties"]["answers"] for event in events}
    with batch_cluster(tmp_path, answer_each, batched(0.3)) as (made, partner):
        made.start("recording")
        made.start("delivery")
        made.send(events)
        wait_until_settled(made, len(events))
        made.stop("delivery")
        made.stop("recording")
        numbers = made.numbers()
        facts = facts_of(made)
    answered: dict[str, list[int]] = {message: [] for message in scripts}
    for call in partner.calls:
        for message, status in zip(call.messages, call.statuses, strict=True):
            answered[message].append(status)
    assert answered == scripts
    assert numbers["balance"] == balance(delivered=540, discarded=60)
    assert numbers["errors"] == [("crm", "400", "discarded", 60)]
    failed = [fact for fact in facts if isinstance(fact, AttemptFailed)]
    assert sorted(fact.message_id for fact in failed) == sorted(m for m, script in scripts.items() if script[0] == 500)
    assert {fact.code for fact in failed} == {"500"}
    assert all(fact.batch_items == 0 for fact in facts if isinstance(fact, AttemptFailed | Outcome))
    assert max(len(set(call.statuses)) for call in partner.calls) == 3, "no batch was mixed: nothing was tested"


@pytest.mark.slow
def test_nothing_is_lost_when_delivery_is_killed_in_the_middle_of_batches(tmp_path: Path) -> None:
    count, poisoned = 1_200, (3, 410, 411, 950)
    part = count // KILLS
    events = events_with(poisoned, count)
    in_flight: set[str] = set()
    with batch_cluster(tmp_path, refuse_poisoned, batched(0.2, ", concurrency: 2"), delay_seconds=0.05) as (
        made,
        partner,
    ):
        made.start("recording")
        made.start("delivery")
        for kill in range(KILLS):
            made.send(events[kill * part : (kill + 1) * part])
            made.wait_for(NAME, {"taken": kill * part + part // 4})
            partner.hold()
            made.wait_for(NAME, {"waiting": 1})
            made.kill("delivery")
            in_flight |= taken(partner.calls[-partner.waiting :]).keys()
            partner.release()
            made.start("delivery")
        wait_until_settled(made, count)
        made.stop("delivery")
        made.stop("recording")
        numbers = made.numbers()
    found = taken(partner.calls)
    assert numbers["balance"] == balance(delivered=count - len(poisoned), discarded=len(poisoned))
    assert numbers["ingest"]["accepted"] == count and numbers["ingest"]["unexplained"] == 0
    assert found.keys() == {event["messageId"] for event in events if not event["properties"].get("poisoned")}
    repeated = {message for message, times in found.items() if times > 1}
    assert in_flight, "no kill hit a batch: nothing was tested"
    assert in_flight <= repeated
    assert numbers["metrics"]["possible_duplicates"] >= len(repeated)


@pytest.mark.slow
def test_a_clean_stop_neither_loses_nor_repeats_a_batch_that_is_still_filling(tmp_path: Path) -> None:
    first = 30
    with batch_cluster(tmp_path, refuse_poisoned, batched(25)) as (made, partner):
        made.start("recording")
        made.start("delivery")
        made.send(plain_events(first))
        wait_until(
            lambda: sum(isinstance(fact, Received) for fact in facts_of(made)) == first, 20, "taken up by delivery"
        )
        made.stop("delivery")
        assert partner.calls == [], "the batch was not held back: nothing was tested"
        made.start("delivery")
        made.send(plain_events(BATCH - first, first))
        wait_until_settled(made, BATCH)
        made.stop("delivery")
        made.stop("recording")
        numbers = made.numbers()
    [call] = partner.calls
    assert sorted(call.messages) == sorted(f"m-{number}" for number in range(BATCH))
    assert numbers["balance"] == balance(delivered=BATCH)
    assert numbers["metrics"]["possible_duplicates"] == 0


def test_a_batch_may_take_longer_to_fill_than_a_delivery_may_wait_for_its_turn(tmp_path: Path) -> None:
    delivery = f"{QUICK}max_wait_in_queue_seconds: 1\n"
    with batch_cluster(tmp_path, refuse_poisoned, batched(2), delivery=delivery) as (made, partner):
        made.start("delivery")
        made.send(plain_events(10))
        wait_until_settled(made, 10)
        made.stop("delivery")
        assert made.retry_records() == 0
    assert [len(call.messages) for call in partner.calls] == [10]


@pytest.mark.slow
def test_a_batch_that_failed_as_a_whole_is_labelled_so_and_delivered_later(tmp_path: Path) -> None:
    outages = iter([500] * 3)

    def recover(events: Sequence[Event], earlier: Sequence[int]) -> int:
        return next(outages, 200)

    messages = [f"m-{number}" for number in range(4 * BATCH)]
    asked = messages[::10]
    with batch_cluster(tmp_path, recover, batched(0.5)) as (made, partner):
        made.start("recording")
        made.start("delivery")
        made.send(plain_events(len(messages)))
        wait_until_settled(made, len(messages))
        made.stop("delivery")
        made.stop("recording")
        numbers = made.numbers()
        traces = made.views(*[("event_trace", {"message_id": message}) for message in asked])
    failed = [call for call in partner.calls if call.status == 500]
    assert len(failed) == 3 and all(len(call.messages) > 1 for call in failed)
    for message, steps in zip(asked, traces, strict=True):
        labels = [(step["code"], step["batch_items"]) for step in steps if step["step"] == "attempt_failed"]
        assert labels == [("500", len(call.messages)) for call in failed if message in call.messages]
        [outcome] = [step for step in steps if step["step"] == "outcome"]
        assert (outcome["state"], outcome["batch_items"]) == ("delivered", 0)
    assert any(step["step"] == "attempt_failed" for steps in traces for step in steps)
    assert numbers["balance"] == balance(delivered=len(messages))
    assert taken(partner.calls) == dict.fromkeys(messages, 1)
