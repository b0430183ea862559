"""What every implementation of `flows.topics.interface.Topics` must do, on the logs themselves and across processes.

An implementation comes behind the suite with one more `Installed`: where its topics are, and how records are made to
fall off its log. Faults only SQLite has are in tests/flows/topics/sqlite.
"""

import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.topics.interface import PositionLost, Record, Topics, UnknownTopic
from model.events.ids import partition_of
from tests.kit.topics import (
    ALL,
    WAIT_SECONDS,
    Installed,
    append,
    read_all,
    read_to,
    values,
)


class TestAppending:
    def test_what_was_acknowledged_is_read_by_another_instance(self, topics: Topics, topics_factory: Installed) -> None:
        before_ms = topics_factory.now_ms()
        append(topics, b"first", b"", b"\x00\xff\n", key=b"\x00key")
        after_ms = topics_factory.now_ms()
        found = read_all(topics_factory())
        assert [record._replace(appended_ms=0) for record in found] == [
            Record(0, offset, 0, b"\x00key", value) for offset, value in enumerate([b"first", b"", b"\x00\xff\n"])
        ]
        assert all(before_ms <= record.appended_ms <= after_ms for record in found)

    def test_nothing_is_visible_before_a_flush_and_never_after_a_discard(self, topics: Topics) -> None:
        producer = topics.producer()
        producer.send("events", b"k", b"dropped", 0)
        assert read_all(topics) == []
        producer.discard()
        producer.send("events", b"k", b"kept", 0)
        producer.flush()
        producer.flush()
        producer.close()
        assert values(read_all(topics)) == [b"kept"]

    def test_what_is_set_off_comes_without_a_flush_and_once_with_one(self, topics: Topics) -> None:
        with closing(topics.producer()) as producer, closing(topics.reader("events", 0, 0)) as reader:
            for value in (b"first", b"second"):
                producer.send("events", b"k", value, 0)
                producer.poll()
            assert values(read_to(reader, 2)) == [b"first", b"second"]
            producer.send("events", b"k", b"third", 0)
            producer.poll()
            producer.flush()
        assert values(read_all(topics)) == [b"first", b"second", b"third"]

    def test_a_key_always_comes_to_the_same_partition(self, topics: Topics, topics_factory: Installed) -> None:
        for opened in (topics, topics_factory()):
            with closing(opened.producer()) as producer:
                for number in range(50):
                    producer.send("events", b"%d" % number, b"v")
                producer.flush()
        for partition in range(2):
            keys = Counter(record.key for record in read_all(topics, partition=partition))
            assert set(keys.values()) == {2}
            assert {partition_of(key, 2) for key in keys} == {partition}

    def test_offsets_are_contiguous_from_0_in_each_partition(self, topics: Topics) -> None:
        for number in range(7):
            append(topics, *[b"v"] * number, partition=number % 2)
        for partition, count in ((0, 12), (1, 9)):
            assert [record.offset for record in read_all(topics, partition=partition)] == list(range(count))
            assert topics.bounds("events", partition) == (0, count)

    def test_append_times_never_go_back_though_the_clock_does(self, topics: Topics, topics_factory: Installed) -> None:
        topics_factory.wait(50)
        append(topics, b"later")
        topics_factory.set_back(40)
        append(topics_factory(), b"stepped back")
        topics_factory.wait(60)
        append(topics, b"latest")
        times = [record.appended_ms for record in read_all(topics)]
        assert times == sorted(times)
        assert times[1] < times[2]

    @pytest.mark.parametrize(("topic", "partition"), [("nowhere", 0), ("events", 2), ("events", -1)])
    def test_what_is_nowhere_to_put_is_refused_at_once(self, topics: Topics, topic: str, partition: int) -> None:
        with closing(topics.producer()) as producer:
            with pytest.raises(UnknownTopic, match=topic):
                producer.send(topic, b"k", b"v", partition)
            producer.send("events", b"k", b"the rest goes on", 0)
            producer.flush()
        assert values(read_all(topics)) == [b"the rest goes on"]

    def test_a_closed_producer_does_not_write_its_buffer(self, topics: Topics) -> None:
        producer = topics.producer()
        producer.send("events", b"k", b"v", 0)
        producer.close()
        assert read_all(topics) == []


