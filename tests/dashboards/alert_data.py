"""A little of everything alerting keeps, at the times of tests/dashboards/data.py."""

from typing import Any

from model.alerts.alert_event import AlertEvent
from model.alerts.notification import Change
from model.alerts.rule import DeliveryRate, FailedEvents, Rule, SourceVolume
from model.alerts.state import Check
from model.alerts.version import RuleChange, RuleVersion
from sinks.clickhouse.rows import LATEST_TIME_MS
from sinks.clickhouse.store import Store
from tests.kit.recording import BASE_MS

MINUTE, DAY = 60_000, 86_400_000
NAME = "CRM <b>arrives</b> & stays"
RATE: Rule = DeliveryRate(
    kind="delivery-rate", name=NAME, destination="crm", below_percent=95, channels=("team", "email:ada@example.com")
)
VOLUME: Rule = SourceVolume(kind="source-volume", name="Shop sends", source="web", change_percent=4)
FAILED: Rule = FailedEvents(kind="failed-events", name="Mail lost", destination="mail", enabled=False)


def version(rule_id: str, rule: Rule, number: int = 1, **more: Any) -> dict[str, Any]:
    made = {"author": "ada", "creator": "ada", "change": RuleChange.CREATED, "at_ms": BASE_MS + number, **more}
    return RuleVersion(rule_id=rule_id, version=number, rule=rule, **made).as_row()


def alert_event(minute: int, rule_id: str, check: Check, change: Change = Change.FIRED, **more: Any) -> AlertEvent:
    at_ms = BASE_MS + minute * MINUTE
    said: dict[str, Any] = {
        "id": f"{rule_id}-{check}-{minute}", "rule_version": 1, "rule_name": NAME, "kind": "delivery-rate",
        "at_ms": at_ms, "since_ms": at_ms, "episode": "", "from_ms": at_ms - DAY, "to_ms": at_ms, **more,
    }  # fmt: skip
    return AlertEvent(rule_id=rule_id, check=check, change=change, **said)


def alert_events() -> list[AlertEvent]:
    """Five changes of three rules."""
    of_crm: dict[str, Any] = {"destination": "crm", "threshold_bp": 9_500}
    day = {**of_crm, "denominator": 1_000}
    begun: dict[str, Any] = {"change": Change.RECOVERED, "since_ms": BASE_MS + 10 * MINUTE}
    return [
        alert_event(10, "r1", Check.DAY, **day, operator="<", numerator=940),
        alert_event(40, "r1", Check.DAY, **day, **begun, operator=">=", numerator=990, notes=("All is well.",)),
        alert_event(45, "r1", Check.FAST, **of_crm, operator="<", numerator=1, denominator=20),
        alert_event(
            20, "r2", Check.DAY, rule_name="Shop sends", kind="source-volume", source="web", operator=">",
            numerator=1_200, denominator=1_000, threshold_bp=400, notified=False, suppressed_reason="muted",
        ),
        alert_event(
            30, "setup:mail", Check.SETUP, rule_name="Destination mail needs a person", kind="setup",
            destination="mail", code="401", message="token revoked", from_ms=0, to_ms=0,
        ),
    ]  # fmt: skip


def _state(one: AlertEvent) -> dict[str, Any]:
    firing = one.change is not Change.RECOVERED
    numbers = {"numerator": one.numerator, "denominator": one.denominator, "threshold_bp": one.threshold_bp}
    status = {"status": "firing" if firing else "ok", "since": one.at_ms, "at": one.at_ms}
    return {"rule_id": one.rule_id, "check": str(one.check), **status, **numbers}


def _message(number: int, of: AlertEvent, channel: str, **more: Any) -> dict[str, Any]:
    return {
        "message_id": f"m{number}", "alert_event_id": of.id, "rule_id": of.rule_id, "rule_name": of.rule_name,
        "change": str(of.change), "channel": channel, "recipient": "", "state": "sent", "attempts": 1,
        "at": of.at_ms + 500, "code": "", "message": "", "title": of.rule_name, "summary": "in one line",
        "link": "", "version": 1, **more,
    }  # fmt: skip


def fill_alerts(store: Store) -> None:
    """Rules, what they did, and what was told."""
    first, second, third, *_, setup = alert_events()
    ok = {"state": "ok", "since": BASE_MS, "at": BASE_MS, "code": "", "message": ""}
    refused = {"state": "dropped", "code": "404", "message": "no_service", "attempts": 3}
    tables: dict[str, list[dict[str, Any]]] = {
        "alert_rules": [
            version("r1", RATE),
            version("r1", RATE, 2, change=RuleChange.ACKNOWLEDGED, author="bob", acknowledged_ms=BASE_MS + 50 * MINUTE),
            version("r2", VOLUME, change=RuleChange.MUTED, muted_until_ms=LATEST_TIME_MS - 1),
            version("r3", FAILED),
            version("r4", RATE, 2, change=RuleChange.DELETED, deleted=True),
        ],
        "alert_events": [one.as_row() for one in alert_events()],
        "alert_states": [_state(one) for one in alert_events()]
        + [{**_state(first), "rule_id": "r4", "since": BASE_MS, "at": BASE_MS}],
        "alert_messages": [
            _message(1, first, "in-app"),
            _message(2, first, "team", **refused),
            _message(3, first, "email", recipient="a…@example.com"),
            _message(4, second, "in-app", recipient="bob"),
            _message(5, third, "email", recipient="a…@example.com", state="failed", code="451", message="later"),
            _message(6, setup, "in-app", link="https://waybill.example.com/d/event-delivery"),
        ],
        "alert_channels": [
            {"channel": "in-app", **ok},
            {"channel": "email", **ok, "state": "failing", "code": "451", "message": "later"},
            {"channel": "team", **ok, "state": "disabled", "code": "404", "message": "no_service"},
        ],
    }
    with store.client() as client:
        for table in ("alert_events", "alert_messages"):
            client.command(f"ALTER TABLE {table} REMOVE TTL")  # these times are fixed and grow old
    for table, rows in tables.items():
        assert store.insert(table, rows) == []
