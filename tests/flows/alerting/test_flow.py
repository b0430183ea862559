"""The flow in real Bytewax runs that crash: in the end the outbox holds what one run without a crash puts there."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from flows.alerting.dataflow import OutboxSinkPartition, alerting_flow, minutes_source
from flows.alerting.evaluation import Evaluation
from flows.alerting.notifications import Message
from flows.alerting.outbox import Outbox
from flows.engine.clock import wall_clock_ms
from flows.engine.single_sink import SingleSink
from flows.topics.interface import MINUTES
from flows.topics.source import SourceConfig
from model.alerts import state_machine
from model.alerts.version import RuleVersion
from model.durations import MINUTE_MS
from tests.kit.alert_samples import delivery
from tests.kit.alerting import START, Knowing, bundle_value, example_workspace, rule, said
from tests.kit.fakes import MemoryTopics
from tests.kit.small_runs import Crash, Hand, beginning, run

PARTITIONS = 2
MINUTES_OF_LOG = 40
RULES = (
    rule("failed", channels=("team", "ops")),
    rule("rate", kind="delivery-rate", below_percent=60, minimum_deliveries=2,
         first_attempts_below_percent=50, minimum_first_attempts=2, channels=("team", "email:me")),
    rule("short", at_ms=START + 9 * MINUTE_MS),
    rule("short", 2, at_ms=START + 20 * MINUTE_MS, enabled=False),
)  # fmt: skip
WORKSPACE = example_workspace(always=["ops"])
SHORT_EPOCH = timedelta(milliseconds=1)


def log_of_bundles() -> MemoryTopics:
    """Ten good minutes, ten bad ones, and so on; a destination that needs a person for a while."""
    topics = MemoryTopics(wall_clock_ms, partitions=PARTITIONS, names=[MINUTES])
    for number in range(MINUTES_OF_LOG):
        status = "discarded" if number // 10 % 2 else "delivered"
        for partition in range(PARTITIONS):
            rows = [delivery(START + number * MINUTE_MS, status, 5, first=5)]
            states = []
            if partition == 0 and number in {5, 15, 25}:
                states = [said("mail", "ok" if number == 15 else "setup", START + number * MINUTE_MS + 7, "401")]
            value = bundle_value(number, rows, states, partition)
            topics.append(MINUTES, value, partition=partition, at_ms=(number + 1) * MINUTE_MS)
    return topics


class Counting(Knowing):
    """Says which minute is being evaluated."""

    def __init__(self, begin: Callable[[int], None]) -> None:
        super().__init__(*RULES)
        self.begin = begin

    def versions(self, from_ms: int) -> list[RuleVersion] | None:
        self.begin((from_ms - START) // MINUTE_MS)
        return super().versions(from_ms)


class Alerting:
    """The flow over one log and one directory; each `run` is a process' life."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.topics = log_of_bundles()
        self.evaluated = 0  # minutes, those evaluated again too
        self.reached = -1  # by the present life
        self.resumed = 0

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.directory / "outbox.db")

    def run(self, until: Callable[[], bool], *, crash: bool = False) -> None:
        """Live until the condition holds, and then end well or die; whatever else kills it is raised."""
        self.reached = -1
        hand = Hand(until, crash=crash)
        reading = SourceConfig(
            topics=self.topics, topic=MINUTES, clock=hand, stop=hand.stop, start=beginning, max_records=1
        )  # fmt: skip
        flow = alerting_flow(
            minutes_source(reading),
            self._evaluation,
            SingleSink(lambda: OutboxSinkPartition(self.directory / "outbox.db", lambda: WORKSPACE)),
        )
        run(flow, self.directory / "recovery", SHORT_EPOCH)

    def die_after(self, minutes: int) -> None:
        """Die in the source when so many more minutes were evaluated."""
        end = self.evaluated + minutes
        with pytest.raises(Crash):
            self.run(lambda: self.evaluated >= end, crash=True)

    def finish(self) -> None:
        """Read everything and stop."""
        self.run(lambda: self.reached == MINUTES_OF_LOG - 1)

    def notified(self) -> dict[str, Any]:
        """Every message there is, by id."""
        found: dict[str, Any] = {}
        while rows := self._unrecorded():
            found |= {row.id: (row.channel, row.recipient, row.alert_event_id, row.notification) for row in rows}
        return found

    def _unrecorded(self) -> list[Message]:
        outbox = self.outbox
        found = outbox.unrecorded()
        outbox.recorded(found, START)
        return found.messages

    def _evaluation(self, resume_state: dict[str, Any] | None) -> Evaluation:
        self.resumed += resume_state is not None
        now_ms = START + (MINUTES_OF_LOG + 1) * MINUTE_MS
        known = Counting(self._begin)
        return Evaluation(PARTITIONS, known, lambda: WORKSPACE, lambda: now_ms, lambda: None, resume_state)

    def _begin(self, number: int) -> None:
        self.evaluated += 1
        self.reached = number


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    alerting = Alerting(tmp_path_factory.mktemp("straight") / "run")
    alerting.finish()
    assert alerting.evaluated == MINUTES_OF_LOG
    return alerting.notified()


