"""One entry of the catalogue of reason codes: what happened, whose turn it is, what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a person should mind."""

    INFO = "info"  # configuration working as asked, or something that passes by itself
    WARNING = "warning"  # events are late or single events are lost
    ERROR = "error"  # somebody has to act, or events keep being lost


class Owner(StrEnum):
    """Whose turn it is."""

    SOURCE = "source"  # whoever sends the events
    US = "us"  # whoever runs Waybill
    DESTINATION = "destination"  # the partner, or the destination's settings


@dataclass(frozen=True, slots=True)
class Reason:
    """One code explained. ``retryable``: Waybill tries again by itself, or trying again later can help.

    ``link``: where a person can read more; '' when there is nothing to add.
    """

    code: str
    severity: Severity
    owner: Owner
    retryable: bool
    description: str
    action: str
    link: str = ""
