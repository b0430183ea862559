"""How numbers, times and series are written in the terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from unicodedata import category

from rich.table import Table
from rich.text import Text

_BLOCKS = "▁▂▃▄▅▆▇█"
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # control characters, text direction, surrogates, ...


def printable(text: str) -> str:
    """Make text from outside safe for a terminal: escape sequences in it must not reach the person's screen."""
    return "".join("\N{REPLACEMENT CHARACTER}" if category(char) in _UNPRINTABLE else char for char in text)


def safe_text(text: str, style: str = "") -> Text:
    """Make text from outside a rich Text, in which square brackets are no markup either."""
    return Text(printable(text), style)


def folding_table(*headings: str, **look: Any) -> Table:
    """Make a table that breaks long words instead of cutting them."""
    table = Table(title_justify="left", **look)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def count(number: int) -> str:
    """Write a count: 12,345."""
    return f"{number:,}"


def percent(share: float | None) -> str:
    """Write a share; never rounds up to 100 % what is not all of it."""
    if share is None:
        return "–"
    return "100 %" if share >= 1 else f"{int(share * 10_000) / 100:.2f} %"


def duration(ms: float | None) -> str:
    """Write a duration in the unit a person would use: 850 ms, 1.25 s, 3 min 20 s, 2 h 5 min."""
    if ms is None:
        return "–"
    if ms < 1_000:
        return f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{ms / 1000:.2f}".rstrip("0").rstrip(".") + " s"
    larger, smaller, size = ("min", "s", 60) if ms < 3_600_000 else ("h", "min", 3_600)
    whole, rest = divmod(round(ms / 1000), size)
    rest = rest if smaller == "s" else rest // 60
    return f"{whole} {larger} {rest} {smaller}" if rest else f"{whole} {larger}"


def change(by: float | None, unit: str) -> str:
    """Write a change against the period before: ▲ 12.5 %, ▼ 0.42 points, ▲ 1.2 s, = when there is none."""
    if by is None:
        return "–"
    if not by:
        return "="
    size = duration(abs(by)) if unit == "ms" else f"{abs(by):,.2f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{'▲' if by > 0 else '▼'} {'< 0.01 ' + unit if size.startswith('0 ') and unit != 'ms' else size}"


def clock_time(ms: int) -> str:
    """Write a time of day: 12:03:10 (UTC)."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%H:%M:%S}"


def day_and_time(ms: int) -> str:
    """Write a day and time: 2026-11-21 12:03:10 (UTC)."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def exact_time(ms: int) -> str:
    """Write a time to the millisecond: 12:03:10.042 (UTC)."""
    return f"{clock_time(ms)}.{ms % 1000:03d}"


def bars(values: Sequence[int]) -> str:
    """Draw a series as blocks; nothing is a blank, and anything at all is at least the lowest block."""
    peak = max(values, default=0)
    return "".join(" " if value <= 0 else _BLOCKS[-(-value * len(_BLOCKS) // peak) - 1] for value in values)
