"""Versions of an alert rule: who changed what, and when. At any time the newest version applies."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from model.alerts.rule import RULE, Rule

# Columns of table alert_rules are named like the fields, with these exceptions.
_COLUMNS = {"at_ms": "at", "muted_until_ms": "muted_until", "acknowledged_ms": "acknowledged_at", "rule": "definition"}


class RuleChange(StrEnum):
    """How a version changed the rule."""

    CREATED = "created"
    EDITED = "edited"  # enabled and disabled too
    DELETED = "deleted"
    MUTED = "muted"
    UNMUTED = "unmuted"
    ACKNOWLEDGED = "acknowledged"


class RuleOwner(StrEnum):
    """Who may change a rule."""

    USER = "user"
    WORKSPACE = "workspace"  # the workspace file


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVersion:
    """A rule after one change. Immutable.

    version: from 1. muted_until_ms: when notifications resume. acknowledged_ms: when somebody acknowledged it. Both are
    0 when unset.
    """

    rule_id: str
    version: int
    at_ms: int
    author: str
    change: RuleChange
    rule: Rule
    creator: str  # who made version 1
    muted_until_ms: int = 0
    acknowledged_ms: int = 0
    deleted: bool = False
    owner: RuleOwner = RuleOwner.USER

    def as_row(self) -> dict[str, Any]:
        """As table alert_rules has it."""
        values = {_COLUMNS.get(name, name): getattr(self, name) for name in self.__slots__}
        return values | {"definition": RULE.dump_json(self.rule).decode()}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "RuleVersion":
        """From a row of view alert_rule_versions. Raises ValueError for a version of another format."""
        values = {name: row[_COLUMNS.get(name, name)] for name in cls.__slots__}
        values["rule"] = RULE.validate_json(row["definition"])
        return cls(**values | {"change": RuleChange(row["change"]), "owner": RuleOwner(row["owner"])})


def newest(versions: Iterable[RuleVersion], at_ms: int) -> dict[str, RuleVersion]:
    """Return, by rule, the newest version up to ``at_ms``, deleted rules included."""
    found: dict[str, RuleVersion] = {}
    for version in versions:
        known = found.get(version.rule_id)
        if version.at_ms <= at_ms and (known is None or known.version < version.version):
            found[version.rule_id] = version
    return found
