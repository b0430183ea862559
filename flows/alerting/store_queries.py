"""Alerting's queries to the store: the rules, and data from before its windows' start.

Each query has a short timeout. While the store is unavailable, alerting continues with the rules it has, and
comparisons with last week are skipped.
"""

import logging
from typing import Any

from model.alerts.version import RuleVersion
from sinks.clickhouse.store import Store, StoreError

log = logging.getLogger("waybill.alerting")


class RuleRepository:
    """All times are Unix ms."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._unreadable: set[str] = set()

    def versions(self, from_ms: int) -> list[RuleVersion] | None:
        """Every version of every rule since ``from_ms``, and the last one before; None if the store is unavailable."""
        rows = self._ask("alert_rule_versions", from_ms=from_ms, rule_id="")
        if rows is None:
            return None
        versions = []
        for row in rows:
            try:
                versions.append(RuleVersion.from_row(row))
            except ValueError:  # written by a later version of Waybill; the other rules still work
                if row["rule_id"] not in self._unreadable:
                    log.error(
                        "alert rule %(rule)s cannot be read by this version of Waybill: upgrade",
                        {"rule": row["rule_id"]},
                    )
                    self._unreadable.add(row["rule_id"])
        return versions

    def received(self, source: str, from_ms: int, to_ms: int) -> int | None:
        """Accepted events of a source in a period; None if the store is unavailable."""
        rows = self._ask("volume_of", from_ms=from_ms, to_ms=to_ms, source=source)
        return None if rows is None else sum(row["received"] for row in rows)

    def first_events(self, to_ms: int) -> dict[str, int] | None:
        """When each source sent its first event; None if the store is unavailable."""
        rows = self._ask("first_events", to_ms=to_ms, source="")
        return None if rows is None else {row["source"]: row["first_at"] for row in rows}

    def _ask(self, view: str, **parameters: Any) -> list[dict[str, Any]] | None:
        try:
            return self._store.view(view, **parameters)
        except StoreError as error:
            log.warning("alerting continues without the store: %s", error)
            return None
