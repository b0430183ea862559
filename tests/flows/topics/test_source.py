from collections.abc import Sequence
from threading import Event as StopEvent

import pytest

from flows.engine.clock import wall_clock_ms
from flows.engine.epochs import AlignedPartition, EpochAligner
from flows.recording.dataflow import OutcomesPartition
from flows.topics.interface import EVENTS, PositionLost, TopicsUnavailable
from flows.topics.source import (
    BATCH_RECORDS,
    POLL_MS,
    RETRY_TIER_POLL_MS,
    Item,
    SourceConfig,
    SourcedRecord,
    SourceProgress,
    TopicPartition,
    TopicSource,
    TopicsSource,
)
from model.delivery.retry_tiers import RETRY_TIERS
from model.durations import MINUTE_MS
from tests.kit.fakes import Clock, MemoryTopics
from tests.kit.samples import T0

RETRY_TIER = RETRY_TIERS[2]  # 30 s


class Partition:
    """One partition of a topic being read, and what it depends on."""

    def __init__(
        self,
        topic: str = EVENTS,
        *,
        drain: bool = False,
        position: int = 0,
        kind: type[TopicPartition] = TopicPartition,
    ) -> None:
        self.clock = Clock(T0)
        self.topics = MemoryTopics(self.clock, names=[topic])
        self.topic = topic
        self.allowed = 1_000
        self.said: list[int] = []
        self.stop = StopEvent()
        reading = SourceConfig(
            topics=self.topics,
            topic=topic,
            clock=self.clock,
            stop=self.stop,
            start=lambda topic, partition: 0,
            drain=drain,
            budget_records=lambda: self.allowed,
            before_emit=lambda topic, partition, next_offset: self.said.append(next_offset),
        )
        if topic == RETRY_TIER.topic:
            reading = reading.with_delay(RETRY_TIER.wait_ms, lambda ms: RETRY_TIER.earliest_due_ms(ms, 10_000))
        self.reading = reading
        self.source = kind(reading, 0, position)

    def append(self, count: int = 1) -> None:
        for _ in range(count):
            self.topics.append(self.topic, b"x")

    def offsets(self) -> list[int]:
        return [item.record.offset for item in self.source.next_batch() if isinstance(item, SourcedRecord)]


def progress(items: Sequence[Item]) -> SourceProgress:
    (found,) = [item for item in items if isinstance(item, SourceProgress)]
    return found


def test_records_come_in_order_and_the_position_follows_what_was_given_out() -> None:
    partition = Partition()
    partition.append(BATCH_RECORDS + 5)
    assert partition.source.snapshot() == 0
    assert partition.offsets() == list(range(BATCH_RECORDS))
    assert partition.source.snapshot() == BATCH_RECORDS
    assert partition.offsets() == [250, 251, 252, 253, 254]
    assert partition.offsets() == []


def test_it_stops_reading_while_the_process_may_take_on_no_more() -> None:
    partition = Partition()
    partition.append(5)
    for allowed, given in ((2, [0, 1]), (0, []), (-3, []), (9, [2, 3, 4])):
        partition.allowed = allowed
        assert partition.offsets() == given
    assert partition.source.snapshot() == 5


def test_what_is_about_to_be_handled_is_said_before_it_is_given_out() -> None:
    partition = Partition()
    partition.append(3)
    partition.allowed = 2
    partition.offsets()
    partition.offsets()
    assert partition.said == [2, 3]


def test_a_record_of_a_tier_is_given_out_when_it_waited_its_time() -> None:
    partition = Partition(RETRY_TIER.topic)
    partition.append()
    partition.clock.advance(1_000)
    partition.append()
    partition.clock.advance(RETRY_TIER.wait_ms - 1_001)
    assert partition.offsets() == []
    partition.clock.advance(1)
    assert partition.offsets() == [0]
    partition.clock.advance(1_000)
    assert partition.offsets() == [1]


def test_progress_comes_behind_the_records_it_speaks_of_and_again_after_ten_seconds() -> None:
    partition = Partition()
    partition.append(2)
    items = list(partition.source.next_batch())
    assert isinstance(items[-1], SourceProgress)
    assert (items[-1].position, items[-1].end, items[-1].watermark_ms) == (2, 2, T0)
    partition.clock.advance(9_999)
    assert list(partition.source.next_batch()) == []
    partition.clock.advance(1)
    assert progress(list(partition.source.next_batch())).watermark_ms == T0 + 10_000


@pytest.mark.parametrize("count", [7, BATCH_RECORDS, BATCH_RECORDS + 7])
def test_the_watermark_is_the_oldest_unread_record_wherever_the_batch_ended(count: int) -> None:
    partition = Partition()
    partition.append(count)
    partition.clock.advance(5_000)
    partition.append(10)
    partition.clock.advance(60_000)
    partition.allowed = min(count, BATCH_RECORDS)
    said = progress(list(partition.source.next_batch()))
    assert said.watermark_ms == (T0 if count > BATCH_RECORDS else T0 + 5_000)


