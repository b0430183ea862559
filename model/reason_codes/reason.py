"""One entry of the catalogue of reason codes: what happened, who has to act, and what to do."""

from dataclasses import dataclass
from enum import StrEnum


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
