"""A dashboard's JSON (the classic schema) as plain objects.

    dashboard = load_dashboard(Path("dashboards/event-delivery.json"))
    [panel.title for panel in dashboard.panels]       # those inside rows too

Only what checks and pictures need has a field; the rest stays in ``json``.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]
_NOW = re.compile(r"now(?:-(\d+)([smhdw]))?(?:/[smhdwMy])?")
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


class DashboardError(ValueError):
    """A dashboard that cannot be read; the text names the place."""


@dataclass(frozen=True, slots=True)
class Target:
    """One query of a panel. ``format`` is what the backend obeys: 0 time series, 1 table."""

    ref_id: str
    raw_sql: str
    format: int | None
    json: Json


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the dashboard, a panel, or a value in a panel (``in_data``), and where in the file it stands."""

    place: str
    title: str
    url: str
    keeps_time: bool
    keeps_variables: bool
    in_data: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel; a row is one of kind 'row'. ``grid`` is (x, y, width, height) in Grafana's units.

    ``place`` is where in the file it stands, like ``panels[3].panels[0]`` inside a collapsed row.
    """

    place: str
    id: int | None
    title: str
    kind: str
    description: str
    grid: tuple[int, int, int, int]
    targets: tuple[Target, ...]
    links: tuple[Link, ...]
    json: Json

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"panel {self.id} ({self.title or self.kind})"


@dataclass(frozen=True, slots=True)
class Variable:
    """A template variable. ``query`` is SQL for kind 'query', the list for 'custom', the value for 'constant'."""

    name: str
    kind: str
    query: str
    multi: bool
    include_all: bool
    all_value: str | None
    current: str | tuple[str, ...]
    json: Json


@dataclass(frozen=True, slots=True)
class Annotation:
    """A query whose rows are marks on every time series; ``is_on``: until a person switches it off."""

    place: str
    name: str
    colour: str
    is_on: bool
    target: Target
    json: Json


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard; ``panels`` holds rows and what is inside them, in the order of the file."""

    uid: str
    title: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...]
    links: tuple[Link, ...]
    json: Json

    def all_links(self) -> Iterator[Link]:
        yield from self.links
        for panel in self.panels:
            yield from panel.links

    def queries(self) -> Iterator[tuple[str, str]]:
        """All SQL, with what messages call its place: of panels, annotations and variables."""
        for panel in self.panels:
            yield from ((f"{panel.name}, query {target.ref_id or '?'}", target.raw_sql) for target in panel.targets)
        yield from ((f"annotation {mark.name}", mark.target.raw_sql) for mark in self.annotations)
        yield from ((f"variable {item.name}", item.query) for item in self.variables if item.kind == "query")

    def time_range_ms(self, now_ms: int) -> tuple[int, int]:
        """The range the dashboard opens with. Rounding as in ``now/d`` is left out. Raises `DashboardError`."""
        time = _mapping(self.json, "time", "time")
        return _moment_ms(time.get("from"), now_ms), _moment_ms(time.get("to"), now_ms)


