from collections.abc import Sequence

import pytest

from flows.recording.replays import EPOCHS_KEPT, EventKey, OutcomeKey, ReplayDeduplicator, key_of
from model.recording.facts import Fact, State
from model.recording.replays import Decision, EarlierOutcome
from tests.kit.samples import attempt_failed, duplicate, outcome, received, rejected, requeued, sample, watermark_report

DISCARDED = outcome(State.DISCARDED, code="400")


class Store:
    """Knows what it is given and keeps what it is asked."""

    def __init__(
        self, outcomes: dict[str, EarlierOutcome] | None = None, events: set[tuple[int, int]] | None = None
    ) -> None:
        self._outcomes = outcomes or {}
        self._events = events or set()
        self.keys: list[tuple[int, int, int]] = []  # (keys, log partition, before offset)

    def outcomes(self, keys: Sequence[OutcomeKey], log_partition: int, before_offset: int) -> dict[str, EarlierOutcome]:
        self.keys.append((len(keys), log_partition, before_offset))
        return {key.delivery_id: self._outcomes[key.delivery_id] for key in keys if key.delivery_id in self._outcomes}

    def events(self, keys: Sequence[EventKey], log_partition: int, before_offset: int) -> set[tuple[int, int]]:
        self.keys.append((len(keys), log_partition, before_offset))
        return {(key.events_partition, key.events_offset) for key in keys} & self._events


def judged(priors: ReplayDeduplicator, *facts: Fact, first_offset: int = 50) -> list[Decision]:
    priors.look_up(list(enumerate(facts, first_offset)), 1)
    return [priors.decision(fact) for fact in facts]


def test_facts_not_marked_as_replayed_count_and_cost_no_question() -> None:
    store = Store()
    assert judged(ReplayDeduplicator(store), outcome(), received(), duplicate()) == [Decision(1)] * 3
    assert store.keys == []


def test_a_replayed_fact_the_store_knows_counts_nothing() -> None:
    said = outcome(replayed=True)
    store = Store({said.delivery_id: EarlierOutcome(State.DELIVERED, "", 0, 1)}, {(0, 0)})
    assert judged(ReplayDeduplicator(store), said, received(replayed=True)) == [Decision(0)] * 2
    assert store.keys == [(1, 1, 50), (1, 1, 50)]


def test_a_replayed_fact_the_store_does_not_know_counts() -> None:
    assert judged(ReplayDeduplicator(Store()), outcome(replayed=True), received(replayed=True)) == [Decision(1)] * 2


def test_a_later_success_takes_back_what_the_store_knows() -> None:
    prior = EarlierOutcome(State.DISCARDED, "400", 7, 1)
    priors = ReplayDeduplicator(Store({DISCARDED.delivery_id: prior}))
    first, second = judged(priors, outcome(replayed=True), outcome(replayed=True))
    assert (first, second) == (Decision(1, takes_back=prior), Decision(0))


def test_what_is_not_in_the_store_yet_is_remembered() -> None:
    store = Store()
    priors = ReplayDeduplicator(store)
    judged(priors, DISCARDED, received())
    for _ in range(EPOCHS_KEPT - 1):
        priors.epoch_ended()
    verdicts = judged(priors, outcome(replayed=True), received(replayed=True))
    assert [decision.count for decision in verdicts] == [1, 0]
    assert verdicts[0].takes_back is not None and verdicts[0].takes_back.state is State.DISCARDED
    assert store.keys == []


def test_memory_lasts_for_a_few_epochs_only() -> None:
    store = Store()
    priors = ReplayDeduplicator(store)
    judged(priors, DISCARDED)
    for _ in range(EPOCHS_KEPT):
        priors.epoch_ended()
    judged(priors, outcome(replayed=True))
    assert store.keys == [(1, 1, 50)]


def test_an_event_received_is_not_received_again_as_a_duplicate() -> None:
    priors = ReplayDeduplicator(Store())
    assert judged(priors, received(events_offset=9), duplicate(replayed=True)) == [Decision(1), Decision(0)]


@pytest.mark.parametrize(
    "fact", [attempt_failed(replayed=True), requeued(replayed=True), sample(), rejected(), watermark_report()]
)
def test_what_may_happen_many_times_counts_each_time(fact: Fact) -> None:
    assert key_of(fact) is None
    assert judged(ReplayDeduplicator(Store()), fact, fact) == [Decision(1)] * 2
