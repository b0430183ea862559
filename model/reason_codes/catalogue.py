"""The catalogue of reason codes: for each code what happened, who has to act and what to do.

One vocabulary for facts, reports, API and alerts. Lower-case codes come from ingest (Segment's own names where it has
one), upper-case ones from delivery and transport, three digits are HTTP statuses of destinations. Other spellings are
in `model.reason_codes.aliases`; codes of one destination type are in its file (`model.destinations`).
"""

from dataclasses import replace

from model.reason_codes.delivery import DELIVERY
from model.reason_codes.http import STATUSES, TRANSPORT
from model.reason_codes.ingest import INGEST
from model.reason_codes.reason import Owner, Reason, Severity, reason_table
from model.reason_codes.segment import SEGMENT_ONLY

__all__ = ["ALL", "CATALOGUE_VERSION", "UNKNOWN", "Owner", "Reason", "Severity", "reason"]

CATALOGUE_VERSION = 2  # raised when a code changes its meaning or is removed; new codes do not count
[UNKNOWN] = reason_table("""
error, us
    UNKNOWN | This version of Waybill does not know the code. |
        Read the message beside the code; if it does not help, report the code and the version of Waybill.
""")
"""The explanation of a code without an entry, such as one of a newer version."""
ALL: tuple[Reason, ...] = (*INGEST, *DELIVERY, *TRANSPORT, *STATUSES, *SEGMENT_ONLY, UNKNOWN)
_BY_CODE = {entry.code: entry for entry in ALL}


def reason(code: str) -> Reason:
    """Explain any code. Never raises: a code not in the catalogue gets the general explanation."""
    return _BY_CODE.get(code) or replace(UNKNOWN, code=code)
