"""Marks on the trends: when alerts of the picked source and destination started to fire, and recovered."""

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import AnnotationQuery

from dashboards.alert_scope import WHERE_PICKED
from dashboards.colours import ALERT_CHANGES
from dashboards.comparison import COMPARISON, WORDS
from dashboards.queries import DATASOURCE, Query, call

MOST = 500  # of each kind: more would hide the trend
_HISTORY = call("alert_history", source="''", destination="''", rule_id="''", limit="10000")


class Marks(AnnotationQuery, Builder[AnnotationQuery]):
    """One kind of change, with a switch on top of the dashboard; the SDK can only put the switch into a menu."""

    def __init__(self, name: str, change: str) -> None:
        _, colour = ALERT_CHANGES[change]
        super().__init__(name, DATASOURCE, icon_color=colour, target=Query(_sql(change)))

    def build(self) -> AnnotationQuery:
        return self

    def to_json(self) -> dict[str, object]:
        return {name: value for name, value in super().to_json().items() if name != "placement"}


def alert_marks() -> tuple[Marks, Marks]:
    """What began to fire, and what recovered."""
    return Marks("Alerts fired", "fired"), Marks("Alerts recovered", "recovered")


def _sql(change: str) -> str:
    """Grafana shows title and text as HTML, so what people wrote is escaped."""
    return (
        f"{WORDS}SELECT at AS time, encodeXMLComponent(rule_name) AS title,\n"
        f"       encodeXMLComponent({COMPARISON}) AS text,\n"
        "       arrayStringConcat(arrayFilter(name -> name != '', [source, destination, mapping]), ',') AS tags\n"
        f"FROM {_HISTORY}\n"
        f"WHERE change = '{change}' AND {WHERE_PICKED}\n"
        "ORDER BY time DESC\n"
        f"LIMIT {MOST}"
    )
