"""What alerting asks of a real store, and what it does without one."""

from typing import Any, cast

import pytest

from flows.alerting.store_queries import RuleRepository
from model.durations import HOUR_MS
from sinks.clickhouse.store import Store, StoreUnavailable
from tests.kit.alerting import START, rule
from tests.kit.recording import BASE_MS, Event, Log


class Away:
    """A store that does not answer."""

    def view(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        raise StoreUnavailable("the store is away")


def test_a_rule_that_cannot_be_read_costs_no_other_rule_anything_and_is_said_once(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    good, other = rule("good"), rule("other", at_ms=START)
    strange = rule("strange").as_row() | {"definition": '{"kind":"of-tomorrow"}'}
    assert store.insert("alert_rules", [good.as_row(), strange, other.as_row()]) == []
    knowledge = RuleRepository(store)
    for _ in range(3):
        assert knowledge.versions(START) == [good, other]
    assert caplog.text.count("alert rule strange cannot be read") == 1


def test_volumes_and_first_events_are_those_of_the_store(store: Store) -> None:
    log = Log()
    log.append(*(Event(offset, BASE_MS + offset * 60_000).received() for offset in range(5)))
    log.record(store)
    knowledge = RuleRepository(store)
    assert knowledge.received("web", BASE_MS, BASE_MS + 3 * 60_000) == 3
    assert knowledge.received("ios", BASE_MS, BASE_MS + HOUR_MS) == 0
    assert knowledge.first_events(BASE_MS + HOUR_MS) == {"web": BASE_MS}


def test_without_a_store_nothing_is_known_and_nothing_fails(caplog: pytest.LogCaptureFixture) -> None:
    knowledge = RuleRepository(cast(Store, Away()))
    assert knowledge.versions(START) is None
    assert knowledge.received("web", 0, START) is None
    assert knowledge.first_events(START) is None
    assert "continues without the store" in caplog.text
