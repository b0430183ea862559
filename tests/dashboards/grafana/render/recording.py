"""What a picture shows: the answers of every panel, and what the pickers said, kept as one JSON file per dashboard.

{"range": {"from": 0, "to": 0}, "choices": {"source": {...}}, "frames": {"1": [...]}, "marks": {"Releases": [...]}}

Times are Unix ms.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from tests.dashboards.grafana.dashboard import Dashboard, Panel
from tests.dashboards.grafana.engine import Run, annotation_marks, panel_answers, panel_frames
from tests.dashboards.grafana.macros import expand
from tests.dashboards.grafana.variables import Choice, PanelTime, interpolate, interval_ms, query_interval_ms

HIDDEN = 2  # the `hide` of a variable without a picker
COLLAPSED = ".panels["
_MARKED = ("title", "description")


def record(dashboard: Dashboard, run: Run, choices: Mapping[str, Choice], time: PanelTime) -> dict[str, Any]:
    """Ask the engine for every panel."""
    return {
        "range": {"from": time.from_ms, "to": time.to_ms},
        "choices": {name: asdict(choice) for name, choice in choices.items()},
        "frames": {
            str(panel.id): panel_frames(panel, panel_answers(panel, run, choices, _of_panel(time, panel)))
            for panel in dashboard.panels
            if panel.targets
        },
        "marks": {
            annotation.name: annotation_marks(annotation, run(expand(annotation.target.raw_sql, choices, time)))
            for annotation in dashboard.annotations
        },
    }


def _of_panel(time: PanelTime, panel: Panel) -> PanelTime:
    """With the width of a point that the panel itself asks for."""
    points = panel.json.get("maxDataPoints")
    if not points:
        return time
    least = interval_ms(panel.json.get("interval") or "1ms")
    return replace(time, interval_ms=query_interval_ms(time.to_ms - time.from_ms, points, least))


def state(
    dashboard: Dashboard, recorded: Mapping[str, Any], *, theme: str, width_px: int, open_rows: int
) -> dict[str, Any]:
    """What the page draws. Raises ValueError if the recording is not one of this dashboard."""
    time = PanelTime(recorded["range"]["from"], recorded["range"]["to"])
    choices = {name: _choice(saved) for name, saved in recorded["choices"].items()}
    panels = [panel for panel in dashboard.panels if COLLAPSED not in panel.place]
    missing = [panel.name for panel in panels if panel.targets and str(panel.id) not in recorded["frames"]]
    missing += [annotation.name for annotation in dashboard.annotations if annotation.name not in recorded["marks"]]
    if missing:
        raise ValueError(f"nothing recorded for {', '.join(missing)}: record {dashboard.uid} again")
    return {
        "title": dashboard.title,
        "theme": theme,
        "width": width_px,
        "openRows": open_rows,
        "range": recorded["range"],
        "period": interpolate("${__from:date:YYYY-MM-DD HH:mm} to ${__to:date:YYYY-MM-DD HH:mm} UTC", {}, time),
        "pickers": [
            {"label": variable.json.get("label") or variable.name, "text": choices[variable.name].text}
            for variable in dashboard.variables
            if variable.json.get("hide") != HIDDEN and variable.name in choices
        ],
        "annotations": [
            {
                "name": annotation.name,
                "colour": annotation.colour,
                "isOn": annotation.is_on,
                "marks": recorded["marks"][annotation.name] if annotation.is_on else [],
            }
            for annotation in dashboard.annotations
        ],
        "panels": [_drawn(panel, recorded["frames"], choices, time) for panel in panels],
    }


def height_px(dashboard: Dashboard) -> int:
    """How high the page is: 30 px for a unit of the grid, and 8 between them, below the header."""
    shown = [panel for panel in dashboard.panels if COLLAPSED not in panel.place]
    return 64 + max((panel.grid[1] + panel.grid[3] for panel in shown), default=0) * 38


def _drawn(panel: Panel, frames: Mapping[str, Any], choices: Mapping[str, Choice], time: PanelTime) -> dict[str, Any]:
    drawn = {key: value for key, value in panel.json.items() if key not in ("targets", "panels")}
    drawn |= {key: interpolate(str(drawn[key]), choices, time, form="text") for key in _MARKED if drawn.get(key)}
    options = dict(drawn.get("options") or {})
    if "content" in options:
        options["content"] = interpolate(options["content"], choices, time, form="text")
    drawn["options"] = options
    if panel.targets:
        drawn["frames"] = frames[str(panel.id)]
    return drawn


def _choice(saved: Mapping[str, Any]) -> Choice:
    value = saved["value"]
    options = tuple((option[0], option[1]) for option in saved["options"])
    return Choice(tuple(value) if isinstance(value, list) else value, options, saved["all_value"])
