"""Rules, rows and windows as the tests of alerting need them."""

from collections.abc import Iterable
from typing import Any

from model.alerts.measures import FIVE_MINUTES_MS
from model.alerts.rule import RULE
from model.alerts.version import RuleChange, RuleVersion, newest
from model.alerts.windows import Windows
from model.durations import DAY_MS, MINUTE_MS

T0 = 1_800_000_000_000 // FIVE_MINUTES_MS * FIVE_MINUTES_MS  # 2027-01-15 08:00 UTC
NOW = T0 + 10 * DAY_MS


class Known:
    """A history in which every period of every source has so many events."""

    def __init__(self, events: int | None = None) -> None:
        self.events = events
        self.asked: list[tuple[str, int, int]] = []

    def received(self, source: str, from_ms: int, to_ms: int) -> int | None:
        """As many as said."""
        self.asked.append((source, from_ms, to_ms))
        return self.events


def row(
    minute_ms: int,
    status: str = "received",
    count: int = 1,
    *,
    source: str = "web",
    destination: str = "",
    mapping: str = "",
    first: int | None = None,
) -> dict[str, Any]:
    """A row of a bundle; of its deliveries ``first`` were first attempts."""
    return {
        "source": source, "destination": destination, "mapping": mapping, "event_type": "track", "event_name": "Paid",
        "app_version": "", "status": status, "code": "", "count": count, "latency": {},
        "by_attempt": {} if first is None else {"1": first}, "minute_ms": minute_ms,
    }  # fmt: skip


def delivery(minute_ms: int, status: str, count: int, first: int | None = None, mapping: str = "all") -> dict[str, Any]:
    """A row of deliveries from web to crm."""
    return row(minute_ms, status, count, destination="crm", mapping=mapping, first=first)


def windows_of(rows: Iterable[dict[str, Any]], end_ms: int = NOW, begun_ms: int = T0) -> Windows:
    """Windows that have seen these rows, each in its own minute."""
    windows = Windows(begun_ms)
    for each in sorted(rows, key=lambda one: int(one["minute_ms"])):
        windows.advance_to(each["minute_ms"] + MINUTE_MS)
        windows.add([each])
    windows.advance_to(end_ms)
    return windows


def volumes(now: int, before: int) -> Windows:
    """Windows of a source that has sent for long: so many events in the last 24 hours, and in those before."""
    rows = [row(T0), row(NOW - DAY_MS - MINUTE_MS, count=before), row(NOW - MINUTE_MS, count=now)]
    return windows_of(rows)


def version(number: int = 1, **changes: Any) -> RuleVersion:
    """A version of a rule; ``rule`` are fields of its definition, the others those of the version."""
    definition = {"name": "Web volume", "kind": "source-volume", "source": "web", "change_percent": 4}
    given = changes.pop("rule", {})
    if given.get("kind", "source-volume") != "source-volume":
        definition = {"name": "To CRM", "destination": "crm"}
    fields: dict[str, Any] = {"at_ms": T0, "author": "ada", "creator": "ada", "change": RuleChange.CREATED} | changes
    return RuleVersion(rule_id="r1", version=number, rule=RULE.validate_python(definition | given), **fields)


def in_force(versions: Iterable[RuleVersion], at_ms: int) -> dict[str, RuleVersion]:
    """Return, by rule, the newest version made at ``at_ms`` or before; no rule that was deleted by then."""
    return {rule_id: version for rule_id, version in newest(versions, at_ms).items() if not version.deleted}
