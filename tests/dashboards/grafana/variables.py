"""Template variables in text, put in as a browser with Grafana 13 and the ClickHouse plugin 4.20 does it.

    interpolate("SELECT ${source:sqlstring} FROM t WHERE at > $__from", {"source": Choice("web")}, time)

A variable nobody defined stays as it stands, as in Grafana. Times are Unix ms.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

ALL = "$__all"
TIME_ZONE = "utc"
REFERENCE = re.compile(
    r"\$(?P<plain>\w+)"
    r"|\[\[(?P<square>\w+?)(?::(?P<square_format>\w+))?\]\]"
    r"|\$\{(?P<name>\w+)(?:\.(?P<path>[^:^}]+))?(?::(?P<format>[^}]+))?\}",
    re.ASCII,
)
_INTERVALS = ((31_536_000_000, "y"), (86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"))
_ROUND_INTERVALS_MS = (  # below the first number, the interval becomes the second
    (10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1_500, 1_000), (3_500, 2_000),
    (7_500, 5_000), (12_500, 10_000), (17_500, 15_000), (25_000, 20_000), (45_000, 30_000), (90_000, 60_000),
    (210_000, 120_000), (450_000, 300_000), (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000),
    (2_700_000, 1_800_000), (5_400_000, 3_600_000), (9_000_000, 7_200_000), (16_200_000, 10_800_000),
    (32_400_000, 21_600_000), (86_400_000, 43_200_000), (604_800_000, 86_400_000), (1_814_400_000, 604_800_000),
    (3_628_800_000, 2_592_000_000),
)  # fmt: skip
_YEAR_MS = 31_536_000_000
# What encodeURIComponent leaves alone; Grafana's strict form encodes the rest of RFC 3986's reserved characters.
_STRICT = "-_.~"


class UnknownFormat(ValueError):
    """A variable is asked for in a format Grafana does not know; it would quietly fall back to another one."""


@dataclass(frozen=True, slots=True)
class PanelTime:
    """The time range of a panel, and the width of one of its points."""

    from_ms: int
    to_ms: int
    interval_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Choice:
    """What a variable holds: one value, or a tuple for a variable of many; `ALL` alone, or in a tuple, is All.

    ``options`` are the (value, text) pairs All stands for; ``all_value`` replaces them, unformatted.
    """

    value: str | tuple[str, ...]
    options: tuple[tuple[str, str], ...] = field(default=())
    all_value: str | None = None

    @property
    def is_all(self) -> bool:
        return self.value in (ALL, (ALL,))

    @property
    def values(self) -> str | tuple[str, ...]:
        """The value or values, with All replaced by every option."""
        return tuple(value for value, _ in self.options) if self.is_all else self.value

    @property
    def text(self) -> str:
        """What the picker shows."""
        if self.is_all:
            return "All"
        texts = dict(self.options)
        return " + ".join(texts.get(value, value) for value in _many(self.value))


def interpolate(
    text: str, choices: Mapping[str, Choice], time: PanelTime, row: Mapping[str, Any] | None = None, form: str = ""
) -> str:
    """Put variables, ``$__from``, ``$__to``, ``$__interval``, ``$__interval_ms`` into a text.

    ``row`` gives ``${__data.fields.x}`` in a data link. ``form`` is the format of references that name none; '' is the
    plugin's own, as in SQL: many values are quoted, one is put in bare, and neither is escaped. Raises `UnknownFormat`.
    """

    def replacement(match: re.Match[str]) -> str:
        name = match["plain"] or match["square"] or match["name"]
        wanted = match["square_format"] or match["format"] or form
        if name == "__url_time_range":
            return f"from={time.from_ms}&to={time.to_ms}"
        if name == "__all_variables":
            return "&".join(_query_parameters(choice, variable) for variable, choice in choices.items())
        if name == "__data" and row is not None:
            value = _field(row, match["path"] or "")
            return match[0] if value is None else _written(value, wanted, name)  # no All, whatever it says
        choice = choices.get(name) or _built_in(name, time)
        return match[0] if choice is None else _formatted(choice, wanted, name)

    return REFERENCE.sub(replacement, text)


def referenced(text: str) -> set[str]:
    """Names of the variables in a text; Grafana's own begin with two underscores."""
    return {match["plain"] or match["square"] or match["name"] for match in REFERENCE.finditer(text)}


def interval_text(interval_ms: int) -> str:
    """``$__interval`` of a width: its largest unit alone, as Grafana writes it, so 90 s is '1m'."""
    return next(
        (f"{interval_ms // unit}{sign}" for unit, sign in _INTERVALS if interval_ms >= unit), f"{interval_ms}ms"
    )


