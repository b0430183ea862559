"""Parses the times that senders write, and formats times as Segment does. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_EPOCH_MS = 10**11  # a number below is seconds: in ms it would be a time before March 1973
_EPOCH_TEXT_LENGTHS = (10, 13)  # digits of current Unix seconds and ms; no ISO 8601 time has this many digits
_ODD = re.compile(
    r"([+-]00)?(\d{4}-\d\d(?:-\d\d)?)(?:[T ](\d\d):(\d\d):(\d\d)([.,]\d+)?\s*(Z|UTC|GMT|[+-][\d:]{2,6})?)?"
)


def iso(moment: datetime) -> str:
    """Format a time in UTC as Segment does, rounded down to milliseconds: 2026-05-01T10:00:00.000Z."""
    return moment.isoformat("T", "milliseconds")[:-6] + "Z"


def parse_moment(value: Any) -> datetime | None:
    """Parse an ISO 8601 date and time (UTC without a zone) into UTC; None when it is invalid.

    Also accepted: lower-case t and z, a space for the T or before the zone, UTC and GMT for Z, 24:00:00 and the leap
    second :60 (the next day, the next minute), the year and month alone, and numbers: Unix seconds or ms, by size.
    """
    try:
        if not isinstance(value, str):
            return _of_epoch(value)
        if len(value) in _EPOCH_TEXT_LENGTHS and value.isdecimal():
            return _of_epoch(int(value))
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return _parse_odd(value)
        return _in_utc(moment)
    except OverflowError:  # outside the years 1 to 9999
        return None


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _of_epoch(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value:
        return None
    ms = round(value if abs(value) >= _FIRST_EPOCH_MS else value * 1000)
    return EPOCH + timedelta(milliseconds=ms)


def _parse_odd(text: str) -> datetime | None:
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
        return _in_utc(datetime.fromisoformat(f"{day}T{hour}:{minute}:{second}{fraction or ''}{zone}")) + later
    except ValueError:
        return None
