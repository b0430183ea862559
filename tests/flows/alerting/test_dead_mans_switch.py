from pathlib import Path

import orjson
import pytest

from flows.alerting.dead_mans_switch import DeadMansSwitch
from flows.alerting.outbox import Outbox
from model.alerts.alert_event import AlertEvent
from model.alerts.notification import Change
from model.alerts.system import BLIND_AFTER_MS, MONITOR_BLIND
from model.durations import DAY_MS, MINUTE_MS
from tests.kit.alert_samples import NOW
from tests.kit.alerting import Evaluating, Knowing, bundle, example_workspace
from tests.kit.fakes import Clock


class Watched:
    """A watch, its clock and what it told; each `start` is a process' life."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "outbox.db"
        self.clock = Clock(NOW)
        self.start()

    def start(self) -> None:
        self.watch = DeadMansSwitch(Outbox(self.file), lambda: example_workspace(always=["ops"]), self.clock)

    def look(self, after_ms: int = 0, *, every_ms: int = 5_000) -> None:
        """Look every now and then until so much later."""
        end_ms = self.clock.now_ms + after_ms
        while self.clock.now_ms < end_ms:
            self.clock.advance(min(every_ms, end_ms - self.clock.now_ms))
            self.watch.check()

    def notified(self) -> list[AlertEvent]:
        return Outbox(self.file).unrecorded().alert_events

    def changes(self) -> list[Change]:
        return [made.change for made in self.notified()]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_after_three_minutes_without_a_bundle_it_is_told_once(watched: Watched) -> None:
    watched.look(BLIND_AFTER_MS)
    assert watched.changes() == []
    watched.look(1)
    watched.look(60 * MINUTE_MS, every_ms=MINUTE_MS)
    [fired] = watched.notified()
    assert (fired.rule_id, fired.change, fired.notified) == (MONITOR_BLIND, Change.FIRED, True)
    assert (fired.from_ms, fired.to_ms) == (NOW, NOW + BLIND_AFTER_MS)
    messages = Outbox(watched.file).unrecorded().messages
    assert sorted((row.channel, row.state) for row in messages) == [("in-app", "sent"), ("ops", "queued")]


def test_while_bundles_come_it_is_quiet(watched: Watched) -> None:
    for _ in range(10):
        watched.look(BLIND_AFTER_MS)
        watched.watch.minute_seen()
    assert watched.changes() == []


def test_it_recovers_with_the_first_bundle_and_may_be_blind_again(watched: Watched) -> None:
    watched.look(BLIND_AFTER_MS + 1)
    watched.watch.minute_seen()
    watched.look(5_000)
    assert watched.changes() == [Change.FIRED, Change.RECOVERED]
    watched.look(BLIND_AFTER_MS)
    assert watched.changes() == [Change.FIRED, Change.RECOVERED, Change.FIRED]
    assert len({made.id for made in watched.notified()}) == 3


def test_started_again_it_is_as_blind_as_before(watched: Watched) -> None:
    watched.look(10 * MINUTE_MS)
    watched.start()
    watched.look(10 * MINUTE_MS)
    assert watched.changes() == [Change.FIRED]
    watched.watch.minute_seen()
    watched.look(5_000)
    assert watched.changes() == [Change.FIRED, Change.RECOVERED]
    watched.start()
    watched.look(BLIND_AFTER_MS)
    assert watched.changes() == [Change.FIRED, Change.RECOVERED]


def test_while_it_lasts_it_is_told_once_a_day_also_after_a_restart(watched: Watched) -> None:
    watched.look(BLIND_AFTER_MS + 1)
    for _ in range(4):
        watched.start()
        watched.look(DAY_MS // 4, every_ms=MINUTE_MS)
    watched.look(DAY_MS // 2, every_ms=MINUTE_MS)
    assert watched.changes() == [Change.FIRED, Change.REMINDER]


def test_a_crash_before_it_is_written_down_is_no_second_alert(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Outbox, "put", full)
        with pytest.raises(OSError):
            watched.look(BLIND_AFTER_MS + 1)
    watched.look(MINUTE_MS)
    [fired] = watched.notified()
    assert fired.at_ms == NOW + BLIND_AFTER_MS
    assert orjson.loads(Outbox(watched.file).mark("monitor-blind") or b"")["firing"]


def test_a_partition_that_says_nothing_makes_it_blind(watched: Watched) -> None:
    """Bundles of the others come, and no minute can be evaluated."""
    evaluating = Evaluating(Knowing(), partitions=2)
    evaluating.on_heard = watched.watch.minute_seen
    for number in range(4):
        evaluating.take(bundle(number, partition=0))
        watched.look(MINUTE_MS)
    assert watched.changes() == [Change.FIRED]
    evaluating.take(bundle(4, partition=1))
    watched.look(5_000)
    assert watched.changes() == [Change.FIRED, Change.RECOVERED]
