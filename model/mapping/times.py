"""Moments as events write them: ISO 8601, or seconds or milliseconds since 1970."""

import re
from datetime import UTC, datetime
from typing import Any

_EPOCH_TEXT = re.compile(r"[0-9]{10}|[0-9]{13}")  # seconds, milliseconds; other lengths are more likely dates or ids
_FIRST_MS = 100_000_000_000  # as seconds the year 5138, as milliseconds 1973
_LONGEST_ISO_CHARS = 64


def read_moment(value: Any) -> datetime | None:
    """Parse a moment into UTC; None when the value is not one. Without an offset it is in UTC."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if _EPOCH_TEXT.fullmatch(value):
            value = int(value)
        elif "-" not in value or len(value) > _LONGEST_ISO_CHARS:
            return None
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000 if abs(value) >= _FIRST_MS else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def read_moment_ms(value: Any) -> int | None:
    """Parse a moment into Unix ms; None when the value is not one."""
    moment = read_moment(value)
    return None if moment is None else round(moment.timestamp() * 1_000)
