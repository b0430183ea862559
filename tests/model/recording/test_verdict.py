import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.recording.facts import State
from model.recording.replays import Decision, EarlierOutcome, as_earlier, decide
from tests.kit.samples import T0, outcome

DISCARDED = EarlierOutcome(State.DISCARDED, "400", T0, 1)
DELIVERED = EarlierOutcome(State.DELIVERED, "", T0, 1)


@pytest.mark.parametrize(
    ("said", "prior", "decision"),
    [
        (State.DELIVERED, None, Decision(1)),
        (State.EXPIRED, None, Decision(1)),
        (State.EXPIRED, DISCARDED, Decision(0)),
        (State.DISCARDED, DELIVERED, Decision(0)),
        (State.DELIVERED, DELIVERED, Decision(0)),
        (State.DELIVERED, DISCARDED, Decision(1, takes_back=DISCARDED)),
    ],
)
def test_delivered_beats_the_rest_else_the_first_counts(
    said: State, prior: EarlierOutcome | None, decision: Decision
) -> None:
    assert decide(outcome(said), prior) == decision


@given(st.lists(st.sampled_from(State), min_size=1))
def test_however_often_and_in_whatever_order_outcomes_are_said_one_counts(states: list[State]) -> None:
    counts = dict.fromkeys(State, 0)
    prior = None
    for state in states:
        fact = outcome(state)
        decision = decide(fact, prior)
        counts[state] += decision.count
        if decision.takes_back is not None:
            counts[decision.takes_back.state] -= 1
        if decision.count:
            prior = as_earlier(fact)
    expected = State.DELIVERED if State.DELIVERED in states else states[0]
    assert counts == {state: int(state is expected) for state in State}
