"""Times and percentages as alerts write them, whatever the language of the machine."""

from datetime import UTC, datetime

from model.durations import MINUTE_MS


def moment(at_ms: int) -> str:
    """``2026-11-21 03:15``, in UTC."""
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%d %H:%M}"


def duration(ms: int) -> str:
    """``1 d 2 h 5 min``; whole minutes, rounded down."""
    days, minutes = divmod(max(0, ms) // MINUTE_MS, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count]
    return " ".join(parts) or "0 min"


def percent(points: int) -> str:
    """A bound in basis points, without zeros at the end: 400 is ``4 %``, 9950 is ``99.5 %``."""
    whole, hundredths = divmod(points, 100)
    return f"{whole:,}{f'.{hundredths:02}'.rstrip('0') if hundredths else ''} %"


def exact(points: int) -> str:
    """A measured value in basis points, with both decimals: 9400 is ``94.00 %``."""
    return f"{points // 100:,}.{points % 100:02} %"
