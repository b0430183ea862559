"""SQL of panels: calls of the views in ``sql/views/`` with the values of the pickers, and texts made of numbers.

Grafana inserts the value of a variable into the SQL before the plugin sees it, and none of its quoting formats escapes
backslashes, which end a literal in ClickHouse. So values are inserted percent-encoded, as letters, digits, ``%`` and
``-_.~``, and ClickHouse decodes them.
"""

from typing import Any

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef

from sinks.clickhouse.store import DEFAULTS
from sinks.clickhouse.views import VIEWS

DATASOURCE = DataSourceRef(type_val="grafana-clickhouse-datasource", uid="clickhouse")
PLUGIN_VERSION = "4.20.0"
UNSETTLED = "may still change"  # the column of `unsettled`
ALL = "*"  # what a picker holds for All; no name may contain it
_FORMATS = {"timeseries": 0, "table": 1}


class Query(Dataquery, Builder[Dataquery]):
    """A query of a panel, in the plugin's form. ``kind``: table, or timeseries with the time in the first column."""

    def __init__(self, sql: str, kind: str = "table") -> None:
        self.sql = sql
        self.kind = kind

    def build(self) -> Dataquery:
        return self

    def to_json(self) -> dict[str, Any]:
        return {
            "datasource": DATASOURCE,
            "editorType": "sql",
            "format": _FORMATS[self.kind],
            "pluginVersion": PLUGIN_VERSION,
            "queryType": self.kind,
            "rawSql": self.sql,
            "refId": "A",
        }


def value_of(variable: str) -> str:
    """The value of a variable as an expression, whatever it holds."""
    return f"decodeURLComponent('${{{variable}:percentencode}}')"


def picked(variable: str) -> str:
    """The value of a picker as the views take it: '' for all."""
    return f"if({value_of(variable)} = '{ALL}', '', {value_of(variable)})"


_BINDINGS = {
    "from_ms": "$__from",
    "to_ms": "$__to",
    "source": picked("source"),
    "destination": picked("destination"),
    "settle_seconds": str(DEFAULTS["settle_seconds"]),
    "step_seconds": "greatest(60, $__interval_s)",
}


def call(view: str, **given: str) -> str:
    """A view called for the period and the pickers of the dashboard; ``given``: expressions for its other parameters.

    Raises KeyError for a view that does not exist, a parameter it has not, and one that nothing is given for.
    """
    types = VIEWS[view]
    if unknown := given.keys() - types.keys():
        raise KeyError(f"view {view} has no parameter {', '.join(sorted(unknown))}")
    arguments = _BINDINGS | given
    return f"{view}({', '.join(f'{name} = {arguments[name]}' for name in types)})" if types else view


def change(column: str, unit: str) -> str:
    """A change as text: ▲ or ▼ and how much; ``unit`` is %, points or ms."""
    size = f"abs({column})"
    amount = f"concat(toString(round({size}, 1)), ' {unit}')"
    if unit == "ms":
        amount = f"if({size} < 1000, {amount}, concat(toString(round({size} / 1000, 1)), ' s'))"
    return (
        f"multiIf({column} IS NULL, 'nothing before', {size} < 0.05, 'as before', "
        f"concat(if({column} > 0, '▲ ', '▼ '), {amount}))"
    )


def unsettled(bucket: str) -> str:
    """A last column for trends: 1 in buckets which the watermark has not passed, so that they may still change."""
    passed = f"{bucket} + greatest(60, $__interval_s) <= (SELECT watermark FROM freshness)"
    return f"if(ifNull({passed}, 0), NULL, 1) AS `{UNSETTLED}`"


def trend(view: str, series: dict[str, str], **given: str) -> str:
    """A series in buckets: ``series`` gives the expression of each line by its name."""
    columns = "".join(f",\n       {expression} AS `{name}`" for name, expression in series.items())
    return f"SELECT bucket AS time{columns},\n       {unsettled('bucket')}\nFROM {call(view, **given)}\nORDER BY time"
