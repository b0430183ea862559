"""The state of a rule between two evaluations: whether it fires, since when, and when it last notified."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Check(StrEnum):
    """What is compared. A rule may have several, each with a state of its own."""

    DAY = "day"  # 24 hours, once every five minutes
    FAST = "fast"  # first attempts of 5 minutes and of an hour, every minute
    HOUR = "hour"  # failed events of an hour, every minute
    SETUP = "setup"  # a destination that needs a person
    BLIND = "blind"  # whether anything is counted at all


class StateKey(NamedTuple):
    """The rule and the check that a state belongs to."""

    rule_id: str
    check: Check


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleState:
    """A check of a rule between two evaluations; by default one that has never fired.

    since_ms: window end at which it started to fire, or recovered; 0 before the first change. The other fields describe
    the current episode and are empty while the check is ok. episode: id of the alert event that started it.
    notified_ms: window end of the last notification; 0: nobody was notified. suppressed: why the start notified nobody.
    definition: digest of what the rule compared at the start.
    """

    firing: bool = False
    since_ms: int = 0
    episode: str = ""
    notified_ms: int = 0
    suppressed: str = ""
    definition: str = ""


NEVER_FIRED = RuleState()
