"""Parses numbers in texts, as people and programs write them, where only one reading is possible.

The point is the decimal sign, as in JSON, and commas, spaces or apostrophes may stand between groups of three digits:
``4,245.42``, ``1 234.50``. A currency may stand before and after: ``$12.50``, ``12.50 EUR``, ``US$ 5``. A decimal comma
is not read: with decimal commas ``1.234`` means 1234, which cannot be told from the number 1.234.
"""

import re
from math import isfinite

_LIMIT_CHARS = 64
_LARGEST_EXACT = 2**53
_PLAIN = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
# One kind of separator throughout. No leading zero: 0,125 has a decimal comma.
_GROUPED = re.compile(
    r"[+-]?[1-9][0-9]{0,2}(?P<mark>[,'\u2019 \u00a0\u2009\u202f])[0-9]{3}((?P=mark)[0-9]{3})*(\.[0-9]*)?"
)
_MARKS = re.compile(r"[,'\u2019 \u00a0\u2009\u202f]")
_CURRENCY = r"([A-Z]{3}|[A-Z]{0,3}[\u0024\u00a2-\u00a5\u058f\u060b\u0e3f\u20a0-\u20cf])"
_BEFORE = re.compile(rf"(?P<sign>[+-]?)\s*{_CURRENCY}\s*(?P<number>[-+]?[0-9.].*)", re.DOTALL)
_AFTER = re.compile(rf"(?P<number>.*[0-9.])\s*{_CURRENCY}", re.DOTALL)


def read_number(value: object) -> int | float | None:
    """Return the number of a JSON value or numeric text, else None. true is 1 and false is 0, as in JavaScript."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return _read(value)
    if isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        return value
    return None


def _read(text: str) -> int | float | None:
    if len(text) > _LIMIT_CHARS:
        return None
    number = text.strip().replace("\u2212", "-")  # the minus sign of typography
    if not _PLAIN.fullmatch(number):
        number = _without_currency(number)
        if _GROUPED.fullmatch(number):
            number = _MARKS.sub("", number)
        elif not _PLAIN.fullmatch(number):
            return None
    read = float(number)
    if not isfinite(read):
        return None
    return int(read) if read.is_integer() and abs(read) < _LARGEST_EXACT else read


def _without_currency(text: str) -> str:
    if before := _BEFORE.fullmatch(text):
        if before["sign"] and before["number"][0] in "+-":
            return text
        text = before["sign"] + before["number"]
    after = _AFTER.fullmatch(text)
    return after["number"] if after else text
