"""Moments as JavaScript counts and reads them: milliseconds since 1970 in UTC, and texts as ``new Date()`` takes them.

ISO 8601 is tried first. Other texts are parsed as V8, the engine of Node.js, does: numbers are the parts of a
day or a time by the character after them, names of months and time zones are read, other words may only come before
the first number, and parentheses are skipped. Without a time zone a moment is in UTC.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import isfinite
from typing import Literal

from model.durations import DAY_MS, MINUTE_MS
from model.mapping import javascript as js

LATEST_MS = 8_640_000_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097  # after which the calendar, weekdays included, repeats itself
CALENDAR_CYCLE_MS = _CYCLE_DAYS * DAY_MS
LONGEST_CHARS = 1_000  # of a text that may be a date

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONES = {"ut": 0, "utc": 0, "z": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5}
_ZONES |= {"mst": -7, "mdt": -6, "pst": -8, "pdt": -7}
_KEYWORDS = {
    **{name: ("month", number) for number, name in enumerate(_MONTHS, 1)},
    **{name: ("zone", hours) for name, hours in _ZONES.items()},
    "am": ("half", 0),
    "pm": ("half", 12),
}
_LETTER = r"A-Za-z\[-\U0010ffff"  # for V8, everything from A on, but blanks
_TOKEN = re.compile(
    rf"(?P<number>[0-9]+)|(?P<symbol>[:+.)-])|(?P<blank>{js.SPACE}+)|(?P<word>(?:(?!{js.SPACE})[{_LETTER}])+)"
)
_ISO = re.compile(
    r"(?P<year>[0-9]{4}|[+-][0-9]{6})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?)?"
    r"(?P<time>[Tt](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]+))?)?"
    r"(?P<zone>[Zz]|(?P<sign>[+-])(?P<zone_hour>[0-9]{2}):?(?P<zone_minute>[0-9]{2}))?)?"
)
_ISO_BEGINS = re.compile(
    r"([0-9]{4}|[+-][0-9]{6})(?![0-9])"
    r"(?:-(?:(0[1-9]|1[0-2])(?![0-9])(?:-(?:(0[1-9]|[12][0-9]|3[01])(?![0-9]))?)?)?)?"
)
_ISO_TIME_BEGINS = re.compile(rf"[Tt](?![{_LETTER}])")
_SIGNIFICANT_DIGITS = 9


@dataclass(frozen=True, slots=True)
class DateParts:
    """A moment in the calendar. ``weekday``: 0 is Sunday."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    millisecond: int
    weekday: int
    day_of_year: int


def clipped(moment_ms: float) -> int | None:
    """Return whole milliseconds, None when JavaScript has no such moment."""
    return int(moment_ms) if isfinite(moment_ms) and abs(moment_ms) <= LATEST_MS else None


def date_parts(moment_ms: int) -> DateParts:
    """Return what a calendar and a clock in UTC show."""
    cycles, rest_ms = divmod(moment_ms, CALENDAR_CYCLE_MS)
    moment = EPOCH + timedelta(milliseconds=rest_ms)
    return DateParts(
        year=moment.year + cycles * _CYCLE_YEARS,
        month=moment.month,
        day=moment.day,
        hour=moment.hour,
        minute=moment.minute,
        second=moment.second,
        millisecond=moment.microsecond // 1_000,
        weekday=moment.isoweekday() % 7,
        day_of_year=moment.timetuple().tm_yday,
    )


def days_since_1970(year: int, month: int, day: int) -> int:
    """Count days; a day after the end of its month is in the next."""
    cycles, years = divmod(year - EPOCH.year, _CYCLE_YEARS)
    first = date(EPOCH.year + years, month, 1)
    return cycles * _CYCLE_DAYS + first.toordinal() - EPOCH.toordinal() + day - 1


