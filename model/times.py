"""Times as senders write them, read as Unix ms, and Unix ms written as Segment writes them. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
_FIRST_EPOCH_MS = 10**11  # a number below is seconds: in ms it would be a time before March 1973
_EPOCH_TEXT_LENGTHS = (10, 13)  # digits of the present in seconds and ms; ISO 8601 writes no time with so many
_ODD = re.compile(
    r"([+-]00)?(\d{4}-\d\d(?:-\d\d)?)(?:[T ](\d\d):(\d\d):(\d\d)([.,]\d+)?\s*(Z|UTC|GMT|[+-][\d:]{2,6})?)?"
)


def iso_ms(at_ms: int) -> str:
    """Write Unix ms as Segment does: 2026-05-01T10:00:00.000Z. Raises OverflowError outside the years 1 to 9999."""
    return (EPOCH + timedelta(milliseconds=at_ms)).isoformat("T", "milliseconds")[:-6] + "Z"


def parse_iso_ms(value: Any) -> int | None:
    """Read an ISO 8601 date and time (UTC when it names no zone) as Unix ms; None when it is not one.

    Read as well: lower-case t and z, a space for the T or before the zone, UTC and GMT for Z, 24:00:00 and the leap
    second :60 (the next day, the next minute), the year of a month alone, and numbers: Unix seconds or ms, by size.
    """
    if not isinstance(value, str):
        return _epoch_ms(value)
    if len(value) in _EPOCH_TEXT_LENGTHS and value.isdecimal():
        return _epoch_ms(int(value))
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return _parse_odd_ms(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // MILLISECOND


def _epoch_ms(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value:
        return None
    return round(value if abs(value) >= _FIRST_EPOCH_MS else value * 1000)


def _parse_odd_ms(text: str) -> int | None:
    found = _ODD.fullmatch(text.strip().upper())
    if found is None:
        return None
    _, date, hour, minute, second, fraction, zone = found.groups()
    if hour is None:
        hour, minute, second = "00", "00", "00"
    later = timedelta()
    if (hour, minute, second) == ("24", "00", "00") and not (fraction or "").strip(".,0"):
        hour, later = "00", timedelta(days=1)
    elif second == "60":
        second, later = "59", timedelta(seconds=1)
    zone = "+00:00" if zone in (None, "Z", "UTC", "GMT") else zone
    day = date if len(date) == len("2026-05-01") else f"{date}-01"
    try:
        moment = datetime.fromisoformat(f"{day}T{hour}:{minute}:{second}{fraction or ''}{zone}")
    except ValueError:
        return None
    return (moment - EPOCH + later) // MILLISECOND