def load_dashboard(path: Path) -> Dashboard:
    """Read a file. Raises `DashboardError`."""
    try:
        return parse_dashboard(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise DashboardError(f"{path.name}: {error}") from error


def parse_dashboard(document: Any) -> Dashboard:
    """Raises `DashboardError` for what has not the shape of a dashboard, or shifts a panel's time."""
    if not isinstance(document, Mapping):
        raise DashboardError("the file holds no JSON object")
    if not isinstance(document.get("panels"), Sequence):
        raise DashboardError("no list of panels: only the classic schema is read")
    panels = [
        _panel(panel, f"panels[{at}]", inner)
        for at, outer in enumerate(document["panels"])
        for inner, panel in enumerate([outer, *(outer.get("panels") or [])] if isinstance(outer, Mapping) else [outer])
    ]
    templating = _mapping(document, "templating", "templating")
    return Dashboard(
        uid=_text(document, "uid", "uid"),
        title=_text(document, "title", "title"),
        panels=tuple(panels),
        variables=tuple(
            _variable(item, f"templating.list[{at}]") for at, item in enumerate(templating.get("list") or [])
        ),
        annotations=tuple(_annotations(document)),
        links=tuple(_links(document.get("links"), "links", in_data=False)),
        json=document,
    )


def _panel(panel: Any, place: str, inner: int) -> Panel:
    if inner:
        place = f"{place}.panels[{inner - 1}]"
    if not isinstance(panel, Mapping):
        raise DashboardError(f"{place} is no object")
    if panel.get("timeFrom") or panel.get("timeShift"):
        raise DashboardError(f"{place} has a time of its own (timeFrom, timeShift): say it in its SQL instead")
    grid = _mapping(panel, "gridPos", f"{place}.gridPos")
    x, y, width, height = (_whole(grid, key, f"{place}.gridPos") for key in "xywh")
    field_config = _mapping(panel, "fieldConfig", f"{place}.fieldConfig")
    links = [*_links(panel.get("links"), f"{place}.links", in_data=False)]
    defaults = _mapping(field_config, "defaults", f"{place}.fieldConfig.defaults")
    links += _links(defaults.get("links"), f"{place}.fieldConfig.defaults.links", in_data=True)
    for at, override in enumerate(field_config.get("overrides") or []):
        for item in override.get("properties") or []:
            if item.get("id") == "links":
                links += _links(item.get("value"), f"{place}.fieldConfig.overrides[{at}].links", in_data=True)
    return Panel(
        place=place,
        id=panel.get("id"),
        title=_text(panel, "title", f"{place}.title"),
        kind=_text(panel, "type", f"{place}.type"),
        description=_text(panel, "description", f"{place}.description"),
        grid=(x, y, width, height),
        targets=tuple(_target(item, f"{place}.targets[{at}]") for at, item in enumerate(panel.get("targets") or [])),
        links=tuple(links),
        json=panel,
    )


def _target(target: Any, place: str) -> Target:
    if not isinstance(target, Mapping):
        raise DashboardError(f"{place} is no object")
    return Target(_text(target, "refId", place), _text(target, "rawSql", place), target.get("format"), target)


def _annotations(document: Json) -> Iterator[Annotation]:
    """Those with a query; the one built into Grafana has its own store."""
    for at, item in enumerate(_mapping(document, "annotations", "annotations").get("list") or []):
        place = f"annotations.list[{at}]"
        if not isinstance(item, Mapping):
            raise DashboardError(f"{place} is no object")
        if not item.get("builtIn"):
            yield Annotation(
                place=place,
                name=_text(item, "name", place),
                colour=_text(item, "iconColor", place),
                is_on=bool(item.get("enable")),
                target=_target(item.get("target"), f"{place}.target"),
                json=item,
            )


def _links(links: Any, place: str, *, in_data: bool) -> Iterator[Link]:
    for at, link in enumerate(links or []):
        yield Link(
            place=f"{place}[{at}]",
            title=_text(link, "title", place),
            url=_text(link, "url", place),
            keeps_time=bool(link.get("keepTime")),
            keeps_variables=bool(link.get("includeVars")),
            in_data=in_data,
        )


def _variable(variable: Any, place: str) -> Variable:
    if not isinstance(variable, Mapping):
        raise DashboardError(f"{place} is no object")
    query = variable.get("query") or ""
    current = _mapping(variable, "current", f"{place}.current").get("value", "")
    return Variable(
        name=_text(variable, "name", f"{place}.name"),
        kind=_text(variable, "type", f"{place}.type"),
        query=_text(query, "rawSql", f"{place}.query") if isinstance(query, Mapping) else str(query),
        multi=bool(variable.get("multi")),
        include_all=bool(variable.get("includeAll")),
        all_value=variable.get("allValue") or None,
        current=tuple(map(str, current)) if isinstance(current, list) else str(current),
        json=variable,
    )


def _mapping(parent: Json, key: str, place: str) -> Json:
    value = parent.get(key) or {}
    if not isinstance(value, Mapping):
        raise DashboardError(f"{place} is no object")
    return value


def _text(parent: Json, key: str, place: str) -> str:
    value = parent.get(key) or ""
    if not isinstance(value, str):
        raise DashboardError(f"{place}: {key} is {value!r}, not a text")
    return value


def _whole(parent: Json, key: str, place: str) -> int:
    value = parent.get(key)
    if not isinstance(value, int):
        raise DashboardError(f"{place}: {key} is {value!r}, not a whole number")
    return value


def _moment_ms(text: Any, now_ms: int) -> int:
    match = _NOW.fullmatch(str(text))
    if match is None:
        raise DashboardError(f"time: {text!r} is not like now-24h")
    return now_ms - (int(match[1]) * _UNIT_MS[match[2]] if match[1] else 0)
