"""The state of a rule between two evaluations: whether it fires, since when, and when it last notified."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, NamedTuple

STATE_VERSION = 1


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
    """A check of a rule between two evaluations; as made without arguments, one that has never fired.

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

    def to_record(self) -> dict[str, Any]:
        """As plain data, for a snapshot."""
        return {"v": STATE_VERSION, **asdict(self)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "RuleState":
        """From plain data. Raises ValueError for a version that this Waybill does not read."""
        if record.get("v") != STATE_VERSION:
            raise ValueError(f"a rule's state has version {record.get('v')}; this Waybill reads {STATE_VERSION}")
        return cls(**{name: value for name, value in record.items() if name != "v"})


NEVER_FIRED = RuleState()
