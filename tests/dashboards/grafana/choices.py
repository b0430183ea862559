"""What the variables of a dashboard hold once it is open: defaults, All, one option, or nothing."""

import re
from collections.abc import Callable, Mapping
from enum import Enum

from tests.dashboards.grafana.dashboard import Dashboard, DashboardError, Variable
from tests.dashboards.grafana.engine import Answer, Run
from tests.dashboards.grafana.macros import expand
from tests.dashboards.grafana.variables import ALL, Choice, PanelTime, referenced

Options = tuple[tuple[str, str], ...]
_SORTS: dict[int, Callable[[Options], Options]] = {
    0: lambda options: options,
    1: lambda options: tuple(sorted(options, key=lambda option: option[1])),
    2: lambda options: tuple(sorted(options, key=lambda option: option[1], reverse=True)),
    5: lambda options: tuple(sorted(options, key=lambda option: option[1].lower())),
    6: lambda options: tuple(sorted(options, key=lambda option: option[1].lower(), reverse=True)),
}


class Pick(Enum):
    """What a person chooses in every picker; a picker that does not offer it keeps its default."""

    DEFAULT = "default"
    ALL = "all"
    ONE = "one"
    NONE = "none"


def resolve(
    dashboard: Dashboard,
    run: Run,
    time: PanelTime,
    pick: Pick = Pick.DEFAULT,
    given: Mapping[str, str | tuple[str, ...]] | None = None,
) -> dict[str, Choice]:
    """Load the options of every variable, after those it refers to, and choose.

    ``given`` sets variables to any value, an option or not, as the address of a page can. Raises `DashboardError` for
    variables that refer to each other in a circle, a kind that is not known, or options changed by a regex.
    """
    given = given or {}
    choices: dict[str, Choice] = {}
    waiting = list(dashboard.variables)
    names = {variable.name for variable in waiting}
    if unknown := given.keys() - names:
        raise DashboardError(f"no variable {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}")
    while waiting:
        ready = [variable for variable in waiting if not referenced(variable.query) & names - choices.keys()]
        if not ready:
            raise DashboardError(f"variables in a circle: {', '.join(variable.name for variable in waiting)}")
        for variable in ready:
            options = _options(variable, run, choices, time)
            value = given.get(variable.name, _picked(variable, options, pick))
            choices[variable.name] = Choice(value, options, variable.all_value)
        waiting = [variable for variable in waiting if variable.name not in choices]
    return {variable.name: choices[variable.name] for variable in dashboard.variables}


def _options(variable: Variable, run: Run, choices: Mapping[str, Choice], time: PanelTime) -> Options:
    if variable.json.get("regex"):
        raise DashboardError(f"variable {variable.name} has a regex: shape its options in SQL")
    if variable.kind == "query":
        options = _from_answer(variable, run(expand(variable.query, choices, time)))
        sort = int(variable.json.get("sort") or 0)
        if sort not in _SORTS:
            raise DashboardError(f"variable {variable.name} sorts numbers: sort its options in SQL")
        return _SORTS[sort](options)
    if variable.kind == "custom":
        parts = (part.replace("\\,", ",").strip() for part in re.findall(r"(?:\\,|[^,])+", variable.query))
        pairs = [re.fullmatch(r"(.+)\s:\s(.+)", part) or part for part in parts]
        return tuple((pair, pair) if isinstance(pair, str) else (pair[2].strip(), pair[1].strip()) for pair in pairs)
    if variable.kind == "interval":
        return tuple((part.strip(), part.strip()) for part in variable.query.split(","))
    if variable.kind == "datasource":
        uid = variable.current if isinstance(variable.current, str) else variable.current[0]
        return ((uid, uid),)
    if variable.kind in ("textbox", "constant"):
        return ()
    raise DashboardError(f"variable {variable.name} is of kind {variable.kind!r}, which is not known here")


def _from_answer(variable: Variable, answer: Answer) -> Options:
    """One column is value and text; of two, the value comes first. A value that comes again is left out."""
    if len(answer.names) not in (1, 2):
        raise DashboardError(f"variable {variable.name}: {len(answer.names)} columns; give a value, and at most a text")
    found: dict[str, str] = {}
    for row in answer.rows:
        value, text = ("" if cell is None else str(cell) for cell in (row[0], row[-1]))
        found.setdefault(value, text)
    return tuple(found.items())


def _picked(variable: Variable, options: Options, pick: Pick) -> str | tuple[str, ...]:
    if variable.kind in ("textbox", "constant"):
        fixed = variable.current or variable.query
        return "" if pick is Pick.NONE and variable.kind == "textbox" else fixed
    if pick is Pick.NONE:
        return () if variable.multi else ""
    values = [value for value, _ in options]
    first = values[0] if values else ALL if variable.include_all else ""
    if pick is Pick.ALL and variable.include_all:
        return (ALL,) if variable.multi else ALL
    if pick is Pick.ONE:
        return (first,) if variable.multi and first else first
    current = variable.current if isinstance(variable.current, tuple) else (variable.current,)
    offered = [ALL, *values] if variable.include_all else values
    kept = tuple(value for value in current if value in offered)
    chosen = kept or ((ALL,) if variable.include_all else (first,) if first else ())
    return chosen if variable.multi else (chosen[0] if chosen else "")
