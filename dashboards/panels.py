"""The kinds of panels the dashboards are made of."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.models import common as models
from grafana_foundation_sdk.models.dashboard import (
    DashboardRegexMapOptions,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    MatcherConfig,
    RegexMap,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

from dashboards.colours import BAD, GOOD, PLAIN
from dashboards.colours import UNSETTLED as UNSETTLED_COLOUR
from dashboards.columns import USUAL, Looks, by_name, fixed, prop, unit
from dashboards.queries import DATASOURCE, UNSETTLED, Query

NO_VALUE = "–"
MOST_BUCKETS = 150  # of a trend: ten minutes of a day; more are thinner than an eye can tell

AnyPanel = TypeVar("AnyPanel", stat.Panel, table.Panel, timeseries.Panel, bargauge.Panel)
Panel = stat.Panel | table.Panel | timeseries.Panel | bargauge.Panel
Steps = Sequence[tuple[float | None, str]]
NONE_MAY_BE: Steps = ((None, GOOD), (1, BAD))


def number(
    title: str,
    description: str,
    sql: str,
    *,
    unit: str = "short",
    empty: str = "none",
    colours: Steps = ((None, PLAIN),),
) -> stat.Panel:
    """The columns of the query's one row, below each other."""
    panel = (
        _base(stat.Panel(), title, description, Query(sql), empty)
        .unit(unit)
        .reduce_options(common.ReduceDataOptions().values(False).calcs(["last"]).fields("/.*/"))
        .text_mode(models.BigValueTextMode.VALUE)
        .color_mode(models.BigValueColorMode.VALUE)
        .graph_mode(models.BigValueGraphMode.NONE)
        .justify_mode(models.BigValueJustifyMode.CENTER)
        .orientation(models.VizOrientation.HORIZONTAL)
        .text(common.VizTextDisplayOptions().value_size(20))
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .thresholds(_thresholds(colours))
    )
    return panel.decimals(0) if unit == "s" else panel


def change_colours(more_is: str) -> list[DynamicConfigValue]:
    """Colours of a text that begins with ▲ or ▼, where more is 'good', 'bad' or 'neither'."""
    up, down = {"good": (GOOD, BAD), "bad": (BAD, GOOD), "neither": (PLAIN, PLAIN)}[more_is]
    signs = (("▲.*", up), ("▼.*", down), ("[^▲▼].*", PLAIN))
    return prop(
        "mappings", [RegexMap(DashboardRegexMapOptions(p, ValueMappingResult(color=c, index=0))) for p, c in signs]
    )


class _NestedMatcher(MatcherConfig):
    """Finds a column inside expanded rows, where other matchers do not look; the SDK has no word for it."""

    def to_json(self) -> dict[str, object]:
        return {"id": self.id_val, "options": self.options, "scope": "nested"}


def grid(
    title: str,
    description: str,
    sql: str,
    *,
    empty: str,
    columns: Looks = MappingProxyType({}),
    nested_by: Sequence[str] = (),
) -> table.Panel:
    """A table. ``columns``: looks other than the usual ones.

    With ``nested_by``, rows that agree in those columns become one, which opens to the other columns.
    """
    panel = _base(table.Panel(), title, description, Query(sql), empty).cell_height(models.TableCellHeight.SM)
    # The panel's own text stands for a table without rows, not for a cell without a value.
    for matcher in (MatcherConfig, _NestedMatcher):
        panel.with_override(matcher("byRegexp", ".*"), prop("noValue", NO_VALUE))
    usual = {name: USUAL[name] for name in re.findall(r"AS `([^`]+)`", sql) if name in USUAL}
    for name, look in (usual | by_name(columns)).items():
        matcher = _NestedMatcher if nested_by and name not in nested_by else MatcherConfig
        panel.with_override(matcher("byName", name), look)
    if nested_by:
        fields = {name: {"aggregations": [], "operation": "groupby"} for name in nested_by}
        options = {"fields": fields, "showSubframeHeaders": True}
        panel.with_transformation(DataTransformerConfig("groupToNestedTable", options=options))
    return panel


