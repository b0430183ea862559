"""A shard while the workspace changes: nothing is judged by an older version, and nothing is lost silently."""

from typing import Any

import pytest

from flows.delivery.queue import QueuedDelivery
from flows.delivery.removals import Removals
from flows.delivery.shard import Shard
from flows.topics.interface import EVENTS
from model.events.ids import shard_of
from model.http.messages import HttpResponse
from model.recording.facts import DestinationState, Outcome, Requeued, State
from tests.flows.delivery.test_shard import OK, Working, some
from tests.kit.samples import T0, delivery
from tests.kit.workspaces import connection, webhook, workspace


def change(
    working: Working, destinations: list[dict[str, Any]], connections: list[dict[str, Any]] | None = None
) -> None:
    """Put another workspace in force, as another thread does: the shard has not looked yet."""
    working.compile_workspace(workspace(destinations, connections))


def states(working: Working) -> list[tuple[str, str]]:
    return [(said.destination, said.state) for said in working.of_kind(DestinationState)]


def keep_removed(working: Working, seconds: int = 30) -> None:
    working.context.removals = Removals(lambda: seconds * 1_000)


BOTH = [webhook("crm"), webhook("ads")]


def test_what_a_new_version_routed_is_judged_by_it_and_not_by_the_one_before() -> None:
    working = Working()
    for number in range(6):
        name = f"new-{number}"
        change(working, [*BOTH, *(webhook(f"new-{n}") for n in range(number + 1))])
        working.take(delivery(destination=name, events_offset=number))
    assert working.of_kind(Outcome) == []
    assert {waiting.delivery.destination for group, _ in working.calls.under_way for waiting in group} == {
        f"new-{number}" for number in range(6)
    }


def test_what_another_process_routed_by_a_version_not_read_here_yet_waits_for_it() -> None:
    working = Working()
    keep_removed(working)
    ahead = delivery(destination="new", events_offset=1)
    working.take(ahead)
    ((_, waits),) = working.retries()
    assert (waits.due_at_ms, waits.attempts, waits.calls) == (T0 + 2_000, 0, 0)
    assert [(fact.code, fact.due_at_ms) for fact in working.of_kind(Requeued)] == [("DESTINATION_REMOVED", T0 + 2_000)]
    working.clock.advance(2_000)
    change(working, [*BOTH, webhook("new")])
    working.take(waits)
    working.answer(OK)
    assert [fact.state for fact in working.of_kind(Outcome)] == [State.DELIVERED]


def test_what_is_not_sent_any_more_is_kept_for_a_while_and_then_discarded() -> None:
    working = Working()
    keep_removed(working)
    (waits,) = some(1)
    change(working, [webhook("ads")])
    looks = []
    while not working.of_kind(Outcome):
        working.take(waits)
        if working.retries():
            _, waits = working.retries()[-1]
            looks.append(waits.due_at_ms - T0)
            working.clock.now_ms = waits.due_at_ms
        assert len(looks) < 10
    assert looks == [2_000, 4_000, 8_000, 16_000, 30_000, 30_000]
    (outcome,) = working.of_kind(Outcome)
    assert (outcome.state, outcome.code, outcome.at_ms) == (State.DISCARDED, "DESTINATION_REMOVED", T0 + 30_000)


def test_a_change_that_is_undone_in_time_costs_nothing() -> None:
    working = Working(concurrency=1)
    keep_removed(working)
    working.take(*some(3))
    change(working, [webhook("ads")])
    working.notify()
    assert len(working.retries()) == 2 and working.budget.deliveries == 1
    change(working, BOTH)
    working.clock.advance(2_000)
    working.take(*(waits for _, waits in working.retries()))
    working.answer(OK, OK, OK)
    assert [fact.state for fact in working.of_kind(Outcome)] == [State.DELIVERED] * 3
    # A later removal counts from its own beginning.
    change(working, [webhook("ads")])
    working.clock.advance(60_000)
    working.take(delivery(events_offset=7))
    assert len(working.of_kind(Outcome)) == 3


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ([connection("web", "ads")], "CONNECTION_REMOVED"),
        ([connection("web", "ads"), connection("web", "crm", enabled=False)], "CONNECTION_DISABLED"),
        ([connection("web", "ads"), connection("web", "crm", mode="device")], "CONNECTION_REMOVED"),
        ([connection("web", "crm", mappings=[{"name": "own"}])], "MAPPING_REMOVED"),
    ],
)
def test_whatever_keeps_a_connection_from_sending_keeps_what_waits(changed: list[dict[str, Any]], code: str) -> None:
    working = Working(concurrency=1)
    keep_removed(working)
    working.take(*some(2))
    change(working, BOTH, changed)
    working.notify()
    assert [fact.code for fact in working.of_kind(Requeued)] == [code]
    assert working.of_kind(Outcome) == []