def dying_at_put(monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool) -> None:
    """The process dies when the outbox is written for the so-manieth time, before or after it is."""
    put, calls = Outbox.put, [0]

    def dying(self: Outbox, *args: Any) -> None:
        calls[0] += 1
        if calls[0] == number and not after:
            raise Crash
        put(self, *args)
        if calls[0] == number:
            raise Crash

    monkeypatch.setattr(Outbox, "put", dying)


def test_one_run_tells_what_the_rules_say(expected: dict[str, Any]) -> None:
    by_rule: dict[str, list[str]] = {}
    for channel, _, _, notification in expected.values():
        if channel == "in-app":
            by_rule.setdefault(notification.rule_id, []).append(str(notification.change))
    assert {name: sorted(found) for name, found in by_rule.items()} == {
        "failed": ["fired"],
        "rate": ["fired", "fired", "recovered"],
        "short": ["fired"],
        "setup:mail": ["fired", "fired", "recovered"],
    }
    assert {channel for channel, *_ in expected.values()} == {"in-app", "team", "ops", "email"}


@pytest.mark.parametrize("seed", range(4))
def test_crashes_at_any_moment_lose_nothing_and_tell_nothing_twice(
    seed: int, tmp_path: Path, expected: dict[str, Any]
) -> None:
    random, alerting = Random(seed), Alerting(tmp_path / "run")
    for _ in range(4):
        alerting.die_after(random.randint(1, 9))
    alerting.finish()
    assert alerting.notified() == expected


@pytest.mark.parametrize("after", [False, True], ids=["before it is written", "after it is written"])
@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_crash_in_the_outbox_loses_nothing_and_tells_nothing_twice(
    number: int, after: bool, tmp_path: Path, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    alerting = Alerting(tmp_path / "run")
    with monkeypatch.context() as patched:
        dying_at_put(patched, number, after=after)
        with pytest.raises(Crash):
            alerting.finish()
    written = len(Outbox(alerting.directory / "outbox.db").unrecorded().alert_events)
    assert written >= number - (not after)
    alerting.finish()
    assert alerting.notified() == expected
    assert number == 1 or alerting.resumed, "it began anew, not at its last snapshot"


def test_control_with_ids_made_by_chance_something_is_told_twice(
    tmp_path: Path, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_machine, "alert_event_id", lambda *_: uuid.uuid4().hex)
    alerting = Alerting(tmp_path / "run")
    with monkeypatch.context() as patched:
        dying_at_put(patched, 2, after=True)
        with pytest.raises(Crash):
            alerting.finish()
    alerting.finish()
    assert len(alerting.notified()) > len(expected)


def test_control_a_position_that_moves_before_the_outbox_is_written_loses_something(
    tmp_path: Path, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put, calls = Outbox.put, [0]

    def forgetful(self: Outbox, *args: Any) -> None:
        calls[0] += 1
        if calls[0] != 2:
            put(self, *args)

    monkeypatch.setattr(Outbox, "put", forgetful)
    alerting = Alerting(tmp_path / "run")
    alerting.finish()
    assert alerting.notified().keys() < expected.keys()
