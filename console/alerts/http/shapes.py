"""A rule as the API shows it, to whom: mail addresses only to who made it and to owners."""

from collections.abc import Iterable, Mapping
from typing import Any

from console.access import Caller
from model.alerts.rule import EMAIL_PREFIX, RULE, scope_of
from model.alerts.version import RuleVersion
from model.workspace.permissions import Role

States = Mapping[str, dict[str, Any]]


def states_by_rule(rows: Iterable[dict[str, Any]]) -> States:
    """Choose, of the rows of view alert_states_now, one for each rule: the check that fires, else the last changed."""
    chosen: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["status"] == "firing", row["at"])):
        chosen[row["rule_id"]] = row
    return chosen


def shown_rule(version: RuleVersion, states: States, who: Caller) -> dict[str, Any]:
    """Return the newest version of a rule with how it stands, as JSON types. Times are Unix ms; 0 is never."""
    definition = RULE.dump_python(version.rule, mode="json")
    if who.role is not Role.OWNER and version.creator != who.name:
        definition["channels"] = [_hidden(channel) for channel in definition["channels"]]
    state = states.get(version.rule_id, {})
    source, destination, mapping = scope_of(version.rule)
    return {
        "id": version.rule_id,
        "version": version.version,
        "rule": definition,
        "source": source,
        "destination": destination,
        "mapping": mapping,
        "owner": version.owner,
        "creator": version.creator,
        "author": version.author,
        "change": version.change,
        "at_ms": version.at_ms,
        "muted_until_ms": version.muted_until_ms,
        "acknowledged_ms": version.acknowledged_ms,
        "deleted": version.deleted,
        "status": state.get("status"),
        "since_ms": state.get("since"),
        "check": state.get("check"),
        "numerator": state.get("numerator"),
        "denominator": state.get("denominator"),
        "threshold_bp": state.get("threshold_bp"),
    }


def _hidden(channel: str) -> str:
    name, at, host = channel.removeprefix(EMAIL_PREFIX).partition("@")
    return f"{EMAIL_PREFIX}{name[:1]}…@{host}" if at else channel
