"""Which of several outcomes of one delivery counts, when a crash made the delivery flow say it twice.

*Delivered* beats the rest, because then the event did arrive; else the first in the log. The verdict depends only on
what stands before a fact in the log, so recording the log again comes to the same counts.
"""

from dataclasses import dataclass

from model.recording.facts import Outcome, State


@dataclass(frozen=True, slots=True)
class Prior:
    """The outcome that counts so far."""

    state: State
    code: str
    at_ms: int
    attempt: int  # calls made for it


@dataclass(frozen=True, slots=True)
class Verdict:
    """``count`` of the new fact (1, or 0 for a repetition), and the earlier outcome it takes back, if any."""

    count: int
    takes_back: Prior | None = None


def judge(outcome: Outcome, prior: Prior | None) -> Verdict:
    """Decide whether ``outcome`` counts beside the one that counts so far."""
    if prior is None:
        return Verdict(1)
    if outcome.state is State.DELIVERED and prior.state is not State.DELIVERED:
        return Verdict(1, takes_back=prior)
    return Verdict(0)


def prior_of(outcome: Outcome) -> Prior:
    """The outcome as a later fact will see it."""
    return Prior(outcome.state, outcome.code, outcome.at_ms, outcome.attempt)
