"""What Bytewax demands (docs/decisions/0001-bytewax.md), proved on our own sources, sinks and shards in small runs.

A crash here is an exception in the middle of an epoch: Bytewax ends as it stands, without a last snapshot, and the
topics, which live on, are what a broker or a disk would hold after kill -9.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree
from threading import Event as StopEvent

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow

from flows.engine.clock import wall_clock_ms
from flows.runtime.recovery import RecoveryLost
from flows.runtime.runner import FlowThread, RunnableFlow, run_once
from flows.topics.interface import EVENTS, PositionLost
from flows.topics.sink import OutgoingRecord, TopicSink, TopicSinkPartition
from flows.topics.source import POLL_MS, Item, SourceConfig, SourcedRecord, TopicPartition, TopicSource
from model.http.messages import HttpResponse
from model.recording.facts import Received, WatermarkReport
from tests.kit.fakes import MemoryTopics, ScriptedEngine
from tests.kit.small_runs import DEADLINE_SECONDS, EPOCH, Crash, Hand, System, answering, beginning, ids, run

# --- a sink acknowledges before the snapshot


def copying(topics: MemoryTopics, hand: Hand, sink: TopicSink, *sources: str) -> Dataflow:
    """A flow that copies topics to topic "copy"."""
    flow = Dataflow("copying")
    streams = [
        op.input(
            name,
            flow,
            TopicSource(SourceConfig(topics=topics, topic=name, clock=hand, stop=hand.stop, start=beginning)),
        )
        for name in sources or (EVENTS,)
    ]

    def copy(item: Item) -> list[tuple[str, list[OutgoingRecord]]]:
        return [("copy", [OutgoingRecord("copy", b"", item.record.value)])] if isinstance(item, SourcedRecord) else []

    op.output("copy", op.flat_map("to_copy", op.merge("all", *streams), copy), sink)
    return flow


def copied(topics: MemoryTopics) -> list[bytes]:
    return [record.value for record in topics.records("copy")]


def crash_five_times_then_finish(topics: MemoryTopics, recovery: Path, sink: Callable[[], TopicSink]) -> None:
    """Append events all the while; every crash comes after some of them were copied, in the middle of an epoch."""
    appended = 0

    def append_more() -> None:
        nonlocal appended
        topics.append(EVENTS, str(appended).encode())
        appended += 1

    for _ in range(5):
        flushed, polls = topics.flushes, 0

        def mid_epoch() -> bool:
            nonlocal polls
            append_more()
            polls += topics.flushes >= flushed + 2  # noqa: B023 (used within the loop's own run)
            return polls > 3

        with pytest.raises(Crash):
            run(copying(topics, Hand(mid_epoch, crash=True), sink()), recovery)
    polls_left = 30

    def quiet() -> bool:
        nonlocal polls_left
        polls_left -= 1
        return polls_left < 0

    run(copying(topics, Hand(quiet), sink()), recovery)
    assert appended > 15


class ForgetfulPartition(TopicSinkPartition):
    """The mistake: what was written in one epoch is flushed in the next, so a snapshot promises what is not there."""

    def write_batch(self, values: list[list[OutgoingRecord]]) -> None:
        super().snapshot()
        super().write_batch(values)

    def snapshot(self) -> None:
        pass


class ForgetfulSink(TopicSink):
    def build_part(self, step_id: str, for_part: str, resume_state: None) -> TopicSinkPartition:
        return ForgetfulPartition(self._topics.producer())


def test_5_1_what_a_snapshot_has_passed_is_in_the_topic_whatever_crashes(tmp_path: Path) -> None:
    topics = MemoryTopics(wall_clock_ms, names=[EVENTS, "copy"])
    crash_five_times_then_finish(topics, tmp_path / "recovery", lambda: TopicSink(topics))
    assert set(copied(topics)) == {record.value for record in topics.records(EVENTS)}


def test_5_1_control_a_sink_that_flushes_outside_its_snapshot_loses(tmp_path: Path) -> None:
    topics = MemoryTopics(wall_clock_ms, names=[EVENTS, "copy"])
    crash_five_times_then_finish(topics, tmp_path / "recovery", lambda: ForgetfulSink(topics))
    assert set(copied(topics)) < {record.value for record in topics.records(EVENTS)}


def test_5_1_a_flush_that_fails_stops_the_position_and_works_later(tmp_path: Path) -> None:
    topics = MemoryTopics(wall_clock_ms, names=[EVENTS, "copy"])
    topics.append(EVENTS, b"one")
    with pytest.raises(OSError, match="the disk is on fire"):
        topics.failure = OSError("the disk is on fire")
        run(copying(topics, Hand(lambda: False), TopicSink(topics)), tmp_path / "recovery")
    topics.failure = None
    run(copying(topics, Hand(lambda: bool(copied(topics))), TopicSink(topics)), tmp_path / "recovery")
    assert copied(topics) == [b"one"]


# --- a source never naps


def test_5_2_sources_with_nothing_to_give_do_not_freeze_the_others(tmp_path: Path) -> None:
    topics = MemoryTopics(wall_clock_ms, names=[EVENTS, "copy", *(f"silent {n}" for n in range(6))])
    waits_ms: list[float] = []
    appended = 0.0

    def next_one() -> bool:
        nonlocal appended
        if len(copied(topics)) == len(topics.records(EVENTS)):
            if appended:
                waits_ms.append((time.monotonic() - appended) * 1_000)
            appended = time.monotonic()
            topics.append(EVENTS, b"x")
        return len(waits_ms) == 12

    sources = [EVENTS, *(f"silent {n}" for n in range(6))]
    run(copying(topics, Hand(next_one), TopicSink(topics), *sources), tmp_path / "recovery")
    # An epoch and a poll; a source that naps for its next record would add its nap to each.
    assert sorted(waits_ms)[len(waits_ms) // 2] < 250


def test_5_2_an_idle_partition_asks_to_be_called_soon_and_a_busy_one_at_once() -> None:
    topics = MemoryTopics(wall_clock_ms, names=[EVENTS])
    reading = SourceConfig(topics=topics, topic=EVENTS, clock=wall_clock_ms, stop=StopEvent(), start=beginning)
    partition = TopicPartition(reading, 0, 0)
    partition.next_batch()
    soon = partition.next_awake()
    assert soon is not None and soon <= datetime.now(UTC) + timedelta(milliseconds=POLL_MS) and POLL_MS <= 20
    topics.append(EVENTS, b"x")
    partition.next_batch()
    assert partition.next_awake() is None


# --- the delivery flow


def test_5_3_calls_in_flight_at_a_crash_are_made_again_though_their_events_are_not_read_again(tmp_path: Path) -> None:
    system = System(tmp_path)
    system.send(5)
    never = answering(3_600.0)
    flushes = 0

    def committed() -> bool:
        # Two flushes after the last call began, the epoch that read the events is committed.
        nonlocal flushes
        if len(never.begun) < 5:
            flushes = system.topics.flushes
        return system.topics.flushes >= flushes + 4 and len(system.facts()) >= 5

    system.run(never, committed, crash=True)
    again = answering()
    system.run(again, lambda: len(system.delivered_ids()) == 5)
    assert sorted(ids(again.begun)) == sorted(ids(never.begun))
    assert sum(isinstance(fact, Received) for fact in system.facts()) == 5
    assert all(fact.replayed and fact.resent for fact in system.outcomes())


def test_5_3_crash_after_crash_loses_nothing_and_marks_what_may_have_been_said_or_sent_twice(tmp_path: Path) -> None:
    system = System(tmp_path, destinations=3)
    engines: list[ScriptedEngine] = []
    for _ in range(4):
        system.send(40)
        engine = answering(0.01)
        engines.append(engine)
        ended = 20 + 15 * len(engines)
        system.run(engine, lambda: len(engine.ended) >= ended, crash=True)  # noqa: B023 (used within its own run)
    last = answering()
    engines.append(last)
    system.run(last, lambda: len(system.delivered_ids()) >= 4 * 40 * 3)
    assert len(system.routed_ids()) == 4 * 40 * 3
    assert system.delivered_ids() == system.routed_ids()
    said: set[str] = set()
    for fact in system.outcomes():
        assert fact.replayed or fact.delivery_id not in said
        said.add(fact.delivery_id)
    read: set[int] = set()
    for event in system.facts():
        if isinstance(event, Received):
            assert event.replayed or event.events_offset not in read
            read.add(event.events_offset)
    arrived = [each for engine in engines for each in ids(engine.ended)]
    sent_twice = len(arrived) - len(set(arrived))
    assert sum(fact.resent for fact in system.outcomes()) >= sent_twice > 0


def test_5_3_a_retry_waiting_on_a_tier_survives_crashes_too(tmp_path: Path) -> None:
    system = System(tmp_path)
    system.send(10)
    refusing = ScriptedEngine(lambda request: HttpResponse(status=503))
    system.run(refusing, lambda: len(system.topics.records("retries.1s")) >= 5, crash=True)
    last = answering()
    system.run(last, lambda: len(system.delivered_ids()) == 10)
    assert system.delivered_ids() == system.routed_ids()


def test_5_3_a_clean_stop_waits_for_calls_in_flight_and_sends_nothing_twice(tmp_path: Path) -> None:
    system = System(tmp_path, destinations=2)
    system.send(60)
    engines = []
    for begun in (10, 20, 10_000):
        engine = answering(0.05)
        engines.append(engine)
        system.run(
            engine,
            lambda: len(engine.begun) >= begun or len(system.delivered_ids()) == 120,  # noqa: B023
        )
        assert engine.begun == [] or sorted(ids(engine.ended)) == sorted(ids(engine.begun))
    sent = [each for engine in engines for each in ids(engine.begun)]
    assert len(sent) == len(set(sent)) == 120
    assert all(len(engine.begun) > 0 for engine in engines)
    assert not any(fact.replayed or fact.resent for fact in system.outcomes())
    assert len(system.outcomes()) == 120


def test_5_3_a_clean_stop_soon_after_a_crash_does_not_make_what_was_said_before_it_count_twice(tmp_path: Path) -> None:
    system = System(tmp_path)
    system.send(30)

    def crash_before_the_commit() -> None:
        if system.delivered_ids():
            raise Crash

    system.topics.after_flush = crash_before_the_commit
    system.epoch = timedelta(seconds=1)  # long enough for the events to be read and delivered in the first one
    system.run(answering(), lambda: False, crash=True)
    system.topics.after_flush = lambda: None
    system.epoch = EPOCH
    system.start_and_stop_at_once()
    system.run(answering(), lambda: len(system.outcomes()) >= 60)
    said: set[str] = set()
    for fact in system.outcomes():
        assert fact.replayed or fact.delivery_id not in said
        said.add(fact.delivery_id)


def test_5_4_a_few_shards_own_the_rooms_of_however_many_destinations(tmp_path: Path) -> None:
    system = System(tmp_path, destinations=40, shards=3)
    system.send(2)
    system.run(answering(), lambda: len(system.delivered_ids()) == 80)
    assert system.shards_made == [False] * 3
    system.send(2)
    system.run(answering(), lambda: len(system.delivered_ids()) == 160)
    assert system.shards_made == [False] * 3 + [True] * 3


@pytest.mark.parametrize("shards", [1, 6])
def test_5_4_after_the_number_of_shards_was_changed_ticks_go_on_and_nothing_is_lost(
    tmp_path: Path, shards: int
) -> None:
    system = System(tmp_path, destinations=5)
    system.send(4)
    never = answering(3_600.0)
    system.run(
        never,
        lambda: len(never.begun) == 20 and any(isinstance(f, WatermarkReport) for f in system.facts()),
        crash=True,
    )
    system.shards = shards
    reports = sum(isinstance(fact, WatermarkReport) for fact in system.facts())

    def done() -> bool:
        return (
            len(system.delivered_ids()) == 20
            and sum(isinstance(f, WatermarkReport) for f in system.facts()) > reports + 1
        )

    system.run(answering(), done)


# --- a lost recovery directory, a lost position


def test_5_8_a_flow_whose_recovery_directory_was_lost_is_refused_before_it_reads_anything(tmp_path: Path) -> None:
    topics = MemoryTopics(wall_clock_ms, names=[EVENTS, "copy"])
    topics.append(EVENTS, b"one")
    recovery = tmp_path / "recovery"
    prepared: list[int] = []

    def prepare() -> RunnableFlow:
        prepared.append(1)
        return RunnableFlow(copying(topics, Hand(lambda: True), TopicSink(topics)), lambda clean: None)

    run_once(topics, "copying", recovery, prepare)
    rmtree(recovery)
    with pytest.raises(RecoveryLost, match="waybill recover copying"):
        run_once(topics, "copying", recovery, prepare)
    assert prepared == [1]


def test_5_8_a_position_that_fell_off_the_log_is_an_error_with_the_gap_counted(tmp_path: Path) -> None:
    topics = MemoryTopics(wall_clock_ms, names=[EVENTS, "copy"])
    for _ in range(3):
        topics.append(EVENTS, b"x")
    run(copying(topics, Hand(lambda: len(copied(topics)) == 3), TopicSink(topics)), tmp_path / "recovery")
    for _ in range(7):
        topics.append(EVENTS, b"x")
    topics.delete_below(EVENTS, 0, 8)
    with pytest.raises(PositionLost, match="5 records from 3 on were deleted"):
        run(copying(topics, Hand(lambda: False), TopicSink(topics)), tmp_path / "recovery")
    assert len(copied(topics)) == 3


def test_5_8_a_flow_that_lost_its_position_is_not_started_again_and_says_why(tmp_path: Path) -> None:
    topics = MemoryTopics(wall_clock_ms, names=[EVENTS, "copy"])
    stop = StopEvent()

    def prepare() -> RunnableFlow:
        flow = copying(topics, Hand(lambda: False), TopicSink(topics))
        topics.append(EVENTS, b"x")
        topics.delete_below(EVENTS, 0, 1)
        return RunnableFlow(flow, lambda clean: None)

    thread = FlowThread(topics, "copying", tmp_path / "recovery", prepare, stop)
    thread.start()
    try:
        assert thread.join(DEADLINE_SECONDS)
        assert thread.status.needs_operator and thread.status.starts == 1
        assert "1 records from" in thread.status.failure
    finally:
        stop.set()
