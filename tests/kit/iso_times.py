"""Unix ms written and read as the texts events hold."""

from datetime import timedelta
from typing import Any

from model.events.times import EPOCH, iso, parse_moment


def iso_ms(at_ms: int) -> str:
    """Write Unix ms as `iso` does. Raises OverflowError outside the years 1 to 9999."""
    return iso(EPOCH + timedelta(milliseconds=at_ms))


def parse_iso_ms(value: Any) -> int | None:
    """Read what `parse_moment` reads as Unix ms, the one below it."""
    moment = parse_moment(value)
    return None if moment is None else (moment - EPOCH) // timedelta(milliseconds=1)
