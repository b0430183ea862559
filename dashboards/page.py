"""A dashboard as a whole: what all have in common, where panels stand, and its JSON."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, VariableModel

from dashboards.annotations import Marks
from dashboards.links import TITLES, links_to_others
from dashboards.panels import Panel

TAG = "waybill"


Line = tuple[int, Sequence[tuple[int, Panel]]]  # height, and each panel with its width; 24 columns in all


def page(
    uid: str,
    description: str,
    variables: Sequence[Builder[VariableModel]],
    lines: Sequence[Line | str],
    *,
    marks: Sequence[Marks] = (),
    period: str = "now-24h",
) -> str:
    """The JSON of a dashboard; a text among the lines is a row's title, and ``marks`` stand on its trends.

    Raises ValueError for a line with holes.
    """
    board = (
        Dashboard(TITLES[uid])
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .refresh("1m")
        .time(period, "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .links([*links_to_others(uid)])
        .variables([*variables])
    )
    for mark in marks:
        board.annotation(mark)
    for line in lines:
        if isinstance(line, str):
            board.with_row(Row(line))
            continue
        height, panels = line
        if sum(width for width, _ in panels) != 24:
            raise ValueError(f"{uid}: a line of {len(panels)} panels does not fill 24 columns")
        for width, panel in panels:
            board.with_panel(panel.span(width).height(height))
    built = board.build()
    for number, placed in enumerate(built.panels or [], start=1):
        placed.id_val = number
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(built) + "\n"
