"""Faults and limits that only topics on SQLite have. What every implementation must do: tests/conformance."""

import gc
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from flows import sqlite_file
from flows.open_topics import open_topics
from flows.sqlite_file import Connection, SqliteFile
from flows.topics import (
    EVENTS,
    PositionLost,
    ProduceFailed,
    Producer,
    TopicError,
    TopicFull,
    Topics,
    TopicSpec,
    UnknownTopic,
)

DAY_SECONDS = 86_400
MIB = 1024 * 1024
WAIT_SECONDS = 60.0


class Clock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "topics"


def opened(directory: Path, clock: Clock, disk_budget_bytes: int | None = None) -> Topics:
    topics = open_topics(f"sqlite:///{directory}", clock=clock, disk_budget_bytes=disk_budget_bytes)
    topics.create([TopicSpec(EVENTS, 1, DAY_SECONDS), TopicSpec("other", 1, DAY_SECONDS)])
    return topics


@pytest.fixture
def topics(directory: Path, clock: Clock) -> Iterator[Topics]:
    with closing(opened(directory, clock)) as topics:
        yield topics


def send(producer: Producer, *values: bytes, topic: str = EVENTS) -> None:
    for value in values:
        producer.send(topic, b"k", value, 0)


def append(topics: Topics, *values: bytes, topic: str = EVENTS) -> None:
    with closing(topics.producer()) as producer:
        send(producer, *values, topic=topic)
        producer.flush()


def read_all(topics: Topics, topic: str = EVENTS, position: int = 0) -> list[bytes]:
    with closing(topics.reader(topic, 0, position)) as reader:
        found: list[bytes] = []
        while records := reader.read(1_000, MIB):
            found.extend(record.value for record in records)
        return found


