"""One entry of the catalogue of reason codes: what happened, who has to act, and what to do."""

import re
from dataclasses import dataclass
from enum import StrEnum

EVENTS_ARE_KEPT = "Waybill keeps the events and tries again; while all are refused, with one call a minute."


class Severity(StrEnum):
    """How urgent it is."""

    INFO = "info"  # configuration working as intended, or a passing condition
    WARNING = "warning"  # events are late, or single events are lost
    ERROR = "error"  # events are lost until somebody acts


class Owner(StrEnum):
    """Who has to act."""

    SOURCE = "source"  # whoever sends the events
    US = "us"  # whoever runs Waybill
    DESTINATION = "destination"  # the partner, or the destination's settings


@dataclass(frozen=True, slots=True)
class Reason:
    """One code explained. ``retryable``: Waybill retries, or sending again later can succeed.

    ``link``: where a person can read more; '' when there is nothing to add.
    """

    code: str
    severity: Severity
    owner: Owner
    retryable: bool
    description: str
    action: str
    link: str = ""


def reason_table(table: str, link: str = "") -> tuple[Reason, ...]:
    """Read a table of reasons.

        severity, owner[, retried][ | default action]
            code | description[ | action]

    A line that is indented further continues the one before it. Raises ValueError for a malformed table.
    """
    reasons = []
    for line in re.sub(r"\n {8,}", " ", table).strip().splitlines():
        first, *texts = line.strip().split(" | ")
        if not line.startswith(" "):
            severity, owner, *retried = first.split(", ")
            default = texts
        else:
            description, action = texts if len(texts) == 2 else (*texts, *default)
            reasons.append(Reason(first, Severity(severity), Owner(owner), bool(retried), description, action, link))
    return tuple(reasons)