class TestReading:
    def test_from_a_position(self, topics: Topics) -> None:
        append(topics, *[b"%d" % number for number in range(10)])
        assert values(read_all(topics, position=7)) == [b"7", b"8", b"9"]
        assert read_all(topics, position=10) == []

    def test_a_read_never_waits_and_sees_what_is_appended_later(self, topics: Topics) -> None:
        with closing(topics.reader("events", 0, 0)) as reader:
            assert reader.read(10, ALL) == []
            append(topics, b"a")
            assert values(read_to(reader, 1)) == [b"a"]
            assert reader.read(10, ALL) == []
            assert reader.position == 1

    def test_a_backlog_in_several_partitions_is_read_at_20_000_records_a_second(self, topics: Topics) -> None:
        with closing(topics.producer()) as producer:
            for number in range(40_000):
                producer.send("events", b"k", b"x" * 600, number % 2)
            producer.flush()
        readers = [topics.reader("events", partition, 0) for partition in range(2)]
        read, started = [0, 0], time.monotonic()
        while (took_seconds := time.monotonic() - started) < WAIT_SECONDS and min(read) < 20_000:
            for partition, reader in enumerate(readers):
                read[partition] += len(reader.read(250, 1 << 20))
        for reader in readers:
            reader.close()
        assert read == [20_000, 20_000] and took_seconds < 2

    def test_many_readers_at_once_see_everything_in_order(self, topics: Topics) -> None:
        def read_offsets(count: int) -> list[int]:
            with closing(topics.reader("events", 0, 0)) as reader:
                offsets: list[int] = []
                deadline = time.monotonic() + WAIT_SECONDS
                while len(offsets) < count and time.monotonic() < deadline:
                    offsets.extend(record.offset for record in reader.read(37, 4_096))
                return offsets

        with ThreadPoolExecutor(6) as pool:
            reading = [pool.submit(read_offsets, 1_000) for _ in range(6)]
            for _ in range(50):
                append(topics, *[b"x" * 100] * 20)
            assert [task.result() for task in reading] == [list(range(1_000))] * 6

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        sizes=st.lists(st.lists(st.integers(0, 300), max_size=8), max_size=5),
        max_records=st.integers(1, 10),
        max_bytes=st.integers(1, 600),
    )
    def test_any_bounds_give_the_same_records_and_are_kept(
        self, topics: Topics, sizes: list[list[int]], max_records: int, max_bytes: int
    ) -> None:
        _, start = topics.bounds("events", 1)
        written = [[os.urandom(size) for size in batch] for batch in sizes]
        for batch in written:
            append(topics, *batch, partition=1)
        found: list[Record] = []
        with closing(topics.reader("events", 1, start)) as reader:
            _, end = topics.bounds("events", 1)
            deadline = time.monotonic() + WAIT_SECONDS
            while reader.position < end and time.monotonic() < deadline:
                records = reader.read(max_records, max_bytes)
                assert len(records) <= max_records
                assert len(records) <= 1 or sum(len(r.key) + len(r.value) for r in records) <= max_bytes
                found.extend(records)
                assert reader.position == (found[-1].offset + 1 if found else start)
        assert values(found) == [value for batch in written for value in batch]

    def test_offset_at_is_the_first_record_of_that_time_or_later(
        self, topics: Topics, topics_factory: Installed
    ) -> None:
        assert topics.offset_at("events", 0, 0) == 0
        began_ms = []
        for _ in range(5):
            began_ms.append(topics_factory.now_ms())
            append(topics, b"a", b"b")
            topics_factory.wait(20)
        asked_ms = [began_ms[0] - 1_000, *began_ms, topics_factory.now_ms()]
        assert [topics.offset_at("events", 0, ms) for ms in asked_ms] == [0, 0, 2, 4, 6, 8, 10]
        topics_factory.forget("events", 0, 3)
        assert topics.offset_at("events", 0, 0) == 3

    def test_a_waiting_topic_beside_a_live_one_causes_no_gap_over_100_ms(self, topics: Topics) -> None:
        # What a retry tier is: many records, the first of which is not due yet, looked at again and again.
        for _ in range(20):
            append(topics, *[b"x" * 1_000] * 1_000, topic="quiet")
        # One good second will do: the machine may be busy, but a gap that waiting causes is in each of them.
        gaps: list[float] = []
        while len(gaps) < 10 and min(gaps, default=1.0) >= 0.1:
            gaps.append(_longest_gap_seconds(topics, seconds=1.0))
        assert min(gaps) < 0.1, gaps


