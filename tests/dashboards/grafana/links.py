"""Where links lead: the dashboard, the variables it opens with, and its time."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.dashboards.grafana.dashboard import Dashboard, Link, Panel
from tests.dashboards.grafana.engine import Answer
from tests.dashboards.grafana.variables import REFERENCE, Choice, PanelTime, interpolate

_SOME_TIME = PanelTime(0, 3_600_000)
_FIELD = re.compile(r"""\$\{__data\.fields(?:\.(\w+)|\[["'](.+?)["']\])""", re.ASCII)


@dataclass(frozen=True, slots=True)
class Landing:
    """What a person sees after a click. ``from_ms`` and ``to_ms`` are '' if the link drops the time."""

    uid: str
    variables: Mapping[str, tuple[str, ...]]
    from_ms: str
    to_ms: str


def follow(
    link: Link, choices: Mapping[str, Choice], time: PanelTime, row: Mapping[str, Any] | None = None
) -> Landing | None:
    """Click a link, for a data link in a row; None if it leads out of Grafana. Raises ValueError for a broken one."""
    url = interpolate(link.url, choices, time, row, form="percentencode")
    if url.startswith(("http://", "https://")):
        return None
    if left := REFERENCE.search(url):
        raise ValueError(f"{link.place}: nothing to put in for {left[0]}")
    parts = urlsplit(url)
    path = re.fullmatch(r"/d/([\w-]+)(?:/[\w-]*)?", parts.path, re.ASCII)
    if path is None or parts.netloc:
        raise ValueError(f"{link.place}: {link.url!r} is neither /d/<uid> nor an address")
    asked = parse_qs(parts.query, keep_blank_values=True)
    kept = {
        name: choice.value if isinstance(choice.value, tuple) else (choice.value,) for name, choice in choices.items()
    }
    named = {key.removeprefix("var-"): tuple(values) for key, values in asked.items() if key.startswith("var-")}
    if link.keeps_time:
        asked = {"from": [str(time.from_ms)], "to": [str(time.to_ms)]} | asked
    variables = (kept if link.keeps_variables else {}) | named
    return Landing(path[1], variables, asked.get("from", [""])[0], asked.get("to", [""])[0])


def link_problems(dashboards: Mapping[str, Dashboard]) -> Iterator[str]:
    """What is wrong with the links between dashboards, which are given by their uid."""
    for dashboard in dashboards.values():
        choices = {variable.name: Choice("x") for variable in dashboard.variables}
        for link in dashboard.all_links():
            place = f"{dashboard.uid}: {link.place}"
            if not link.url:  # a list of the dashboards with a tag
                if not link.keeps_time:
                    yield f"{place} drops the time"
                continue
            if link.in_data and link.url.startswith("${__"):  # the whole address comes from the data
                continue
            fields = {name: "x" for match in _FIELD.finditer(link.url) for name in match.groups() if name}
            try:
                landing = follow(link, choices, _SOME_TIME, fields)
            except ValueError as error:
                yield f"{dashboard.uid}: {error}"
                continue
            if landing is None:
                continue
            target = dashboards.get(landing.uid)
            if target is None:
                yield f"{place} leads to {landing.uid}, which does not exist"
                continue
            there = {variable.name for variable in target.variables}
            # A link that keeps all variables may bring more than the other dashboard has.
            explicit = landing.variables.keys() - (choices if link.keeps_variables else set())
            yield from (f"{place} sets {name}, which {target.uid} has not" for name in sorted(explicit - there))
            lost = (there & choices.keys()) - landing.variables.keys()
            yield from (f"{place} loses {name}, which {target.uid} has too" for name in sorted(lost))
            if not (landing.from_ms and landing.to_ms):
                yield f"{place} drops the time"


def missing_columns(panel: Panel, answers: Mapping[str, Answer]) -> list[str]:
    """Columns that data links and overrides of a panel name, but none of its queries gives."""
    there = {name for answer in answers.values() for name in answer.names}
    wanted = {name for link in panel.links for match in _FIELD.finditer(link.url) for name in match.groups() if name}
    renamed: set[str] = set()
    for transformation in panel.json.get("transformations") or []:
        renamed |= set((transformation.get("options") or {}).get("renameByName", {}).values())
    if any(target.format == 1 for target in panel.targets):
        for override in (panel.json.get("fieldConfig") or {}).get("overrides") or []:
            if override.get("matcher", {}).get("id") == "byName":
                wanted.add(override["matcher"]["options"])
    return sorted(wanted - there - renamed)
