"""The catalogue of reason codes: for each one what happened, whose turn it is and what to do, in plain words.

One vocabulary for facts, reports, API and alerts. Lower-case codes come from ingest (Segment's own names where it has
one), upper-case ones from delivery and transport, three digits are HTTP statuses of destinations. Other spellings are
in `model.reason_codes.aliases`; codes of single destinations in their files (`model.destinations`).
"""

from dataclasses import replace

from model.reason_codes.delivery import FAILURES, ROUTING, WAITING
from model.reason_codes.http import STATUSES, TRANSPORT
from model.reason_codes.ingest import INGEST
from model.reason_codes.reason import Owner, Reason, Severity
from model.reason_codes.segment import SEGMENT_ONLY

__all__ = ["ALL", "CATALOGUE_VERSION", "UNKNOWN", "Owner", "Reason", "Severity", "reason"]

CATALOGUE_VERSION = 2  # raised when a code changes its meaning or is removed; new codes do not count
UNKNOWN = Reason(
    "UNKNOWN",
    Severity.ERROR,
    Owner.US,
    False,
    "Something failed that this version of Waybill has no explanation for.",
    "Read the message beside the code; if it does not help, report the code with the version of Waybill.",
)
"""What is said of a code that no entry explains, such as one of a newer version."""
ALL: tuple[Reason, ...] = (*INGEST, *ROUTING, *FAILURES, *WAITING, *TRANSPORT, *STATUSES, *SEGMENT_ONLY, UNKNOWN)
_BY_CODE = {entry.code: entry for entry in ALL}


def reason(code: str) -> Reason:
    """Explain any code. Never raises: a code not in the catalogue gets the general explanation."""
    return _BY_CODE.get(code) or replace(UNKNOWN, code=code)