def test_what_waits_for_a_former_id_is_sent_under_the_new_one_and_counted_under_the_old() -> None:
    working = Working(concurrency=1)
    working.take(*some(3))
    change(working, [webhook("hub", was="crm", concurrency=1), webhook("ads")])
    working.notify()
    assert len(working.calls.under_way) == 2  # the one that began under the old id, and the first under the new one
    while working.calls.under_way:
        working.answer(OK)
    outcomes = working.of_kind(Outcome)
    assert [(fact.state, fact.destination) for fact in outcomes] == [(State.DELIVERED, "crm")] * 3
    assert {fact.delivery_id for fact in outcomes} == {of.delivery_id for of in some(3)}
    assert working.budget.deliveries == 0 and working.shard.notify_at() is None


def test_old_and_new_ids_share_the_limits_of_their_destination() -> None:
    working = Working(concurrency=1)
    change(working, [webhook("hub", was=["crm", "older"], concurrency=1)])
    working.take(*some(1), delivery(destination="hub", events_offset=5), delivery(destination="older", events_offset=6))
    assert len(working.calls.under_way) == 1


def test_restored_deliveries_of_a_former_id_go_to_the_new_one() -> None:
    before = Working()
    before.take(*some(1))
    state = before.shard.snapshot()
    after = Working()
    change(after, [webhook("hub", was="crm")])
    after.shard = Shard(after.context, state)
    after.notify()
    after.answer(OK)
    assert [(fact.state, fact.destination) for fact in after.of_kind(Outcome)] == [(State.DELIVERED, "crm")]


def test_a_delivery_in_another_shard_than_its_destination_has_today_goes_there() -> None:
    working = Working()
    working.context.shards = 4
    elsewhere = (shard_of("crm", 4) + 1) % 4
    items: list[Any] = [QueuedDelivery(of, EVENTS, 0, 0, arrived_ms=T0, shard=elsewhere) for of in some(1)]
    for outputs in working.shard.on_batch([items])[0]:
        working.outputs.extend(outputs)
    assert [fact.code for fact in working.of_kind(Requeued)] == ["SHARDS_CHANGED"]
    assert working.calls.ids() == [] and working.budget.deliveries == 0


@pytest.mark.parametrize(
    "changed",
    [
        ([webhook("ads")], None),
        ([webhook("hub", was="crm"), webhook("ads")], None),
        ([webhook("crm", enabled=False), webhook("ads")], None),
        (BOTH, [connection("web", "ads")]),
    ],
    ids=["removed", "renamed", "disabled", "no connection"],
)
def test_what_was_said_of_a_destination_ends_when_nothing_is_sent_to_it_and_does_not_come_back(
    changed: tuple[list[dict[str, Any]], list[dict[str, Any]] | None],
) -> None:
    working = Working()
    for number in range(6):
        working.take(delivery(events_offset=number))
        if working.calls.under_way:
            working.answer(HttpResponse(status=401))
    assert ("crm", "setup") in states(working)
    working.clock.advance(60_000)
    working.take(delivery(events_offset=9))
    assert len(working.calls.under_way) == 1
    change(working, *changed)
    working.notify()
    assert states(working)[-1] == ("crm", "off")
    working.answer(HttpResponse(status=401))
    assert states(working)[-1] == ("crm", "off")
    assert "crm" not in working.shard.snapshot()["conditions"]


def test_what_was_said_of_a_destination_removed_while_nothing_ran_ends_at_the_start() -> None:
    before = Working()
    state = {**before.shard.snapshot(), "conditions": {"crm": "setup"}}
    after = Working(state, removed=True)
    after.notify()
    assert states(after) == [("crm", "off")]
