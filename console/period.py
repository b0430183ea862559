"""Parses periods and times of command line options: 15m, 24h, 7d; 2026-11-20T08:30."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import typer

from model.durations import MINUTE_MS

_UNITS = {"m": 60, "h": 3_600, "d": 86_400}
FIRST_YEAR = 1971  # an earlier time with an offset may be before Unix time starts
LONGEST_SECONDS = 400 * 86_400  # hours are kept no longer by default


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time that ends now."""

    seconds: int

    def until(self, now_ms: int) -> tuple[int, int]:
        """Return the period up to the end of the current minute, in whole minutes, as Unix ms [from, to)."""
        to_ms = (now_ms // MINUTE_MS + 1) * MINUTE_MS
        return (to_ms - max(self.seconds * 1_000, MINUTE_MS)) // MINUTE_MS * MINUTE_MS, to_ms


def parse_period(text: str) -> Period:
    """Read a period for a command line option."""
    match = re.fullmatch(r"(\d{1,6})([mhd])", text.strip())
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= LONGEST_SECONDS:
        raise typer.BadParameter(f"{text!r} is no period; write 15m, 24h or 7d, up to {LONGEST_SECONDS // 86_400}d")
    return Period(seconds)


def parse_time(text: str, option: str) -> int | None:
    """Read a time for a command line option as Unix ms: ISO 8601, UTC where no offset is given; '' is None."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.year < FIRST_YEAR:
            raise ValueError
    except ValueError:
        remedy = "write 2026-11-20 or 2026-11-20T08:30, which are UTC, or add an offset such as +01:00"
        raise typer.BadParameter(f"{text!r} is not a time; {remedy}", param_hint=option) from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
