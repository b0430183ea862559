"""What an alert says equals what the views show for the same period."""

from collections import Counter
from typing import Any

import pytest

from model.alerts.alert_event import AlertEvent
from model.alerts.state import Check
from model.durations import HOUR_MS, MINUTE_MS
from sinks.clickhouse.store import Store
from tests.kit.alerting import Evaluating, Knowing, rule
from tests.kit.recorded_days import PARTITIONS, RecordedDays, facts_of_days

LOOKED_UP = 2
RATE: dict[str, Any] = {
    "kind": "delivery-rate",
    "below_percent": 95,
    "minimum_deliveries": 50,
    "first_attempts_below_percent": 80,
}
RULES = (
    rule("all", **RATE),
    rule("web", **RATE | {"source": "web"}),
    rule("orders", **RATE | {"source": "web", "mapping": "orders", "below_percent": 93.5}),
    rule("volume", kind="source-volume", source="web", change_percent=10),
    rule("up", kind="source-volume", source="ios", change_percent=0.5, minimum_events=1),
    rule("failed"),
)


class Views:
    """The numbers of an alert event as the views show them."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def check(self, made: AlertEvent) -> None:
        """They are the same."""
        assert self._shown(made) == (made.numerator, made.denominator), made
        if made.check is Check.FAST:
            ok, total = self._first_attempts(made, made.to_ms - HOUR_MS)
            assert (ok, total) == made.hour, made
        if made.check is Check.DAY and made.kind == "delivery-rate":
            assert made.excluded == (("filtered", self._slots(made, made.from_ms)["filtered"]),)
            if not made.mapping:
                self._check_metrics(made)

    def _shown(self, made: AlertEvent) -> tuple[int, int]:
        if made.kind == "source-volume":
            baseline = self._volume(made.source, made.baseline_from_ms, made.baseline_to_ms)
            return self._volume(made.source, made.from_ms, made.to_ms), baseline
        slots = self._slots(made, made.from_ms)
        if made.check is Check.HOUR:
            return slots["not_delivered"], 0
        if made.check is Check.FAST:
            return self._first_attempts(made, made.from_ms)
        return slots["delivered"], slots["delivered"] + slots["not_delivered"]

    def _check_metrics(self, made: AlertEvent) -> None:
        period = {"from_ms": made.from_ms, "to_ms": made.to_ms}
        [row] = self.store.view("delivery_metrics", **period, source=made.source, destination=made.destination)
        assert (row["delivered"], row["delivered"] + row["not_delivered"]) == (made.numerator, made.denominator)
        assert row["success_rate"] == pytest.approx(made.numerator / made.denominator)

    def _first_attempts(self, made: AlertEvent, from_ms: int) -> tuple[int, int]:
        slots = self._slots(made, from_ms)
        return slots["first_ok"], slots["first_ok"] + slots["first_failed"]

    def _slots(self, made: AlertEvent, from_ms: int) -> Counter[str]:
        where = {"source": made.source, "destination": made.destination, "mapping": made.mapping}
        sums: Counter[str] = Counter()
        for row in self.store.view("alert_slots", from_ms=from_ms, to_ms=made.to_ms, step_seconds=60, **where):
            sums.update({name: row[name] for name in row if name != "slot"})
        return sums

    def _volume(self, source: str, from_ms: int, to_ms: int) -> int:
        return sum(row["received"] for row in self.store.view("volume_of", from_ms=from_ms, to_ms=to_ms, source=source))


def play(store: Store) -> Counter[tuple[str, str, str]]:
    """What is found, by rule, check and change; of each, some are looked up in the views."""
    days, views = RecordedDays(store, Evaluating(Knowing(*RULES), PARTITIONS)), Views(store)
    seen: Counter[tuple[str, str, str]] = Counter()
    for appended_ms, partition, fact in facts_of_days(seed=7):
        for made in days.append(appended_ms, partition, fact):
            kind = made.rule_id, str(made.check), str(made.change)
            seen[kind] += 1
            if made.operator and seen[kind] <= LOOKED_UP:
                days.write_until(made.at_ms - MINUTE_MS)
                views.check(made)
    return seen


@pytest.mark.slow
def test_the_numbers_of_alerts_are_those_the_views_show(store: Store) -> None:
    seen = play(store)
    for rule_id in ("all", "web"):
        assert seen[rule_id, "day", "fired"] and seen[rule_id, "fast", "fired"] and seen[rule_id, "fast", "recovered"]
    assert seen["orders", "day", "fired"] and seen["volume", "day", "fired"] and seen["up", "day", "fired"]
    assert seen["failed", "hour", "fired"] and seen["failed", "hour", "recovered"]


def test_control_when_the_store_lacks_a_row_the_numbers_differ(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    insert = Store.insert

    def losing(self: Store, table: str, rows: Any) -> Any:
        return insert(self, table, rows[:-3])

    monkeypatch.setattr(Store, "insert", losing)
    with pytest.raises(AssertionError):
        play(store)