def interval_ms(text: str) -> int:
    """The width that a panel's least interval names, such as 1m. Raises ValueError for none."""
    match = re.fullmatch(r"(\d+)(ms|[smhdy])", text)
    if match is None:
        raise ValueError(f"{text!r} is no interval such as 30s or 1m")
    return int(match[1]) * next((unit for unit, sign in _INTERVALS if sign == match[2]), 1)


def query_interval_ms(range_ms: int, points: int, least_ms: int = 1) -> int:
    """The width Grafana chooses for one point, given the range and how many points the panel has room for."""
    ideal_ms = range_ms / points
    rounded = next((step for below, step in _ROUND_INTERVALS_MS if ideal_ms < below), _YEAR_MS)
    return max(rounded, least_ms)


def _formatted(choice: Choice, wanted: str, name: str) -> str:
    kind = wanted.partition(":")[0]
    if kind == "queryparam":
        return _query_parameters(choice, name)
    if kind == "text":
        return choice.text
    if choice.is_all and choice.all_value is not None:
        return quote(choice.all_value, safe=_STRICT) if kind == "percentencode" else choice.all_value
    return _written(choice.values, wanted, name)


def _written(values: str | tuple[str, ...], wanted: str, name: str) -> str:
    kind, _, argument = wanted.partition(":")
    if not kind:
        return "'" + "','".join(values) + "'" if isinstance(values, tuple) else values
    if kind == "date":
        return _date(_many(values)[0], argument)
    if kind == "join":
        return (argument or ",").join(_many(values))
    if kind not in _FORMATS:
        raise UnknownFormat(f"${{{name}:{wanted}}}: no format {kind!r}; there are {', '.join(sorted(_FORMATS))}")
    return _FORMATS[kind](values)


def _query_parameters(choice: Choice, name: str) -> str:
    return "&".join(f"var-{name}={quote(value, safe=_STRICT)}" for value in _many(choice.value))


def _many(values: str | tuple[str, ...]) -> tuple[str, ...]:
    return values if isinstance(values, tuple) else (values,)


def _each(change: Callable[[str], str]) -> Callable[[str | tuple[str, ...]], str]:
    return lambda values: ",".join(map(change, _many(values)))


def _braced(values: str | tuple[str, ...]) -> str:
    many = _many(values)
    return "{" + ",".join(many) + "}" if len(many) > 1 else "".join(many)


def _percent_encoded(values: str | tuple[str, ...]) -> str:
    return quote("{" + ",".join(values) + "}" if isinstance(values, tuple) else values, safe=_STRICT)


_FORMATS: dict[str, Callable[[str | tuple[str, ...]], str]] = {
    "raw": _each(str),
    "csv": _each(str),
    "text": _each(str),
    "singlequote": _each(lambda value: "'" + value.replace("'", "\\'") + "'"),
    "doublequote": _each(lambda value: '"' + value.replace('"', '\\"') + '"'),
    # A backslash is left alone, though ClickHouse reads it as an escape: this format is not safe by itself.
    "sqlstring": _each(lambda value: "'" + value.replace("'", "''").replace('"', '\\"') + "'"),
    "pipe": lambda values: "|".join(_many(values)),
    "glob": _braced,
    "json": lambda values: json.dumps(values, ensure_ascii=False, separators=(",", ":")),
    "percentencode": _percent_encoded,
}


def _built_in(name: str, time: PanelTime) -> Choice | None:
    values = {
        "__from": str(time.from_ms),
        "__to": str(time.to_ms),
        "__interval": interval_text(time.interval_ms),
        "__interval_ms": str(time.interval_ms),
        "__timezone": TIME_ZONE,
    }
    return Choice(values[name]) if name in values else None


def _date(value: str, form: str) -> str:
    moment = datetime.fromtimestamp(int(value) / 1000, UTC)
    if form in ("", "iso"):
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if form == "seconds":
        return str(int(value) // 1000)
    tokens = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
    return moment.strftime(re.sub("YYYY|MM|DD|HH|mm|ss", lambda token: tokens[token[0]], form.replace("%", "%%")))


def _field(row: Mapping[str, Any], path: str) -> str | None:
    """The value of ``fields.name``, ``fields["name"]`` or ``fields[0]`` in a row, or None where there is none."""
    match = re.fullmatch(r"""fields(?:\.(\w+)|\[["'](.+?)["']\]|\[(\d+)\])(?:\.(?:text|numeric))?""", path)
    if match is None:
        return None
    if match[3] is not None:
        return next((str(value) for at, value in enumerate(row.values()) if at == int(match[3])), None)
    name = match[1] or match[2]
    return str(row[name]) if name in row else None
