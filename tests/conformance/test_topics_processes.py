"""Conformance of topics: creating them, marks, and many processes at once."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from flows.topics.interface import TopicError, Topics, TopicSpec, UnknownTopic
from tests.kit.topics import (
    ALL,
    DAY_SECONDS,
    WAIT_SECONDS,
    Installed,
    append,
    read_all,
    values,
)


class TestTopicsThemselves:
    @pytest.mark.parametrize("topic", ["nowhere", "../events", "", "Events"])
    def test_an_unknown_topic(self, topics: Topics, topic: str) -> None:
        for use in (
            lambda: topics.partitions(topic),
            lambda: topics.bounds(topic, 0),
            lambda: topics.offset_at(topic, 0, 0),
            lambda: topics.reader(topic, 0, 0),
        ):
            with pytest.raises(UnknownTopic):
                use()

    def test_an_unknown_partition(self, topics: Topics) -> None:
        for partition in (-1, 2):
            with pytest.raises(UnknownTopic, match="2 partitions"):
                topics.bounds("events", partition)
            with pytest.raises(UnknownTopic, match="2 partitions"):
                topics.reader("events", partition, 0)

    def test_creating_again_changes_nothing_that_is_there(self, topics: Topics, topics_factory: Installed) -> None:
        append(topics, b"v")
        for opened in (topics, topics_factory()):
            opened.create([TopicSpec("events", 2, 60)])
            assert opened.partitions("events") == 2
            assert values(read_all(opened)) == [b"v"]

    @pytest.mark.parametrize("partitions", [1, 3])
    def test_another_number_of_partitions_is_refused(
        self, topics: Topics, topics_factory: Installed, partitions: int
    ) -> None:
        append(topics, b"v", partition=1)
        for opened in (topics, topics_factory()):
            with pytest.raises(TopicError, match=f"events has 2 partitions, not {partitions} as configured"):
                opened.create([TopicSpec("events", partitions, DAY_SECONDS)])
            assert opened.partitions("events") == 2
            assert values(read_all(opened, partition=1)) == [b"v"]

    def test_marks_are_durable(self, topics: Topics, topics_factory: Installed) -> None:
        assert topics.get_metadata("flow.identity") is None
        topics.put_metadata("flow.identity", b"one")
        topics.put_metadata("flow.identity", b"\x00two")
        assert topics_factory().get_metadata("flow.identity") == b"\x00two"
        assert topics.get_metadata("flow") is None

    def test_closing_while_others_read_and_write_is_a_clear_error_for_them(
        self, topics: Topics, topics_factory: Installed
    ) -> None:
        opened = topics_factory()
        append(opened, *[b"x" * 1_000] * 200)
        started = threading.Barrier(5, timeout=WAIT_SECONDS)
        deadline = time.monotonic() + 10

        def read() -> None:
            started.wait()
            while time.monotonic() < deadline:
                with closing(opened.reader("events", 0, 0)) as reader:
                    while reader.read(10, ALL):
                        opened.bounds("events", 1)

        def write() -> None:
            started.wait()
            while time.monotonic() < deadline:
                append(opened, b"v", partition=1)

        with ThreadPoolExecutor(4) as pool:
            using = [pool.submit(use) for use in (read, read, read, write)]
            started.wait()
            opened.close()
            for task in using:
                with pytest.raises(TopicError, match="closed"):
                    task.result(WAIT_SECONDS)
        opened.close()  # twice is harmless
        append(topics, b"others go on", topic="quiet")
        assert values(read_all(topics, topic="quiet")) == [b"others go on"]


WRITER = """
import sys
from flows.topics.factory import open_topics
url, writer, batches = sys.argv[1:]
producer = open_topics(url).producer()
print("ready", flush=True)
sys.stdin.readline()
for batch in range(int(batches)):
    for number in range(20):
        text = b"%s-%d-%d" % (writer.encode(), batch, number)
        producer.send("events", text, text * 50)
    producer.flush()
    print(batch, flush=True)
"""


class TestProcesses:
    def test_processes_that_append_at_once_lose_nothing(self, topics: Topics, topics_factory: Installed) -> None:
        with _writers(topics_factory, count=4, batches=40) as writers:
            for writer in writers:
                assert writer.wait(WAIT_SECONDS) == 0
        assert _batches(topics) == {(f"w{writer}", batch): 20 for writer in range(4) for batch in range(40)}

    def test_a_killed_writer_loses_nothing_acknowledged_and_leaves_nothing_torn(
        self, topics: Topics, topics_factory: Installed
    ) -> None:
        acknowledged: set[tuple[str, int]] = set()
        with _writers(topics_factory, count=3, batches=100_000) as writers:
            for number, writer in enumerate(writers):
                assert writer.stdout is not None
                lines = [writer.stdout.readline() for _ in range(20)]
                os.kill(writer.pid, signal.SIGKILL)
                lines += writer.stdout.readlines()
                acknowledged |= {(f"w{number}", int(line)) for line in lines if line.endswith("\n")}
                assert writer.wait(WAIT_SECONDS) == -signal.SIGKILL
        found = _batches(topics_factory())
        assert {found.get(batch) for batch in acknowledged} == {20}
        under_way = found.keys() - acknowledged
        assert len(under_way) <= 3  # of each the last one
        if topics_factory.whole_batches:
            assert set(found.values()) == {20}
        append(topics, b"after")
        assert read_all(topics)[-1].value == b"after"


class _writers:
    """Processes that have opened the topics and append ``batches`` of 20 records each, all beginning together."""

    def __init__(self, installed: Installed, *, count: int, batches: int) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, installed.url, f"w{number}", str(batches)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(count)
        ]

    def __enter__(self) -> list["subprocess.Popen[str]"]:
        for process in self._processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        return self._processes

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


def _batches(topics: Topics) -> dict[tuple[str, int], int]:
    """How many records of each writer's batches there are, each whole, at its place and there once."""
    found: Counter[tuple[str, int]] = Counter()
    seen: set[bytes] = set()
    for partition in range(2):
        for offset, record in enumerate(read_all(topics, partition=partition)):
            assert record.offset == offset
            assert record.value == record.key * 50
            assert record.key not in seen
            seen.add(record.key)
            writer, batch, _ = record.key.decode().split("-")
            found[writer, int(batch)] += 1
    return dict(found)
