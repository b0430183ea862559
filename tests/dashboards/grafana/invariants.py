"""What every dashboard of ours keeps to. Each function yields what is wrong, for a person to read.

assert list(problems(dashboard)) == []
assert list(problems_between(dashboards)) == []
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from tests.dashboards.grafana.dashboard import Dashboard, Panel, Target
from tests.dashboards.grafana.links import link_problems
from tests.dashboards.grafana.macros import BROWSER_NAMES
from tests.dashboards.grafana.variables import REFERENCE, referenced

COLUMNS = 24
DATASOURCE = {"type": "grafana-clickhouse-datasource", "uid": "clickhouse"}
SCHEMA_VERSIONS = (41, 42)
WITHOUT_DATA = frozenset({"row", "text", "dashlist"})
WITH_UNIT = frozenset({"stat", "gauge", "bargauge", "timeseries", "barchart", "piechart", "histogram"})
# Grafana's own names, besides those the macros know.
_OWN_NAMES = frozenset({"__data", "__value", "__field", "__series", "__url_time_range", "__all_variables", "__url"})
_QUERY_TYPES = {0: "timeseries", 1: "table", 2: "logs", 3: "traces"}
_UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
_CONDITIONAL_NAME = re.compile(r",\s*\$\{?\w+\}?\s*\)", re.ASCII)


def problems(dashboard: Dashboard) -> Iterator[str]:
    """Everything wrong with one dashboard."""
    for check in _CHECKS:
        yield from (f"{dashboard.uid or dashboard.title}: {problem}" for problem in check(dashboard))


def problems_between(dashboards: Sequence[Dashboard]) -> Iterator[str]:
    """What is wrong with dashboards together: names used twice, and links."""
    for word in ("uid", "title"):
        counts = Counter(getattr(dashboard, word) for dashboard in dashboards)
        yield from (f"{word} {name!r} is used {count} times" for name, count in counts.items() if count > 1)
    yield from link_problems({dashboard.uid: dashboard for dashboard in dashboards})


def header(dashboard: Dashboard) -> Iterator[str]:
    json = dashboard.json
    if not _UID.fullmatch(dashboard.uid):
        yield f"uid {dashboard.uid!r} is not 1 to 40 letters, digits, _ and -"
    if not dashboard.title:
        yield "no title"
    if not json.get("description"):
        yield "no description"
    if json.get("schemaVersion") not in SCHEMA_VERSIONS:
        yield f"schemaVersion {json.get('schemaVersion')} is not one of {SCHEMA_VERSIONS}"
    if json.get("id") is not None:
        yield "an id of one deployment; leave it out"
    if not json.get("refresh"):
        yield "no refresh"
    if not json.get("timezone"):
        yield "no timezone"
    if json.get("editable") is not False:
        yield "editable, though the next start would undo every edit"
    try:
        dashboard.time_range_ms(0)
    except ValueError as error:
        yield str(error)


def panel_ids(dashboard: Dashboard) -> Iterator[str]:
    counts = Counter(panel.id for panel in dashboard.panels)
    yield from (f"panel id {number} is used {count} times" for number, count in counts.items() if count > 1)
    yield from (f"{panel.name}: the id is not a positive whole number" for panel in dashboard.panels if not panel.id)


def grid(dashboard: Dashboard) -> Iterator[str]:
    for panel in dashboard.panels:
        x, y, width, height = panel.grid
        if x < 0 or y < 0 or width < 1 or height < 1 or x + width > COLUMNS:
            yield f"{panel.name}: {panel.grid} is not inside {COLUMNS} columns"
    for at, panel in enumerate(dashboard.panels):
        yield from (f"{panel.name} overlaps {other.name}" for other in dashboard.panels[:at] if _overlap(panel, other))


def _overlap(one: Panel, other: Panel) -> bool:
    left, top, width, height = one.grid
    other_left, other_top, other_width, other_height = other.grid
    return (
        _container(one) == _container(other)  # what a collapsed row hides takes no room
        and left < other_left + other_width
        and other_left < left + width
        and top < other_top + other_height
        and other_top < top + height
    )


def _container(panel: Panel) -> str:
    return panel.place.rpartition("panels[")[0]


def words(dashboard: Dashboard) -> Iterator[str]:
    """Titles, descriptions, and what a panel says when it has nothing to show."""
    for panel in dashboard.panels:
        if not panel.title and panel.kind != "text":
            yield f"{panel.name}: no title"
        if panel.kind in WITHOUT_DATA:
            continue
        if not panel.description:
            yield f"{panel.name}: no description"
        if not _defaults(panel).get("noValue"):
            yield f"{panel.name}: no text for no value"


def units(dashboard: Dashboard) -> Iterator[str]:
    for panel in dashboard.panels:
        if panel.kind in WITH_UNIT and not _defaults(panel).get("unit"):
            yield f"{panel.name}: no unit"
        calculations = ((panel.json.get("options") or {}).get("reduceOptions") or {}).get("calcs")
        if panel.kind in ("stat", "gauge", "bargauge") and not calculations:
            yield f"{panel.name}: no reduceOptions.calcs, so it shows nothing"


def thresholds(dashboard: Dashboard) -> Iterator[str]:
    for panel in dashboard.panels:
        config = panel.json.get("fieldConfig") or {}
        found = [_defaults(panel).get("thresholds")]
        for override in config.get("overrides") or []:
            found += [item.get("value") for item in override["properties"] if item.get("id") == "thresholds"]
        for item in found:
            steps = [step.get("value") for step in (item or {}).get("steps") or []]
            if steps and steps[0] is not None:
                yield f"{panel.name}: the first threshold has a value; it is where no other begins"
            if None in steps[1:] or steps[1:] != sorted(step for step in steps[1:] if step is not None):
                yield f"{panel.name}: thresholds {steps} do not ascend"


def queries(dashboard: Dashboard) -> Iterator[str]:
    for panel in dashboard.panels:
        if panel.kind in WITHOUT_DATA:
            continue
        if not panel.targets:
            yield f"{panel.name}: no query"
        refs = Counter(target.ref_id for target in panel.targets)
        yield from (f"{panel.name}: refId {ref!r} is used {count} times" for ref, count in refs.items() if count > 1)
        if panel.json.get("datasource") != DATASOURCE:
            yield f"{panel.name}: datasource is not {DATASOURCE}"
        for target in panel.targets:
            place = f"{panel.name}, query {target.ref_id or '?'}"
            yield from _query(place, target)
            if panel.kind == "timeseries" and target.format != 0:
                yield f"{place}: a time series panel needs format 0"


def _query(place: str, target: Target) -> Iterator[str]:
    if not target.ref_id:
        yield f"{place}: no refId"
    if not target.raw_sql.strip():
        yield f"{place}: no rawSql"
    if target.json.get("datasource") != DATASOURCE:
        yield f"{place}: datasource is not {DATASOURCE}"
    if target.json.get("editorType") != "sql":
        yield f"{place}: editorType is not sql"
    if target.format not in _QUERY_TYPES or target.json.get("queryType") != _QUERY_TYPES[target.format]:
        yield f"{place}: format {target.format} and queryType {target.json.get('queryType')} do not agree"


def annotations(dashboard: Dashboard) -> Iterator[str]:
    """Each has a name, a colour and a switch, and its query gives a table: the plugin's frames of rows."""
    counts = Counter(mark.name for mark in dashboard.annotations)
    yield from (f"annotation {name!r} is there {count} times" for name, count in counts.items() if count > 1)
    for mark in dashboard.annotations:
        place = f"annotation {mark.name or mark.place}"
        if not mark.name:
            yield f"{place}: no name"
        if not mark.colour:
            yield f"{place}: no iconColor"
        if mark.json.get("hide") or mark.json.get("placement"):
            yield f"{place}: no switch for it on top of the dashboard"
        if mark.json.get("datasource") != DATASOURCE:
            yield f"{place}: datasource is not {DATASOURCE}"
        if mark.target.format != 1:
            yield f"{place}: an annotation needs format 1"
        yield from _query(place, mark.target)