def lines(
    title: str, description: str, sql: str, series: Mapping[str, str], *, unit: str, empty: str
) -> timeseries.Panel:
    """A line for each series, by the name of its column and its colour, for numbers of any size: on a log scale."""
    scale = common.ScaleDistributionConfig().type(models.ScaleDistribution.LOG).log(10)
    panel = _series(title, description, sql, series, unit=unit, empty=empty)
    return panel.fill_opacity(0).line_width(2).scale_distribution(scale)


def bars(
    title: str, description: str, sql: str, series: Mapping[str, str], *, empty: str, unit: str = "short"
) -> timeseries.Panel:
    """Bars put on each other, the first series at the bottom."""
    stacked = common.StackingConfig().mode(models.StackingMode.NORMAL).group("A")
    return (
        _series(title, description, sql, series, unit=unit, empty=empty)
        .draw_style(models.GraphDrawStyle.BARS)
        .bar_alignment(models.BarAlignment.AFTER)
        .bar_width_factor(0.85)
        .min(0)
        .fill_opacity(80)
        .line_width(0)
        .stacking(stacked)
    )


def _series(
    title: str, description: str, sql: str, series: Mapping[str, str], *, unit: str, empty: str
) -> timeseries.Panel:
    panel = (
        _base(timeseries.Panel(), title, description, Query(sql, "timeseries"), empty)
        .interval("1m")
        .max_data_points(MOST_BUCKETS)
        .unit(unit)
        .show_points(models.VisibilityMode.AUTO)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(models.LegendDisplayMode.LIST)
            .placement(models.LegendPlacement.BOTTOM)
            .calcs([])
        )
        .tooltip(common.VizTooltipOptions().mode(models.TooltipDisplayMode.MULTI).sort(models.SortOrder.NONE))
    )
    for name, colour in series.items():
        panel.override_by_name(name, fixed(colour))
    if f"`{UNSETTLED}`" in sql:
        panel.override_by_name(UNSETTLED, _shade())
    return panel


def bar_list(
    title: str, description: str, sql: str, bars: Mapping[str, tuple[str, str]], *, empty: str
) -> bargauge.Panel:
    """A bar for each column of the one row: its colour and where a click on it leads."""
    panel = (
        _base(bargauge.Panel(), title, description, Query(sql), empty)
        .unit("short")
        .min(0)
        .orientation(models.VizOrientation.HORIZONTAL)
        .display_mode(models.BarGaugeDisplayMode.BASIC)
        .value_mode(models.BarGaugeValueMode.TEXT)
        .name_placement(models.BarGaugeNamePlacement.LEFT)
        .show_unfilled(True)
        .reduce_options(common.ReduceDataOptions().values(False).calcs(["last"]).fields(""))
        .thresholds(_thresholds(((None, PLAIN),)))
    )
    for name, (colour, address) in bars.items():
        panel.override_by_name(name, fixed(colour) + prop("links", [{"title": f"Break down {name}", "url": address}]))
    return panel


def _shade() -> list[DynamicConfigValue]:
    """Shade behind the buckets whose numbers may still change, on a hidden axis of its own."""
    options: dict[str, Any] = {
        "custom.drawStyle": "bars",
        "custom.barAlignment": 1,
        "custom.barWidthFactor": 1,
        "custom.barMaxWidth": 2_000,
        "custom.lineWidth": 0,
        "custom.fillOpacity": 25,
        "custom.stacking": {"group": "B", "mode": "none"},
        "custom.axisPlacement": "hidden",
        "custom.scaleDistribution": {"type": "linear"},
        "min": 0,
        "max": 1,
        "mappings": [ValueMap({"1": ValueMappingResult(text="yes", index=0)})],
    }
    found = [DynamicConfigValue(id_, value) for id_, value in options.items()]
    return found + fixed(UNSETTLED_COLOUR) + unit("none")


def _base(panel: AnyPanel, title: str, description: str, query: Query, empty: str) -> AnyPanel:
    panel.title(title).description(description).datasource(DATASOURCE).with_target(query).no_value(empty)
    return panel


def _thresholds(colours: Steps) -> ThresholdsConfig:
    return (
        ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(value, colour) for value, colour in colours])
    )