def read_date(text: str) -> int | None:
    """Parse a date as ``new Date(text)`` does, in milliseconds; None when it is invalid."""
    if len(text) > LONGEST_CHARS:
        return None
    iso = _ISO.fullmatch(text)
    if iso and iso["year"] != "-000000":
        reading = _read_iso(iso)
        if reading or iso["time"]:
            return reading.moment_ms() if reading else None
    reading, begin = _Reading(), _ISO_BEGINS.match(text)
    if begin and begin[1] != "-000000":
        # A year at the beginning stays one whatever comes behind it, and a T behind a date must be ISO 8601.
        reading.days = [int(number) for number in begin.groups() if number]
        text = text[begin.end() :]
        if not begin[0].endswith("-") and _ISO_TIME_BEGINS.match(text):
            return None
    return reading.moment_ms() if _read_legacy(_tokens(text), reading) else None


@dataclass
class _Reading:
    """The parts of a date, collected while it is parsed."""

    days: list[int] = field(default_factory=list)
    month: int | None = None
    is_iso: bool = False
    times: list[int] = field(default_factory=list)
    half: int | None = None
    sign: int | None = None
    zone_hour: int | None = None
    zone_minute: int | None = None

    def expects_time(self, number: int) -> bool:
        return (len(self.times) in (1, 2) and number < 60) or (len(self.times) == 3 and number < 1000)

    def add_time(self, number: int) -> bool:
        self.times.append(number)
        return len(self.times) <= 4

    def finish_time(self, number: int) -> None:
        self.times = [*self.times, number, 0, 0, 0][:4]

    def moment_ms(self) -> int | None:
        """Return milliseconds; None when the parts are no date."""
        day, clock_ms = self._day(), self._clock_ms()
        if day is None or clock_ms is None:
            return None
        zone_minutes = 0
        if self.sign is not None:
            zone_minutes = self.sign * ((self.zone_hour or 0) * 60 + (self.zone_minute or 0))
        return clipped(day * DAY_MS + clock_ms - zone_minutes * MINUTE_MS)

    def _day(self) -> int | None:
        if not self.days:
            return None
        first, second, third = [*self.days, 1, 1][:3]
        if self.month is not None:
            month = self.month
            year, day = (first, second) if not 1 <= first <= 31 else (second, first)
        elif self.is_iso or not 1 <= first <= 31:
            year, month, day = first, second, third
        else:
            month, day, year = first, second, third
        if not self.is_iso and 0 <= year <= 99:
            year += 2000 if year <= 49 else 1900
        return days_since_1970(year, month, day) if 1 <= month <= 12 and 1 <= day <= 31 else None

    def _clock_ms(self) -> int | None:
        hour, minute, second, millisecond = [*self.times, 0, 0, 0, 0][:4]
        if self.half is not None:
            if hour > 12:
                return None
            hour = hour % 12 + self.half
        is_midnight = hour == 24 and not (minute or second or millisecond)
        if not is_midnight and (hour > 23 or minute > 59 or second > 59 or millisecond > 999):
            return None
        return ((hour * 60 + minute) * 60 + second) * 1000 + millisecond


def _read_iso(iso: "re.Match[str]") -> _Reading | None:
    numbers = {name: int(iso[name] or 0) for name in ("hour", "minute", "second", "zone_hour", "zone_minute")}
    reading = _Reading(days=[int(iso["year"]), int(iso["month"] or 1), int(iso["day"] or 1)], is_iso=True)
    if not (1 <= reading.days[1] <= 12 and 1 <= reading.days[2] <= 31):
        return None
    if numbers["zone_hour"] > 23 or numbers["zone_minute"] > 59:
        return None
    fraction = _milliseconds(iso["fraction"] or "0")
    reading.times = [numbers["hour"], numbers["minute"], numbers["second"], fraction]
    if iso["sign"]:
        reading.sign = 1 if iso["sign"] == "+" else -1
        reading.zone_hour, reading.zone_minute = numbers["zone_hour"], numbers["zone_minute"]
    return reading