class TestAddresses:
    @pytest.mark.parametrize("url", ["", "sqlite:///", "sqlite://host/path", "kafka://localhost:9092", "/a/path"])
    def test_other_urls_are_refused_with_what_to_write(self, url: str) -> None:
        with pytest.raises(TopicError, match="sqlite:////absolute/directory"):
            open_topics(url)

    def test_a_directory_with_marks_of_a_url_in_its_name(self, tmp_path: Path, clock: Clock) -> None:
        with closing(opened(tmp_path / "a?mode=ro#%20 b", clock)) as topics:
            append(topics, b"v")
            assert read_all(topics) == [b"v"]

    def test_a_relative_directory_stays_where_it_was_opened(
        self, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with closing(opened(Path("data/topics"), clock)) as topics:
            monkeypatch.chdir("/")
            append(topics, b"v")
        assert (tmp_path / "data/topics/events.sqlite").exists()

    def test_files_are_private(self, topics: Topics, directory: Path) -> None:
        append(topics, b"v")
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        files = list(directory.iterdir())
        assert {"events.sqlite", "events.sqlite-wal", "events.sqlite-shm"} <= {file.name for file in files}
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

    def test_a_file_where_the_directory_should_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for name in ("file", "file/below"):
            with pytest.raises(TopicError, match="check topics.url"):
                open_topics(f"sqlite:///{tmp_path / name}")

    @pytest.mark.parametrize(("name", "partitions"), [("marks", 1), ("../x", 1), ("a b", 1), ("", 1), ("fine", 0)])
    def test_names_and_partitions_that_cannot_be(self, topics: Topics, name: str, partitions: int) -> None:
        with pytest.raises(TopicError, match="is no topic"):
            topics.create([TopicSpec(name, partitions, DAY_SECONDS)])


NOT_ALLOWED = """
import os, sys
from flows.open_topics import open_topics
from flows.topics import TopicError
if os.geteuid() == 0:  # root may write everywhere
    os.setuid(65_534)
try:
    open_topics(sys.argv[1])
except TopicError as error:
    print(error)
"""


class TestFailedWrites:
    def test_after_a_full_disk_nothing_is_visible_and_the_retry_writes_once(
        self, topics: Topics, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        append(topics, b"before")
        full = [True]
        connect = SqliteFile.connect

        def connect_to_a_full_disk(file: SqliteFile) -> Connection:
            connection = connect(file)
            if file.path.name == "events.sqlite":
                connection.row(f"PRAGMA max_page_count = {20 if full[0] else 1 << 30}")
            return connection

        monkeypatch.setattr(SqliteFile, "connect", connect_to_a_full_disk)
        with closing(topics.producer()) as producer:
            send(producer, b"other", topic="other")
            send(producer, *[b"x" * 10_000] * 20)
            for _ in range(2):
                with pytest.raises(TopicFull, match="make room"):
                    producer.flush()
                assert read_all(topics) == [b"before"]
        full[0] = False
        append(topics, b"after")
        assert read_all(topics) == [b"before", b"after"]
        assert read_all(topics, "other") == [b"other"]  # acknowledged in the first flush, not written again

    def test_a_lock_that_is_never_released_fails_the_flush_and_the_next_one_writes_once(
        self, topics: Topics, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
        with closing(topics.producer()) as producer:
            with closing(sqlite3.connect(directory / "events.sqlite", isolation_level=None)) as stuck:
                stuck.execute("BEGIN IMMEDIATE")
                send(producer, b"one", b"two")
                with pytest.raises(ProduceFailed, match="another process is stuck"):
                    producer.flush()
                assert read_all(topics) == []
            producer.flush()
            producer.flush()
        assert read_all(topics) == [b"one", b"two"]

    def test_a_directory_that_is_gone_fails_the_flush_and_is_not_made_again(
        self, topics: Topics, directory: Path
    ) -> None:
        with closing(topics.producer()) as producer:
            send(producer, b"kept")
            directory.rename(directory.with_name("away"))
            with pytest.raises(ProduceFailed, match="check that the disk is there"):
                producer.flush()
            assert not directory.exists()
            directory.with_name("away").rename(directory)
            producer.flush()
        assert read_all(topics) == [b"kept"]

    def test_a_directory_waybill_may_not_write_to(self, directory: Path, clock: Clock) -> None:
        opened(directory, clock).close()
        for path in (*directory.iterdir(), directory):
            path.chmod(0o555)
        refused = subprocess.run(
            [sys.executable, "-c", NOT_ALLOWED, f"sqlite:///{directory}"], check=True, capture_output=True, text=True
        )
        assert "check" in refused.stdout

    def test_a_file_that_may_only_be_read(self, topics: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
        connect = SqliteFile.connect

        def connect_read_only(file: SqliteFile) -> Connection:
            connection = connect(file)
            connection.row("PRAGMA query_only = 1")
            return connection

        with monkeypatch.context() as read_only, closing(topics.producer()) as producer:
            read_only.setattr(SqliteFile, "connect", connect_read_only)
            send(producer, b"v")
            with pytest.raises(ProduceFailed, match="may be written to"):
                producer.flush()
        assert read_all(topics) == []

    def test_a_killed_process_in_the_middle_of_a_transaction_leaves_nothing(
        self, topics: Topics, directory: Path
    ) -> None:
        append(topics, b"before")
        script = (
            "import sqlite3, sys, os, signal\n"
            "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "c.execute('PRAGMA cache_size = 1')\n"  # so that pages of the open transaction reach the WAL
            "c.execute('BEGIN IMMEDIATE')\n"
            "for n in range(1, 500):\n"
            "    c.execute('INSERT INTO records_0 VALUES (?, 0, zeroblob(9), zeroblob(5000))', (n,))\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        killed = subprocess.run([sys.executable, "-c", script, str(directory / "events.sqlite")], check=False)
        assert killed.returncode < 0
        append(topics, b"after")
        assert read_all(topics) == [b"before", b"after"]


class TestBudget:
    def test_events_above_the_budget_are_refused_until_retention_makes_room(
        self, directory: Path, clock: Clock
    ) -> None:
        with closing(opened(directory, clock, disk_budget_bytes=2 * MIB)) as topics:
            for _ in range(30):
                clock.ms += 1_000
                append(topics, *[b"x" * 10_000] * 10, topic="other")
            clock.ms += 1_000
            with closing(topics.producer()) as producer:
                send(producer, b"kept")
                with pytest.raises(TopicFull, match="topics_budget_bytes"):
                    producer.flush()
                assert read_all(topics) == []
                append(topics, b"what is here is still handled", topic="other")
                clock.ms += (DAY_SECONDS + 1) * 1_000
                assert topics.expire() == 301
                producer.flush()
            assert read_all(topics) == [b"kept"]

    def test_it_counts_topics_this_process_has_not_opened(self, directory: Path, clock: Clock) -> None:
        with closing(opened(directory, clock)) as topics:
            append(topics, *[b"x" * 10_000] * 300, topic="other")
        with closing(open_topics(f"sqlite:///{directory}", clock=clock, disk_budget_bytes=2 * MIB)) as topics:
            with pytest.raises(TopicFull):
                append(topics, b"v")


class TestRetention:
    def test_only_what_is_older_is_deleted_across_chunks_and_instances(self, directory: Path, clock: Clock) -> None:
        with closing(opened(directory, clock)) as topics:
            append(topics, *[b"old"] * 2_500)
            clock.ms += 1
            append(topics, b"young")
        clock.ms += DAY_SECONDS * 1_000
        with closing(open_topics(f"sqlite:///{directory}", clock=clock)) as topics:  # one that opened no topic yet
            clock.ms -= 1
            assert topics.expire() == 0
            clock.ms += 1
            assert topics.expire() == 2_500
            assert topics.bounds(EVENTS, 0) == (2_500, 2_501)
            assert read_all(topics, position=2_500) == [b"young"]
            with pytest.raises(PositionLost) as lost:
                read_all(topics, position=2_000)
            assert lost.value.missing == 500

    def test_a_new_retention_holds_from_its_creation_on(self, topics: Topics, clock: Clock) -> None:
        append(topics, b"v")
        clock.ms += 61_000
        assert topics.expire() == 0
        topics.create([TopicSpec(EVENTS, 1, 60)])
        assert topics.expire() == 1
        assert topics.bounds(EVENTS, 0) == (1, 1)

    def test_space_of_deleted_records_is_used_again(self, topics: Topics, directory: Path, clock: Clock) -> None:
        def fill() -> int:
            append(topics, *[b"x" * 1_000] * 3_000)
            with closing(sqlite3.connect(directory / "events.sqlite")) as looking:
                looking.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return (directory / "events.sqlite").stat().st_size

        first = fill()
        for _ in range(3):
            clock.ms += (DAY_SECONDS + 1) * 1_000
            assert topics.expire() == 3_000
            assert fill() <= first * 1.05

    def test_writers_go_on_while_it_runs(self, topics: Topics, clock: Clock) -> None:
        for _ in range(10):
            append(topics, *[b"x" * 200] * 2_000)
        clock.ms += (DAY_SECONDS + 1) * 1_000
        with ThreadPoolExecutor(1) as pool, closing(topics.producer()) as producer:
            deleting = pool.submit(topics.expire)
            flushes = 0
            while not deleting.done():
                send(producer, b"v")
                producer.flush()
                flushes += 1
            assert deleting.result() == 20_000
        assert flushes >= 5

    def test_a_damaged_topic_does_not_keep_the_others(self, topics: Topics, directory: Path, clock: Clock) -> None:
        append(topics, b"v", topic="other")
        clock.ms += (DAY_SECONDS + 1) * 1_000
        (directory / "aaa.sqlite").write_bytes(b"no database" * 1_000)
        with pytest.raises(TopicError, match="aaa.sqlite is damaged"):
            topics.expire()
        assert topics.bounds("other", 0) == (1, 1)


class TestDamage:
    @pytest.mark.parametrize("name", ["events", "marks"])
    def test_a_file_that_is_no_database(self, directory: Path, clock: Clock, name: str) -> None:
        opened(directory, clock).close()
        (directory / f"{name}.sqlite").write_bytes(b"this was a log once" * 1_000)
        with pytest.raises(TopicError, match=f"{name}.sqlite is damaged .* from a backup"):
            opened(directory, clock)

    def test_pages_overwritten_in_the_middle(self, directory: Path, clock: Clock) -> None:
        with closing(opened(directory, clock)) as topics:
            append(topics, *[b"x" * 1_000] * 200)
        with open(directory / "events.sqlite", "r+b") as file:
            file.seek(10 * 4096)
            file.write(b"\xff" * 4096 * 20)
        with closing(open_topics(f"sqlite:///{directory}", clock=clock)) as topics:
            with pytest.raises(TopicError, match="events.sqlite is damaged"):
                read_all(topics)

    def test_a_record_missing_in_the_middle_is_met_as_a_gap(self, topics: Topics, directory: Path) -> None:
        append(topics, *[b"%d" % number for number in range(10)])
        with closing(sqlite3.connect(directory / "events.sqlite", isolation_level=None)) as tampering:
            tampering.execute("DELETE FROM records_0 WHERE offset IN (4, 5)")
        with closing(topics.reader(EVENTS, 0, 0)) as reader:
            assert [record.offset for record in reader.read(100, MIB)] == [0, 1, 2, 3]
            with pytest.raises(PositionLost, match="2 records from 4 on") as lost:
                reader.read(100, MIB)
            assert (lost.value.missing, lost.value.earliest) == (2, 6)

    def test_a_topic_whose_maker_was_killed_is_unknown_until_created(self, topics: Topics, directory: Path) -> None:
        (directory / "half.sqlite").touch(mode=0o600)
        with pytest.raises(UnknownTopic, match="half"):
            topics.partitions("half")
        assert topics.expire() == 0
        topics.create([TopicSpec("half", 3, DAY_SECONDS)])
        assert topics.partitions("half") == 3


LAST_TO_LEAVE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM records_0").fetchone()
connection.close()
"""


class TestManyProcessesAndThreads:
    def test_processes_that_create_at_once_all_succeed(self, directory: Path) -> None:
        script = (
            "import sys\nfrom flows.open_topics import open_topics\nfrom flows.topics import TopicSpec\n"
            "sys.stdin.readline()\n"
            "topics = open_topics(sys.argv[1])\n"
            "topics.create([TopicSpec(f't{n}', 2, 60) for n in range(8)])\n"
        )
        command = [sys.executable, "-c", script, f"sqlite:///{directory}"]
        makers = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(5)]
        for maker in makers:
            assert maker.stdin is not None
            maker.stdin.write(b"\n")
            maker.stdin.flush()
        for maker in makers:
            maker.communicate()
        assert [maker.returncode for maker in makers] == [0] * 5

    def test_another_instance_in_this_process_does_not_drop_the_locks_of_the_first(
        self, topics: Topics, directory: Path, clock: Clock
    ) -> None:
        """POSIX drops a process' locks on a file when any descriptor of it is closed; a last one to leave, in another
        process, would then think itself alone and delete the WAL under us."""
        with closing(topics.producer()) as producer, closing(topics.reader(EVENTS, 0, 0)) as reader:
            send(producer, b"one")
            producer.flush()
            opened(directory, clock).close()
            subprocess.run([sys.executable, "-c", LAST_TO_LEAVE, str(directory / "events.sqlite")], check=True)
            assert (directory / "events.sqlite-wal").exists()
            send(producer, b"two")
            producer.flush()
            assert [record.value for record in reader.read(10, MIB)] == [b"one", b"two"]
        with closing(opened(directory, clock)) as again:
            assert read_all(again) == [b"one", b"two"]

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts file descriptors in /proc")
    def test_ended_threads_leave_no_files_open(self, topics: Topics) -> None:
        def use_without_closing() -> None:
            reader, producer = topics.reader(EVENTS, 0, 0), topics.producer()
            send(producer, b"v")
            producer.flush()
            topics.put_mark("m", b"v")
            assert reader.read(1, MIB) and topics.mark("m")

        def run_threads(count: int) -> int:
            for _ in range(count):
                thread = threading.Thread(target=use_without_closing)
                thread.start()
                thread.join()
            return len(os.listdir("/proc/self/fd"))

        gc.disable()  # it must not be the cycle collector, some day, that closes them
        try:
            assert run_threads(3) == run_threads(20)
        finally:
            gc.enable()

    def test_the_wal_stays_small_beside_readers_that_idle_and_readers_that_poll(
        self, topics: Topics, directory: Path
    ) -> None:
        append(topics, b"first")
        ended = threading.Event()

        def poll() -> None:
            with closing(topics.reader(EVENTS, 0, 0)) as reader:
                while not ended.is_set():
                    reader.read(250, MIB)
                    time.sleep(0.001)

        largest = 0
        with closing(topics.reader(EVENTS, 0, 0)) as idle, ThreadPoolExecutor(2) as pool:
            assert idle.read(1, MIB)
            polling = [pool.submit(poll) for _ in range(2)]
            for _ in range(80):
                append(topics, *[b"x" * 1_000] * 500)
                largest = max(largest, (directory / "events.sqlite-wal").stat().st_size)
            ended.set()
            for task in polling:
                task.result(WAIT_SECONDS)
            assert len(idle.read(1, MIB)) == 1
        assert largest < 20 * MIB, f"{largest / MIB:.0f} MiB of WAL for 40 MB of records"

    def test_a_reader_loads_only_as_much_as_it_was_asked_for(self, topics: Topics) -> None:
        append(topics, *[b"x" * MIB] * 20)
        steps = 0
        with closing(topics.reader(EVENTS, 0, 0)) as reader:
            while records := reader.read(1_000, 3 * MIB):
                assert len(records) <= 2
                steps += 1
        assert steps == 10