def sql_safety(dashboard: Dashboard) -> Iterator[str]:
    """A value comes percent-encoded in a literal of its own, which ClickHouse decodes.

    Every other format lets a value out: of ``:sqlstring`` and ``:singlequote`` a backslash leads, which ClickHouse
    reads as an escape. Many values would arrive as one text.
    """
    named = {variable.name: variable for variable in dashboard.variables}
    for place, sql in dashboard.queries():
        for match in REFERENCE.finditer(sql):
            name = match["plain"] or match["square"] or match["name"]
            before, after = sql[: match.start()], sql[match.end() :]
            in_conditional = "$__conditionalAll(" in before and _CONDITIONAL_NAME.match(
                "," + before.rpartition(",")[2] + match[0] + after.partition(")")[0] + ")"
            )
            if name not in named or in_conditional:
                continue
            form = match["square_format"] or match["format"]
            if form == "sqlstring":
                yield f"{place}: {match[0]} is unsafe: a backslash leads out of it"
            if not (form == "percentencode" and before.endswith("decodeURLComponent('") and after.startswith("')")):
                yield f"{place}: {match[0]} is not decodeURLComponent('${{{name}:percentencode}}')"
            elif named[name].multi:
                yield f"{place}: {match[0]} may be many values, which arrive as one text"


