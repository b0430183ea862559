from collections.abc import Sequence

import pytest

from flows.recording.replays import EPOCHS_REMEMBERED, EventKey, OutcomeKey, Priors, key_of
from model.recording.facts import Fact, State
from model.recording.replays import Prior, Verdict
from tests.samples import attempt_failed, duplicate, outcome, received, rejected, sample, spilled, tick

DISCARDED = outcome(State.DISCARDED, code="400")


class Store:
    """Knows what it is given and keeps what it is asked."""

    def __init__(self, outcomes: dict[str, Prior] | None = None, events: set[tuple[int, int]] | None = None) -> None:
        self._outcomes = outcomes or {}
        self._events = events or set()
        self.asked: list[tuple[int, int, int]] = []  # (keys, log partition, before offset)

    def outcomes(self, keys: Sequence[OutcomeKey], log_partition: int, before_offset: int) -> dict[str, Prior]:
        self.asked.append((len(keys), log_partition, before_offset))
        return {key.delivery_id: self._outcomes[key.delivery_id] for key in keys if key.delivery_id in self._outcomes}

    def events(self, keys: Sequence[EventKey], log_partition: int, before_offset: int) -> set[tuple[int, int]]:
        self.asked.append((len(keys), log_partition, before_offset))
        return {(key.events_partition, key.events_offset) for key in keys} & self._events


def judged(priors: Priors, *facts: Fact, first_offset: int = 50) -> list[Verdict]:
    priors.look_up(list(enumerate(facts, first_offset)), 1)
    return [priors.verdict(fact) for fact in facts]


def test_facts_not_marked_as_replayed_count_and_cost_no_question() -> None:
    store = Store()
    assert judged(Priors(store), outcome(), received(), duplicate()) == [Verdict(1)] * 3
    assert store.asked == []


def test_a_replayed_fact_the_store_knows_counts_nothing() -> None:
    said = outcome(replayed=True)
    store = Store({said.delivery_id: Prior(State.DELIVERED, "", 0, 1)}, {(0, 0)})
    assert judged(Priors(store), said, received(replayed=True)) == [Verdict(0)] * 2
    assert store.asked == [(1, 1, 50), (1, 1, 50)]


def test_a_replayed_fact_the_store_does_not_know_counts() -> None:
    assert judged(Priors(Store()), outcome(replayed=True), received(replayed=True)) == [Verdict(1)] * 2


def test_a_later_success_takes_back_what_the_store_knows() -> None:
    prior = Prior(State.DISCARDED, "400", 7, 1)
    priors = Priors(Store({DISCARDED.delivery_id: prior}))
    first, second = judged(priors, outcome(replayed=True), outcome(replayed=True))
    assert (first, second) == (Verdict(1, takes_back=prior), Verdict(0))


def test_what_is_not_in_the_store_yet_is_remembered() -> None:
    store = Store()
    priors = Priors(store)
    judged(priors, DISCARDED, received())
    for _ in range(EPOCHS_REMEMBERED - 1):
        priors.epoch_ended()
    verdicts = judged(priors, outcome(replayed=True), received(replayed=True))
    assert [verdict.count for verdict in verdicts] == [1, 0]
    assert verdicts[0].takes_back is not None and verdicts[0].takes_back.state is State.DISCARDED
    assert store.asked == []


def test_memory_lasts_for_a_few_epochs_only() -> None:
    store = Store()
    priors = Priors(store)
    judged(priors, DISCARDED)
    for _ in range(EPOCHS_REMEMBERED):
        priors.epoch_ended()
    judged(priors, outcome(replayed=True))
    assert store.asked == [(1, 1, 50)]


def test_an_event_received_is_not_received_again_as_a_duplicate() -> None:
    priors = Priors(Store())
    assert judged(priors, received(events_offset=9), duplicate(replayed=True)) == [Verdict(1), Verdict(0)]


@pytest.mark.parametrize("fact", [attempt_failed(replayed=True), spilled(replayed=True), sample(), rejected(), tick()])
def test_what_may_happen_many_times_counts_each_time(fact: Fact) -> None:
    assert key_of(fact) is None
    assert judged(Priors(Store()), fact, fact) == [Verdict(1)] * 2
