"""Every query of sql/README.md, run on data that gives it something to say."""

import re
import time
from typing import Any

import pytest

from model.recording.facts import State
from sinks.clickhouse.store import Store
from sinks.clickhouse.views import SQL, VIEWS
from tests.kit.recording import BASE_MS, Event, Log, watermark_report

README = (SQL / "README.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)
QUESTIONS = re.findall(r"^### \d+\. (.+)$", README, re.MULTILINE)
PARAMETERS = {
    "from_ms": BASE_MS,
    "to_ms": BASE_MS + 3_600_000,
    "destination": "crm",
    "code": "400",
    "message_id": "lost",
}


@pytest.fixture
def incident(store: Store) -> Store:
    """One event delivered, one refused with a sample, one waiting, and a destination that needs a person."""
    log = Log()
    fine, lost, waiting = Event(0, BASE_MS), Event(1, BASE_MS + 60_000, message_id="lost"), Event(2, BASE_MS + 70_000)
    log.append(fine.received(), fine.outcome(State.DELIVERED), lost.received())
    log.append(lost.outcome(State.DISCARDED, code="400", message="no such field"), waiting.received())
    log.append(waiting.failed(10, BASE_MS + 3_000_000), watermark_report(BASE_MS + 200_000))
    log.record(store)
    sample = {"state": "discarded", "destination": "crm", "code": "400", "at": BASE_MS + 60_100, "message_id": "lost",
              "received_at": BASE_MS + 60_000, "event": "{}", "request": "{}", "response": "{}"}  # fmt: skip
    state = {"destination": "crm", "state": "setup", "code": "401", "at": int(time.time() * 1_000)}
    assert store.insert("samples", [sample]) == store.insert("destination_states", [state]) == []
    return store


def test_there_are_ten_questions_and_each_has_a_query() -> None:
    assert len(QUESTIONS) == 10
    assert len(QUERIES) == 1 + len(QUESTIONS)


@pytest.mark.parametrize("query", QUERIES, ids=["how to read a view", *QUESTIONS])
def test_a_query_of_the_readme_answers(incident: Store, query: str) -> None:
    asked: dict[str, Any] = {name: PARAMETERS[name] for name in re.findall(r"\{(\w+):", query)}
    with incident.client() as client:
        answer = client.query(query, parameters=asked)
    assert answer.result_rows, "no rows"
    named = re.search(r"FROM (?:freshness, )?(\w+)\(", query)
    assert named is not None and named[1] in VIEWS


def test_the_answers_tell_the_incident(incident: Store) -> None:
    def ask(question: str) -> dict[str, Any]:
        query = QUERIES[1 + next(i for i, asked in enumerate(QUESTIONS) if question in asked)]
        asked = {name: PARAMETERS[name] for name in re.findall(r"\{(\w+):", query)}
        with incident.client() as client:
            rows = list(client.query(query, parameters=asked).named_results())
        return dict(rows[-1])

    assert (ask("destination down")["state"], ask("destination down")["pending"]) == ("setup", 1)
    assert (ask("worse than before")["delivered"], ask("worse than before")["not_delivered"]) == (1, 1)
    assert (ask("Why is it")["code"], ask("Why is it")["state"]) == ("400", "discarded")
    assert ask("When did it start")["not_delivered"] == 1
    assert ask("exactly")["message_id"] == "lost"
    assert ask("app")["failed"] == 1
    assert (ask("stuck")["waits_for"], ask("stuck")["pending"]) == ("retry", 1)
    trusted = ask("trust")
    assert (trusted["routed"], trusted["pending"], trusted["unexplained"]) == (3, 1, 0)