def variables(dashboard: Dashboard) -> Iterator[str]:
    counts = Counter(variable.name for variable in dashboard.variables)
    yield from (f"variable {name} is defined {count} times" for name, count in counts.items() if count > 1)
    for variable in dashboard.variables:
        if not re.fullmatch(r"(?!__)\w+", variable.name, re.ASCII):
            yield f"variable {variable.name!r} has no usable name"
        if not variable.json.get("label") and variable.json.get("hide") != 2:
            yield f"variable {variable.name}: no label"
        if variable.kind == "query":
            if variable.json.get("datasource") != DATASOURCE:
                yield f"variable {variable.name}: datasource is not {DATASOURCE}"
            if variable.json.get("refresh") not in (1, 2):
                yield f"variable {variable.name}: its options are never loaded; set refresh to 1 or 2"


def references(dashboard: Dashboard) -> Iterator[str]:
    """Every variable somebody mentions is there."""
    known = {variable.name for variable in dashboard.variables} | BROWSER_NAMES | _OWN_NAMES
    texts: list[tuple[str, str]] = []
    for panel in dashboard.panels:
        content = (panel.json.get("options") or {}).get("content") or ""
        texts += [(panel.name, text) for text in (panel.title, panel.description, content)]
        texts += [(f"{panel.name}, {link.place}", link.url) for link in panel.links]
        repeat = panel.json.get("repeat")
        if repeat and repeat not in known:
            yield f"{panel.name} repeats for {repeat}, which is not defined"
    texts += [(link.place, link.url) for link in dashboard.links]
    for place, text in texts:
        yield from (f"{place}: ${name} is not defined" for name in sorted(referenced(text) - known))
    # In SQL, names with two underscores are macros, which the expansion checks.
    for place, text in dashboard.queries():
        mentioned = {name for name in referenced(text) if not name.startswith("__")}
        yield from (f"{place}: ${name} is not defined" for name in sorted(mentioned - known))


def _defaults(panel: Panel) -> dict[str, Any]:
    return (panel.json.get("fieldConfig") or {}).get("defaults") or {}


_CHECKS = (
    header, panel_ids, grid, words, units, thresholds, queries, annotations, sql_safety, variables, references,
)  # fmt: skip
