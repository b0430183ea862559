"""A little of everything the dashboards show: two hours of events, and what became of them."""

import time
from typing import Any

from model.recording.facts import AttemptFailed, Fact, Outcome, Redriven, Sample, State
from sinks.clickhouse.store import Store
from tests.dashboards.alert_data import fill_alerts
from tests.dashboards.grafana.variables import PanelTime
from tests.kit.recording import BASE_MS, Event, Log, rejected, watermark_report

MINUTE, HOUR = 60_000, 3_600_000
TIME = PanelTime(BASE_MS, BASE_MS + HOUR, 5 * MINUTE)
WATERMARK_MS = BASE_MS + 50 * MINUTE
BOTH = ("crm", "mail")
PAYLOADS: Any = {"event": '{"type":"track"}', "request": '{"method":"POST"}', "response": '{"status":400}'}


def _event(offset: int, minute: float, **more: Any) -> Event:
    return Event(offset, BASE_MS + round(minute * MINUTE), **more)


def _redriven(event: Event, state: State) -> list[Fact]:
    redelivery: Any = {"to": "mail", "redrive": 1, "delivery_id": f"{event.delivery('mail')}/r1"}
    return [
        Redriven(**_about(event, 30 * MINUTE, **redelivery), redrive_id="redrive-1", author="ann"),
        Outcome(**_about(event, 30 * MINUTE + 900, **redelivery), state=state),
    ]


def _about(event: Event, after_ms: int, *, to: str, **more: Any) -> dict[str, Any]:
    named = {"delivery_id": event.delivery(to), "destination": to, "mapping": "default", "attempt": 1}
    return {**event.about(), "at_ms": event.received_at_ms + after_ms, **named, **more}


def _sample(event: Event, state: str, code: str, after_ms: int, *, to: str) -> Sample:
    about = _about(event, after_ms, to=to, code=code, message=f"{code} in its own words")
    return Sample(**about, attempt_id=f"{event.offset}-{to}-sample", state=state, **PAYLOADS)


def retry_of_the_seventh() -> AttemptFailed:
    """The failed call after which event 6 waits for its retry at crm."""
    failed = _event(6, 30, destinations=BOTH).failed(200, BASE_MS + 2 * HOUR)
    assert isinstance(failed, AttemptFailed)
    return failed


def facts() -> list[Fact]:
    """In the order in which they happened. Events 100 to 104 are of the hour before."""
    found: list[Fact] = []
    for number in range(5):
        event = _event(100 + number, -50 + 10 * number)
        code = "" if number < 4 else "400"
        state = State.DELIVERED if number < 4 else State.DISCARDED
        found += [event.received(), event.outcome(state, 100, code=code, message="no email" if code else "")]
    for offset in range(6):
        event = _event(offset, 2 + 3 * offset, destinations=BOTH)
        split: Any = {"queue_ms": 40, "calls_ms": 60 + 100 * offset}
        found += [event.received(), event.outcome(State.DELIVERED, 100 * (offset + 1), **split)]
        if offset < 3:
            found.append(event.outcome(State.DELIVERED, 80, to="mail", queue_ms=30, calls_ms=50))
    third, fourth, fifth = (_event(offset, 2 + 3 * offset, destinations=BOTH) for offset in (3, 4, 5))
    found += [
        third.outcome(State.DISCARDED, 90, to="mail", code="400", message="email is missing", error_group="g1"),
        _sample(third, "discarded", "400", 90, to="mail"),
        *_redriven(third, State.DELIVERED),
        fourth.failed(500, fourth.received_at_ms + 60_000, to="mail", code="ECONNREFUSED"),
        fourth.outcome(State.EXPIRED, 120_000, to="mail", attempt=2, code="ECONNREFUSED", message="refused"),
        fifth.outcome(State.FILTERED, 10, to="mail", attempt=0, code="FILTERED_BY_RULES"),
    ]
    seventh = _event(6, 30, destinations=BOTH)
    found += [
        seventh.received(),
        retry_of_the_seventh(),
        _sample(seventh, "awaiting_retry", "503", 200, to="crm"),
        seventh.failed(300, seventh.received_at_ms + 2_000, to="mail", attempt=1),
        seventh.outcome(State.DELIVERED, 2_400, to="mail", attempt=2, retry_wait_ms=2_000, calls_ms=400),
    ]
    eighth = _event(7, 32, source="ios")
    found += [eighth.received(), eighth.outcome(State.DELIVERED, 700, resent=True, run="run-2")]
    found += [_event(8, 34, message_id="m0").duplicate(), rejected(BASE_MS + 20 * MINUTE, 3)]
    return sorted(found, key=lambda fact: fact.at_ms)


def fill(store: Store, *, lost: bool = False) -> None:
    """Record everything; ``lost``: but the record of the seventh event's retry."""
    log = Log()
    log.append(*facts())
    without = next(fact for _, fact, _ in log.entries if fact == retry_of_the_seventh()) if lost else None
    log.append(watermark_report(WATERMARK_MS, position=9, end=11))
    log.record(store, without=without)
    fill_alerts(store)
    # What a destination was found to be is forgotten after 30 days, so this one is found now.
    mail = {"destination": "mail", "at": round(time.time() * 1000), "state": "setup", "code": "401", "until": 0}
    assert store.insert("destination_states", [mail | {"message": "token revoked"}]) == []
