"""The pickers on top of the dashboards."""

from grafana_foundation_sdk.builders.dashboard import CustomVariable, QueryVariable, TextBoxVariable
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh

from dashboards.colours import STEPS
from dashboards.queries import ALL, DATASOURCE, call, picked

BY = {"event_type": "Event type", "event_name": "Event name", "app_version": "App version"}
# With nothing but the period: options must not depend on what is picked from them.
_EVERYTHING = {"source": "''", "destination": "''"}


def source() -> QueryVariable:
    """The sources anything happened with in the period."""
    counted = call("totals", **_EVERYTHING, split_ms="0", step_seconds="0")
    return _picker("source", "Source", f"SELECT DISTINCT source FROM {counted} WHERE source != '' ORDER BY source")


def destination() -> QueryVariable:
    """The destinations anything happened with in the period, of the source picked, and those in trouble."""
    counted = call("totals", destination="''", source=picked("source"), split_ms="0", step_seconds="0")
    return _picker(
        "destination",
        "Destination",
        f"SELECT DISTINCT destination FROM (\n"
        f"    SELECT destination FROM {counted} WHERE destination != ''\n"
        f"    UNION ALL\n"
        f"    SELECT destination FROM {call('troubled_destinations')}\n"
        f") ORDER BY destination",
    )


def _picker(name: str, label: str, sql: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"queryType": "sql", "rawSql": sql, "refId": "var"})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(ALL)
        .allow_custom_value(False)
        .current(VariableOption(text="All", value="$__all"))
    )


def step() -> CustomVariable:
    """A step of the pipeline."""
    return _choice("step", "Step", {name: label for name, (label, _) in STEPS.items()}, "failed_delivery")


def by() -> CustomVariable:
    """What the rows of a breakdown stand for."""
    return _choice("by", "Break down by", BY, "event_name")


def _choice(name: str, label: str, options: dict[str, str], default: str) -> CustomVariable:
    return (
        CustomVariable(name)
        .label(label)
        .values(", ".join(f"{text} : {value}" for value, text in options.items()))
        .options([VariableOption(value == default, text, value) for value, text in options.items()])
        .current(VariableOption(text=options[default], value=default))
        .allow_custom_value(False)
    )


def text_box(name: str, label: str, description: str) -> TextBoxVariable:
    """A text people type or a link sets."""
    return TextBoxVariable(name).label(label).description(description).default_value("")
