"""A panel's SQL as it reaches ClickHouse: what the browser and then the plugin's backend (4.20) make of it.

    expand("SELECT count() FROM facts WHERE $__timeFilter(at)", {}, PanelTime(from_ms, to_ms))

The statement-wide macros (``$__columns``, ``$__lttb`` …) and ad-hoc filters are refused, as are macros nobody knows.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from tests.dashboards.grafana.sql_text import closing_bracket, split_arguments, without_comments
from tests.dashboards.grafana.variables import ALL, Choice, PanelTime, interpolate

CONDITIONAL_ALL = "$__conditionalAll("
BROWSER_NAMES = frozenset({"__from", "__to", "__interval", "__interval_ms", "__timezone", "__conditionalAll"})
_MACRO = re.compile(r"\$\{?(__\w+)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3_600}


class MacroError(ValueError):
    """A macro the plugin does not have, or one with wrong arguments."""


def expand(sql: str, choices: Mapping[str, Choice], time: PanelTime) -> str:
    """The SQL that runs. Raises `MacroError`, and `UnknownFormat` for a variable's format Grafana does not know.

    Macros are checked as the dashboard has them; one that comes in by the value of a variable is treated as the plugin
    treats it: expanded if it knows the name, else left.
    """
    unknown = {f"${name}" for name in _MACRO.findall(sql) if name not in BROWSER_NAMES and name[2:] not in _MACROS}
    if unknown:
        raise MacroError(f"the ClickHouse plugin has no {', '.join(sorted(unknown))} for a panel's SQL")
    in_browser = interpolate(_conditional_all(sql, choices), choices, time)
    return _with_backend_macros(without_comments(in_browser), time)


def _conditional_all(sql: str, choices: Mapping[str, Choice]) -> str:
    """Replace ``$__conditionalAll(condition, $variable)``; its arguments end at brackets and commas, quoted or not."""
    at = sql.rfind(CONDITIONAL_ALL)
    while at >= 0:
        arguments, end = _unquoted_arguments(sql, at + len(CONDITIONAL_ALL))
        if len(arguments) != 2:
            raise MacroError(f"$__conditionalAll takes a condition and a variable, not {len(arguments)} arguments")
        condition, name = arguments
        if mangled := re.search(r"\$[$&`']", condition):
            raise MacroError(f"$__conditionalAll: the browser mangles {mangled[0]} in a condition")
        variable = re.search(r"(?<=\$\{)\w+(?=\})|(?<=\$)\w+", name.strip(), re.ASCII)
        choice = choices.get(variable[0]) if variable else None
        if choice is not None:
            value = ",".join(choice.value) if isinstance(choice.value, tuple) else choice.value
            if value in ("", ALL):
                condition = "1=1"
        sql = sql[:at] + condition + sql[end + 1 :]
        at = sql.rfind(CONDITIONAL_ALL, 0, at)
    return sql


def _unquoted_arguments(text: str, start: int) -> tuple[list[str], int]:
    """Arguments from behind the opening bracket, and where the closing one is; no arguments if there is none."""
    depth, arguments = 1, []
    for at in range(start, len(text)):
        if text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
        if (text[at] == "," and depth == 1) or depth == 0:
            arguments.append(text[start:at])
            start = at + 1
        if depth == 0:
            return arguments, at
    return [], len(text)


def _with_backend_macros(text: str, time: PanelTime) -> str:
    out: list[str] = []
    at = 0
    for match in re.compile(r"\$__(\w+)", re.ASCII).finditer(text):
        name = match[1]
        if match.start() < at or name not in _MACROS:
            continue
        end = closing_bracket(text, match.end()) if text.startswith("(", match.end()) else None
        inside = text[match.end() + 1 : end].strip() if end is not None else ""
        arguments = [_with_backend_macros(argument, time) for argument in split_arguments(inside)]
        expected, expansion = _MACROS[name]
        if expected is not None and len(arguments) != expected:
            raise MacroError(f"$__{name}({inside}) takes {expected} arguments, not {len(arguments)}")
        out += [text[at : match.start()], expansion(time, arguments)]
        at = match.end() if end is None else end + 1
    return "".join(out) + text[at:]


def _seconds(ms: int) -> str:
    return f"toDateTime({ms // 1000})"


def _milliseconds(ms: int) -> str:
    return f"fromUnixTimestamp64Milli({ms})"


def _day(ms: int) -> str:
    return f"toDate('{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}')"


def _between(column: str, moment: Callable[[int], str], time: PanelTime) -> str:
    return f"{column} >= {moment(time.from_ms)} AND {column} <= {moment(time.to_ms)}"


def _date_time_filter(time: PanelTime, arguments: list[str]) -> str:
    return f"({_between(arguments[0], _day, time)}) AND ({_between(arguments[1], _seconds, time)})"


def _interval_seconds(time: PanelTime) -> int:
    return max(time.interval_ms // 1000, 1)


def _buckets(column: str, seconds: int) -> str:
    return f"toStartOfInterval(toDateTime({column}), INTERVAL {seconds} second)"


def _time_group(time: PanelTime, arguments: list[str]) -> str:
    width = re.fullmatch(r"(\d+)([smh])", arguments[1].strip("'\""))
    if width is None or int(width[1]) == 0:
        raise MacroError(f"$__timeGroup: {arguments[1]} is no width; write it like 30s, 5m or 1h")
    return _buckets(arguments[0], int(width[1]) * _SECONDS[width[2]])


# The number of arguments (None: any, they are ignored), and what becomes of them.
_MACROS: dict[str, tuple[int | None, Callable[[PanelTime, list[str]], str]]] = {
    "fromTime": (None, lambda time, _: _seconds(time.from_ms)),
    "toTime": (None, lambda time, _: _seconds(time.to_ms)),
    "fromTime_ms": (None, lambda time, _: _milliseconds(time.from_ms)),
    "toTime_ms": (None, lambda time, _: _milliseconds(time.to_ms)),
    "timeFilter": (1, lambda time, arguments: _between(arguments[0], _seconds, time)),
    "timeFilter_ms": (1, lambda time, arguments: _between(arguments[0], _milliseconds, time)),
    "dateFilter": (1, lambda time, arguments: _between(arguments[0], _day, time)),
    "dateTimeFilter": (2, _date_time_filter),
    "dt": (2, _date_time_filter),
    "timeInterval": (1, lambda time, arguments: _buckets(arguments[0], _interval_seconds(time))),
    "timeInterval_ms": (
        1,
        lambda time, arguments: (
            f"toStartOfInterval(toDateTime64({arguments[0]}, 3), INTERVAL {max(time.interval_ms, 1)} millisecond)"
        ),
    ),
    "interval_s": (None, lambda time, _: str(_interval_seconds(time))),
    "timeFrom": (1, lambda time, arguments: f"{arguments[0]} >= {_seconds(time.from_ms)}"),
    "timeTo": (1, lambda time, arguments: f"{arguments[0]} <= {_seconds(time.to_ms)}"),
    "timeGroup": (2, _time_group),
}