def test_the_watermark_of_a_tier_rests_on_when_its_records_may_be_due() -> None:
    partition = Partition(RETRY_TIER.topic)
    partition.append()
    assert progress(list(partition.source.next_batch())).watermark_ms == T0 + 30_000 - 1_540


def test_told_to_stop_it_ends_and_keeps_its_position() -> None:
    partition = Partition()
    partition.append(3)
    partition.stop.set()
    with pytest.raises(StopIteration):
        partition.source.next_batch()
    assert partition.source.snapshot() == 0


def test_told_to_stop_one_that_drains_first_reads_what_was_there_then() -> None:
    partition = Partition(drain=True)
    partition.append(BATCH_RECORDS + 1)
    partition.stop.set()
    assert len(partition.offsets()) == BATCH_RECORDS
    partition.append(5)
    partition.offsets()
    with pytest.raises(StopIteration):
        partition.source.next_batch()


def test_a_position_that_fell_off_the_log_is_an_error_never_a_reset() -> None:
    partition = Partition(position=2)
    partition.append(9)
    partition.topics.delete_below(EVENTS, 0, 7)
    with pytest.raises(PositionLost, match="5 records"):
        partition.source.next_batch()


def test_a_source_resumes_at_its_snapshot_and_else_begins_where_it_is_told() -> None:
    partition = Partition()
    partition.append(9)
    source = TopicSource(partition.reading)
    assert source.list_parts() == ["0"]
    assert source.build_part("events", "0", 4).snapshot() == 4
    assert source.build_part("events", "0", None).snapshot() == 0


def test_outcomes_resume_where_the_open_append_minute_began() -> None:
    partition = Partition(kind=OutcomesPartition)
    positions = []
    for step_ms in (0, 30_000, MINUTE_MS, 1, 2 * MINUTE_MS):
        partition.clock.advance(step_ms)
        partition.append()
        partition.offsets()
        positions.append(partition.source.snapshot())
    assert positions == [0, 0, 2, 2, 4]


def test_outcomes_not_yet_read_resume_where_they_were() -> None:
    assert Partition(kind=OutcomesPartition, position=0).source.snapshot() == 0


def test_what_was_read_is_given_out_though_nobody_can_say_how_far_the_log_goes() -> None:
    partition = Partition()
    partition.append(3)
    partition.allowed = 0
    partition.source.next_batch()
    partition.allowed = 3
    partition.clock.advance(10_000)
    partition.topics.away = TopicsUnavailable("starting")
    items = partition.source.next_batch()
    assert [item.record.offset for item in items if isinstance(item, SourcedRecord)] == [0, 1, 2] and len(items) == 3
    partition.topics.away = None
    assert progress(partition.source.next_batch()).position == 3


def test_no_progress_is_told_while_records_are_still_on_their_way_from_a_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    partition = Partition()
    partition.append()
    with monkeypatch.context() as patch:
        patch.setattr(partition.source._reader, "read", lambda max_records, max_bytes: [])
        assert partition.source.next_batch() == []  # a watermark of now would call what waits there lost
    items = partition.source.next_batch()
    assert progress(items).watermark_ms == T0 and len(items) == 2


def test_several_topics_are_one_source_whose_parts_resume_by_topic_and_partition() -> None:
    topics = MemoryTopics(Clock(T0), names=["a.1s", "b"])
    for topic in ("a.1s", "b"):
        topics.append(topic, topic.encode())
        topics.append(topic, b"second")

    def one(topic: str) -> TopicSource:
        return TopicSource(
            SourceConfig(
                topics=topics, topic=topic, clock=Clock(T0), stop=StopEvent(), start=lambda topic, partition: 0
            )
        )

    source = TopicsSource({topic: one(topic) for topic in ("a.1s", "b")})
    assert source.list_parts() == ["a.1s/0", "b/0"]
    (first, *_) = source.build_part("step", "a.1s/0", None).next_batch()
    assert isinstance(first, SourcedRecord) and (first.topic, first.record.value) == ("a.1s", b"a.1s")
    (second, *_) = source.build_part("step", "b/0", 1).next_batch()
    assert isinstance(second, SourcedRecord) and (second.topic, second.record.value) == ("b", b"second")


def test_tiers_are_polled_less_often_than_events() -> None:
    events, tier = Partition(), Partition(RETRY_TIER.topic)
    assert events.reading.poll_ms == POLL_MS < tier.reading.poll_ms == RETRY_TIER_POLL_MS
    for partition in (events, tier):
        partition.source.next_batch()
        awake = partition.source.next_awake()
        assert awake is not None
        soon_ms = awake.timestamp() * 1_000 - wall_clock_ms()
        assert (
            soon_ms <= partition.reading.poll_ms and round(awake.timestamp() * 1_000) % partition.reading.poll_ms == 0
        )


def test_where_there_are_other_processes_parts_keep_step_with_them() -> None:
    partition = Partition()
    source = TopicsSource({EVENTS: TopicSource(partition.reading)}, EpochAligner(partition.clock))
    partition.append()
    part = source.build_part("step", "events/0", None)
    assert isinstance(part, AlignedPartition) and len(list(part.next_batch())) == 2
    assert part.snapshot() == 1
