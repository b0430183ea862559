"""Which of several outcomes of one delivery counts, after a crash made the delivery flow repeat it.

*Delivered* wins, because the event did arrive; otherwise the first in the log. The decision depends only on earlier
records of the log, so recording the log again gives the same counts.
"""

from dataclasses import dataclass

from model.recording.facts import Outcome, State


@dataclass(frozen=True, slots=True)
class EarlierOutcome:
    """The outcome that counts so far."""

    state: State
    code: str
    at_ms: int
    attempt: int  # calls made for it


@dataclass(frozen=True, slots=True)
class Decision:
    """``count`` of the new fact (1, or 0 for a repetition), and the earlier outcome it takes back, if any."""

    count: int
    takes_back: EarlierOutcome | None = None


def decide(outcome: Outcome, prior: EarlierOutcome | None) -> Decision:
    """Decide whether ``outcome`` counts beside the one that counts so far."""
    if prior is None:
        return Decision(1)
    if outcome.state is State.DELIVERED and prior.state is not State.DELIVERED:
        return Decision(1, takes_back=prior)
    return Decision(0)


def as_earlier(outcome: Outcome) -> EarlierOutcome:
    """The outcome in the form that later decisions compare with."""
    return EarlierOutcome(outcome.state, outcome.code, outcome.at_ms, outcome.attempt)
