"""Liquid's filters of dates, which show moments in UTC unless they are given a time zone."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

from model.durations import DAY_MS, MINUTE_MS
from model.mapping import javascript as js
from model.mapping.javascript_dates import (
    CALENDAR_CYCLE_MS,
    EPOCH,
    DateParts,
    clipped,
    date_parts,
    days_since_1970,
    read_date,
)
from model.mapping.liquid.text_filters import check_growth
from model.mapping.liquid.values import LiquidFailed, Scope, is_nil, liquid_text, plain
from model.mapping.values import MISSING, text

_DEFAULT_PATTERN = "%A, %B %-e, %Y at %-l:%M %P %z"
_DIRECTIVE = re.compile(r"%([-_0^#:]+)?([0-9]+)?([EO])?([^\n\r\u2028\u2029])")
_DIGITS = re.compile("[0-9]+")
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = "January February March April May June July August September October November December".split()
_WIDTHS = {**dict.fromkeys("deHIklmMSUW", 2), "j": 3, "L": 3}
_PADDED_WITH_SPACES = frozenset("aAbBceklpP")
_WIDTH_LIMIT_DIGITS = 12
# Not known to LiquidJS, which leaves them as they are.
_COMPOSED = {"D": "%m/%d/%y", "F": "%Y-%m-%d", "R": "%H:%M", "T": "%H:%M:%S"}


@dataclass(frozen=True, slots=True)
class _Shown:
    """A moment as clocks somewhere show it. ``offset_minutes`` is what to add to get UTC, as JavaScript has it."""

    moment_ms: int
    parts: DateParts
    offset_minutes: float
    zone_name: str


def _read(scope: Scope, value: Any, zone: Any) -> _Shown | None:
    value = plain(value)
    if is_nil(value):
        return None
    moment_ms = _moment_ms(scope, value)
    if moment_ms is None:
        return None
    offset_minutes, zone_name = 0.0, "UTC"
    if isinstance(zone, str):
        offset_minutes, zone_name = _offset_minutes(zone, moment_ms), zone
    elif zone is not MISSING and zone is not None:
        offset_minutes, zone_name = js.to_number(plain(zone)), ""
    shown_ms = clipped(moment_ms - offset_minutes * MINUTE_MS)
    return None if shown_ms is None else _Shown(shown_ms, date_parts(shown_ms), offset_minutes, zone_name)


def _moment_ms(scope: Scope, value: Any) -> int | None:
    if value in ("now", "today"):
        return _now_ms(scope)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return clipped(js.to_number(value) * 1000)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return clipped(js.to_number(value) * 1000)
    return read_date(value if isinstance(value, str) else text(value))


def _now_ms(scope: Scope) -> int:
    # The moment the event was received: it gives the same at every attempt.
    received_at = scope.field("receivedAt")
    moment_ms = read_date(received_at) if isinstance(received_at, str) else None
    if moment_ms is None:
        raise LiquidFailed("has no clock: use a time of the event, such as timestamp")
    return moment_ms


def _offset_minutes(zone: str, moment_ms: int) -> float:
    # Python reads the time zone database once; it is data, like its table of characters.
    # Python's years end with 9999; the calendar, and with it what zones do, repeats itself every 400 years.
    cycles = moment_ms // CALENDAR_CYCLE_MS
    try:
        moment = EPOCH + timedelta(milliseconds=moment_ms - max(0, cycles) * CALENDAR_CYCLE_MS)
        offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    except OverflowError:
        return 0.0
    except (ValueError, KeyError, OSError):
        raise LiquidFailed("knows no time zone of that name") from None
    return -offset.total_seconds() / 60 if offset else 0.0


def _date(scope: Scope, value: Any, pattern: Any = MISSING, zone: Any = MISSING) -> Any:
    shown = _read(scope, value, zone)
    if shown is None:
        return value  # unchanged, so that a bad date is visible at the destination
    pattern = plain(pattern)
    return _formatted(shown, _DEFAULT_PATTERN if is_nil(pattern) else liquid_text(pattern))


def _with_pattern(pattern: str) -> Callable[..., Any]:
    return lambda scope, value: _date(scope, value, pattern)


def _with_month(month: str) -> Callable[..., Any]:
    def show(scope: Scope, value: Any, kind: Any = MISSING, style: Any = MISSING) -> Any:
        shown = _read(scope, value, MISSING)
        if shown is None:
            return value
        day = f"{shown.parts.day}%q"
        if kind != "ordinal":
            return _formatted(shown, f"%d {month} %Y")
        return _formatted(shown, f"{month} {day}, %Y" if style == "US" else f"{day} {month} %Y")

    return show


def _formatted(shown: _Shown, pattern: str) -> str:
    made_chars = 0

    def part(directive: "re.Match[str]") -> str:
        nonlocal made_chars
        made = _part(shown, directive)
        made_chars += len(made)
        check_growth(made_chars)
        return made

    return _DIRECTIVE.sub(part, pattern)


def _part(shown: _Shown, directive: "re.Match[str]") -> str:
    flags, digits, _, code = directive.groups(default="")
    width = int(digits[:_WIDTH_LIMIT_DIGITS] or 0)
    check_growth(width)
    if code in _COMPOSED:
        made = _formatted(shown, _COMPOSED[code])
    elif code == "N":
        width = width or 9
        made = f"{shown.parts.millisecond:03}"[:width].ljust(width, "0")
        width = 0
    elif code == "z" or (code == "Z" and not shown.zone_name):
        made = _offset_text(shown.offset_minutes, ":" if ":" in flags else "")
    elif code in _FIELDS:
        made = str(getattr(shown.parts, _FIELDS[code]))
    elif code in _PARTS:
        made = str(_PARTS[code](shown))
    else:
        return directive[0]
    width = width or _WIDTHS.get(code, 0)
    fill = " " if code in _PADDED_WITH_SPACES else "0"
    if "^" in flags:
        made = made.upper()
    elif "#" in flags:
        made = made.upper() if any("a" <= char <= "z" for char in made) else made.lower()
    if "_" in flags:
        fill = " "
    elif "0" in flags:
        fill = "0"
    return made if "-" in flags else made.rjust(width, fill)


def _offset_text(offset_minutes: float, colon: str) -> str:
    hours, minutes = divmod(abs(offset_minutes), 60)
    sign = "-" if offset_minutes > 0 else "+"
    return f"{sign}{text(hours).rjust(2, '0')}{colon}{text(minutes).rjust(2, '0')}"


def _hour12(shown: _Shown) -> int:
    return shown.parts.hour % 12 or 12


def _half(shown: _Shown) -> str:
    return "am" if shown.parts.hour < 12 else "pm"


def _week(shown: _Shown, first_weekday: int) -> int:
    parts = shown.parts
    year = parts.year + 1900 if 0 <= parts.year <= 99 else parts.year  # JavaScript's constructor of dates reads it so
    new_year_weekday = (days_since_1970(year, 1, 1) + 4) % 7
    begin = parts.day_of_year + first_weekday - parts.weekday
    return floor((begin - (7 - new_year_weekday + first_weekday)) / 7) + 1


def _ordinal(shown: _Shown) -> str:
    day = shown.parts.day
    return "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _century(shown: _Shown) -> str:
    digits = str(shown.parts.year)[:2]
    return text(float(digits)) if digits != "-" else "NaN"


def _date_text(shown: _Shown) -> str:
    year = shown.parts.year if shown.parts.year > 0 else 1 - shown.parts.year  # before Christ there is no year 0
    return f"{shown.parts.month}/{shown.parts.day}/{year}"


def _time_text(shown: _Shown) -> str:
    parts = shown.parts
    return f"{_hour12(shown)}:{parts.minute:02}:{parts.second:02} {_half(shown).upper()}"


def _iso_week(shown: _Shown) -> tuple[int, int]:
    """Return year and week as ISO 8601 counts them."""
    thursday = shown.moment_ms // DAY_MS - (shown.parts.weekday or 7) + 4
    parts = date_parts(thursday * DAY_MS)
    return parts.year, (parts.day_of_year - 1) // 7 + 1


_FIELDS = {"d": "day", "e": "day", "H": "hour", "j": "day_of_year", "k": "hour", "L": "millisecond", "m": "month"}
_FIELDS |= {"M": "minute", "S": "second", "w": "weekday", "Y": "year"}
_PARTS: Mapping[str, Callable[[_Shown], int | str]] = {
    "a": lambda shown: _WEEKDAYS[shown.parts.weekday][:3],
    "A": lambda shown: _WEEKDAYS[shown.parts.weekday],
    "b": lambda shown: _MONTHS[shown.parts.month - 1][:3],
    "h": lambda shown: _MONTHS[shown.parts.month - 1][:3],
    "B": lambda shown: _MONTHS[shown.parts.month - 1],
    "c": lambda shown: f"{_date_text(shown)}, {_time_text(shown)}",
    "C": _century,
    "G": lambda shown: _iso_week(shown)[0],
    "I": _hour12,
    "l": _hour12,
    "p": lambda shown: _half(shown).upper(),
    "P": _half,
    "q": _ordinal,
    "s": lambda shown: int(js.rounded(shown.moment_ms / 1000)),
    "u": lambda shown: shown.parts.weekday or 7,
    "U": lambda shown: _week(shown, 0),
    "V": lambda shown: f"{_iso_week(shown)[1]:02}",
    "W": lambda shown: _week(shown, 1),
    "x": _date_text,
    "X": _time_text,
    "y": lambda shown: str(shown.parts.year)[2:4],
    "Z": lambda shown: shown.zone_name,
    "t": lambda shown: "\t",
    "n": lambda shown: "\n",
    "%": lambda shown: "%",
}

LIQUIDJS: Mapping[str, Callable[..., Any]] = {
    "date": _date,
    "date_to_long_string": _with_month("%B"),
    "date_to_rfc822": _with_pattern("%a, %d %b %Y %H:%M:%S %z"),
    "date_to_string": _with_month("%b"),
    "date_to_xmlschema": _with_pattern("%Y-%m-%dT%H:%M:%S%:z"),
}