@dataclass(frozen=True, slots=True)
class _Token:
    kind: Literal["number", "symbol", "blank", "word", "other", "end"]
    text: str = ""

    def number(self) -> int:
        return int(self.text.lstrip("0")[:_SIGNIFICANT_DIGITS] or 0)

    def keyword(self) -> tuple[str, int]:
        found = _KEYWORDS.get(self.text[:3].lower(), ("", 0))
        return found if len(self.text) <= 3 or found[0] == "month" else ("", 0)


def _tokens(text: str) -> list[_Token]:
    found, position = [], 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token:
            found.append(_Token(token.lastgroup, token[0]))  # type: ignore[arg-type]
            position = token.end()
        elif text[position] == "(":
            position = _after_parentheses(text, position)
            found.append(_Token("other"))
        else:
            position += 1
            found.append(_Token("other"))
    return [*found, _Token("end"), _Token("end")]


def _after_parentheses(text: str, position: int) -> int:
    depth = 0
    while position < len(text):
        depth += (text[position] == "(") - (text[position] == ")")
        position += 1
        if depth <= 0:
            break
    return position


def _read_legacy(tokens: list[_Token], reading: _Reading) -> bool:
    """Collect the parts of a date; False for a text that is not a date."""
    position, has_number = 0, bool(reading.days)
    while tokens[position].kind != "end":
        token, after = tokens[position], tokens[position + 1]
        position += 1
        if token.kind == "number":
            has_number = True
            read = _read_number(tokens, position, token, reading)
            if read is None:
                return False
            position = read
        elif token.kind == "word":
            kind, number = token.keyword()
            if kind == "half" and reading.times:
                reading.half = number
            elif kind == "month":
                reading.month = number
                position += after.text == "-"
            elif kind == "zone" and has_number:
                reading.sign, reading.zone_hour, reading.zone_minute = (-1 if number < 0 else 1), abs(number), 0
            elif has_number or after.kind == "number":
                return False
        elif token.text in ("+", "-") and (reading.times or (reading.zone_hour, reading.zone_minute) == (0, 0)):
            has_number = True
            reading.sign = 1 if token.text == "+" else -1
            offset = after if after.kind == "number" else _Token("number")
            position += after.kind == "number"
            if tokens[position].text == ":":
                reading.zone_hour, reading.zone_minute = offset.number(), None
            elif len(offset.text) in (1, 2):
                reading.zone_hour, reading.zone_minute = offset.number(), 0
            elif len(offset.text) in (3, 4):
                reading.zone_hour, reading.zone_minute = divmod(offset.number(), 100)
            else:
                return False
        elif token.text in ("+", "-", ")") and has_number:
            return False
    return True


def _read_number(tokens: list[_Token], position: int, token: _Token, reading: _Reading) -> int | None:
    """Add a number to the part it belongs to. Return the next position; None when the number has no place."""
    number, after = token.number(), tokens[position].text
    if after == ":":
        if tokens[position + 1].text == ":":
            reading.times += (number, 0)
            return position + 2 if len(reading.times) == 2 else None
        position += 1 + (tokens[position + 1].text == ".")
        return position if reading.add_time(number) else None
    if after == "." and reading.expects_time(number):
        reading.add_time(number)
        fraction = tokens[position + 1]
        if fraction.kind != "number":
            return None
        reading.finish_time(_milliseconds(fraction.text))
        return position + 2
    position += after == "."
    if reading.zone_hour is not None and reading.zone_minute is None and number < 60:
        reading.zone_minute = number
        return position
    if reading.expects_time(number):
        reading.finish_time(number)
        ends = tokens[position]
        may_end = ends.kind in ("end", "blank") or ends.text in ("+", "-") or ends.text.lower() == "z"
        return position if may_end else None
    reading.days.append(number)
    return position + (tokens[position].text == "-") if len(reading.days) <= 3 else None


def _milliseconds(digits: str) -> int:
    return int(digits.ljust(3, "0")[:3])