def _longest_gap_seconds(topics: Topics, seconds: float) -> float:
    """Append to a live partition every few ms while all partitions are polled; longest time between two records."""
    ended = threading.Event()

    def write() -> None:
        while not ended.wait(0.005):
            append(topics, b"live")

    writer = threading.Thread(target=write)
    writer.start()
    last = None
    longest = 0.0
    with (
        closing(topics.reader("events", 0, topics.bounds("events", 0)[1])) as live,
        closing(topics.reader("quiet", 0, 0)) as waiting,
    ):
        deadline = time.monotonic() + seconds
        while (now := time.monotonic()) < deadline:
            waiting.read(50, 1 << 20)
            if live.read(250, 1 << 20):
                longest = max(longest, now - last) if last else 0.0
                last = now
            time.sleep(0.005)
    ended.set()
    writer.join()
    assert last is not None
    return longest


class TestPositionsThatAreLost:
    def test_a_position_that_fell_off_the_log_is_an_error_with_the_gap_counted(
        self, topics: Topics, topics_factory: Installed
    ) -> None:
        append(topics, *[b"%d" % number for number in range(10)])
        topics_factory.forget("events", 0, 6)
        assert topics.bounds("events", 0) == (6, 10)
        with closing(topics.reader("events", 0, 2)) as reader:
            for _ in range(2):  # it does not go away by asking again, and the position does not move
                with pytest.raises(PositionLost, match="events") as lost:
                    reader.read(10, ALL)
                assert (lost.value.missing, lost.value.position, lost.value.earliest, lost.value.end) == (4, 2, 6, 10)
                assert reader.position == 2
        assert values(read_all(topics, position=6)) == [b"6", b"7", b"8", b"9"]

    def test_a_position_past_the_end_is_read_from_once_the_log_has_grown_to_it(self, topics: Topics) -> None:
        append(topics, *[b"%d" % number for number in range(3)])
        with closing(topics.reader("events", 0, 5)) as reader:
            for _ in range(500):  # long enough for a broker to say so, too
                with pytest.raises(PositionLost, match="ends at 3"):
                    reader.read(10, ALL)
            append(topics, *[b"%d" % number for number in range(3, 7)])
            assert values(read_to(reader, 7)) == [b"5", b"6"]

    def test_retention_that_overtakes_a_reader_is_noticed_if_it_missed_anything(
        self, topics: Topics, topics_factory: Installed
    ) -> None:
        for _ in range(10):
            append(topics, *[os.urandom(1_000) for _ in range(1_000)])  # much more than is fetched in advance
        offsets: list[int] = []
        with closing(topics.reader("events", 0, 0)) as reader:
            assert len(read_to(reader, 4, max_records=4)) == 4
            topics_factory.forget("events", 0, 4)
            assert len(read_to(reader, 5)) == 1
            topics_factory.forget("events", 0, 9_990)
            with pytest.raises(PositionLost) as lost:
                while reader.position < 10_000:
                    offsets.extend(record.offset for record in reader.read(100, ALL))
            assert offsets == list(range(5, reader.position))
            assert lost.value.missing == 9_990 - reader.position > 0

    def test_a_log_emptied_before_it_was_read(self, topics: Topics, topics_factory: Installed) -> None:
        append(topics, *[b"v"] * 5)
        topics_factory.forget("events", 0, 5)
        assert topics.bounds("events", 0) == (5, 5)
        with closing(topics.reader("events", 0, 3)) as reader, pytest.raises(PositionLost) as lost:
            reader.read(10, ALL)
        assert lost.value.missing == 2
        assert read_all(topics, position=5) == []

    def test_offsets_go_on_after_everything_was_deleted(self, topics: Topics, topics_factory: Installed) -> None:
        append(topics, *[b"v"] * 5)
        topics_factory.forget("events", 0, 5)
        append(topics_factory(), b"after")
        assert [(record.offset, record.value) for record in read_all(topics, position=5)] == [(5, b"after")]

    def test_a_position_past_the_end(self, topics: Topics) -> None:
        append(topics, b"v")
        with closing(topics.reader("events", 0, 3)) as reader:
            with pytest.raises(PositionLost, match="replaced") as lost:
                reader.read(10, ALL)
            assert (lost.value.missing, lost.value.end) == (0, 1)

    def test_bounds_are_of_one_moment_while_retention_and_writers_run(
        self, topics: Topics, topics_factory: Installed
    ) -> None:
        ended = threading.Event()

        def write_and_forget() -> None:
            for _ in range(60):
                append(topics, b"v", b"v")
                topics_factory.forget("events", 0, topics.bounds("events", 0)[1])
            ended.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write_and_forget)
            last = (0, 0)
            while not ended.is_set() and not writing.done():
                earliest, end = topics.bounds("events", 0)
                assert earliest <= end
                assert (earliest, end) >= last
                last = (earliest, end)
            writing.result()
        assert topics.bounds("events", 0) == (120, 120)
