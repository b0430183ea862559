from threading import Event as StopEvent

import pytest

from flows.alerting.dataflow import MAX_LEAD_MS, minutes_source
from flows.topics.interface import MINUTES
from flows.topics.source import BATCH_RECORDS, SourceConfig, SourcedRecord
from model.durations import MINUTE_MS
from tests.kit.alerting import START
from tests.kit.fakes import Clock, MemoryTopics

AHEAD_MINUTES = MAX_LEAD_MS // MINUTE_MS


class Partitions:
    """Partitions of topic minutes, with a record for each of ``minutes`` from ``first`` on."""

    def __init__(self, *parts: tuple[int, int]) -> None:
        topics = MemoryTopics(Clock(START), partitions=len(parts), names=[MINUTES])
        for partition, (first, minutes) in enumerate(parts):
            for number in range(first, first + minutes):
                value = f"{partition}/{number}".encode()
                topics.append(MINUTES, value, partition=partition, at_ms=START + number * MINUTE_MS)
        self.stop = StopEvent()
        clock = Clock(START + 10**9)
        reading = SourceConfig(topics=topics, topic=MINUTES, clock=clock, stop=self.stop, start=lambda *_: 0)
        source = minutes_source(reading)
        self.topics = topics
        self.parts = [source.build_part("minutes", name, None) for name in source.list_parts()]
        self.given: list[list[int]] = [[] for _ in parts]

    def poll(self, partition: int) -> int:
        """How many records it gives out."""
        items = [item for item in self.parts[partition].next_batch() if isinstance(item, SourcedRecord)]
        self.given[partition] += [int(item.record.value.split(b"/")[1]) for item in items]
        return len(items)


def test_a_partition_far_ahead_waits_until_the_others_have_come_near() -> None:
    minutes = 6 * BATCH_RECORDS
    partitions = Partitions((0, minutes), (0, minutes))
    assert partitions.poll(1) == BATCH_RECORDS
    assert partitions.poll(0) == BATCH_RECORDS
    assert partitions.poll(0) == BATCH_RECORDS
    for _ in range(5):
        assert partitions.poll(0) == 0
        assert partitions.parts[0].next_awake() is not None  # it does not spin
    assert partitions.poll(1) == BATCH_RECORDS
    assert partitions.poll(0) == BATCH_RECORDS


def test_in_a_backlog_no_partition_is_ever_further_ahead_than_an_hour_and_a_batch_and_nothing_is_skipped() -> None:
    partitions = Partitions((0, 900), (0, 900), (0, 900))
    for turn in range(10_000):
        # The first one is asked ten times as often as the last.
        partitions.poll(0 if turn % 11 < 7 else 1 if turn % 11 < 10 else 2)
        reached = [given[-1] for given in partitions.given if given]
        if len(reached) == 3 and max(reached) < 899:
            assert max(reached) - min(reached) <= AHEAD_MINUTES + BATCH_RECORDS
        if all(len(given) == 900 for given in partitions.given):
            break
    assert partitions.given == [list(range(900))] * 3


def test_a_partition_with_nothing_to_give_holds_nobody_back() -> None:
    partitions = Partitions((0, 1_000), (0, 0))
    while partitions.poll(0):
        partitions.poll(1)
    assert len(partitions.given[0]) == 1_000


def test_a_partition_that_has_given_all_it_has_holds_nobody_back() -> None:
    partitions = Partitions((0, 1_000), (0, 5))
    assert partitions.poll(1) == 5
    assert [partitions.poll(0), partitions.poll(0), partitions.poll(0)] == [250, 0, 0]
    assert partitions.poll(1) == 0
    assert partitions.poll(0) == 250


def test_a_partition_that_was_closed_holds_nobody_back() -> None:
    partitions = Partitions((0, 1_000), (0, 500))
    partitions.poll(1)
    partitions.poll(0)
    partitions.poll(0)
    assert partitions.poll(0) == 0
    partitions.parts[1].close()
    assert partitions.poll(0) == BATCH_RECORDS


def test_waiting_is_no_reason_not_to_stop() -> None:
    partitions = Partitions((0, 1_000), (0, 1_000))
    partitions.poll(1)
    partitions.poll(0)
    partitions.poll(0)
    partitions.stop.set()
    with pytest.raises(StopIteration):
        partitions.parts[0].next_batch()
