"""Faults only SQLite topics have: retention, damage, many processes and threads."""

import gc
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flows.sqlite.database import BUSY_SECONDS, RESTART_MS, SqliteFile
from flows.topics.factory import open_topics
from flows.topics.interface import (
    EVENTS,
    PositionLost,
    TopicError,
    Topics,
    TopicSpec,
    UnknownTopic,
)
from flows.topics.sqlite.topics import WalCheckpointer
from tests.kit.sqlite_topics import DAY_SECONDS, MIB, WAIT_SECONDS, Clock, append, opened, read_all, send


class OverlappingReads:
    """Two connections of which one reads at any time."""

    def __init__(self, file: SqliteFile) -> None:
        self._connections = [file.connect(), file.connect()]
        self._open = self._begin()

    def hand_over(self) -> None:
        ended, self._open = self._open, self._begin()
        ended.close()

    def _begin(self) -> Generator[Any, None, None]:
        self._connections.reverse()
        rows = self._connections[0].rows("SELECT name FROM sqlite_schema UNION ALL SELECT 'more'")
        next(rows)
        return rows

    def __enter__(self) -> "OverlappingReads":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        for connection in self._connections:
            connection.close()


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
            "import sys\nfrom flows.topics.factory import open_topics\nfrom flows.topics.interface import TopicSpec\n"
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

    def test_one_that_comes_while_another_switches_a_new_file_to_its_wal_waits(self, directory: Path) -> None:
        directory.mkdir()
        file = SqliteFile(directory / "new.sqlite", fsync=False)
        file.create()
        with closing(sqlite3.connect(file.path, isolation_level=None)) as other, ThreadPoolExecutor(1) as pool:
            other.execute("BEGIN IMMEDIATE")
            on_open = pool.submit(file.connect)
            with pytest.raises(TimeoutError):
                on_open.result(0.2)
            other.execute("COMMIT")
            on_open.result(WAIT_SECONDS).close()

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
            topics.put_metadata("m", b"v")
            assert reader.read(1, MIB) and topics.get_metadata("m")

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

    def test_the_wal_stays_small_beside_readers_that_leave_no_gap(self, directory: Path) -> None:
        directory.mkdir()
        wal = directory / "wide.sqlite-wal"
        file = SqliteFile(directory / "wide.sqlite", fsync=False)
        file.create()
        largest = {False: 0, True: 0}
        for restarts in largest:
            with (
                closing(file.connect()) as appending,
                closing(file.connect()) as checkpoints,
                OverlappingReads(file) as reads,
                ThreadPoolExecutor(1) as pool,
            ):
                for _ in range(25):
                    with appending.transaction() as sqlite:
                        sqlite.execute("CREATE TABLE IF NOT EXISTS wide (value BLOB)")
                        sqlite.execute("INSERT INTO wide VALUES (zeroblob(?))", (4 * MIB,))
                    reads.hand_over()
                    if restarts:
                        checkpoint = pool.submit(checkpoints.limit_wal)
                        while not checkpoint.done():
                            reads.hand_over()
                        checkpoint.result()
                    else:
                        checkpoints.row("PRAGMA wal_checkpoint(PASSIVE)")
                    largest[restarts] = max(largest[restarts], wal.stat().st_size)
        assert largest[False] > 100 * MIB, "the control: checkpoints that wait for nobody never begin the WAL anew"
        assert largest[True] < 80 * MIB, f"{largest[True] / MIB:.0f} MiB of WAL for 100 MiB of records"

    def test_checkpoints_of_what_they_watch_keep_the_limit(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limited = threading.Event()
        monkeypatch.setattr("flows.topics.sqlite.topics.CHECKPOINT_EVERY_SECONDS", 0.01)
        monkeypatch.setattr("flows.sqlite.database.SqliteConnection.limit_wal", lambda _: limited.set())
        directory.mkdir()
        file = SqliteFile(directory / "wide.sqlite", fsync=False)
        file.create()
        with closing(WalCheckpointer()) as checkpoints:
            checkpoints.watch(file)
            assert limited.wait(20)

    def test_a_reader_that_is_stuck_holds_up_appends_for_a_moment_only(self, directory: Path) -> None:
        directory.mkdir()
        file = SqliteFile(directory / "wide.sqlite", fsync=False)
        file.create()
        with closing(file.connect()) as appending, closing(file.connect()) as checkpoints:
            with appending.transaction() as sqlite:
                sqlite.execute("CREATE TABLE wide (value BLOB)")
            with OverlappingReads(file):
                with appending.transaction() as sqlite:
                    sqlite.execute("INSERT INTO wide VALUES (zeroblob(?))", (65 * MIB,))
                began = time.monotonic()
                assert not checkpoints.limit_wal()
                assert RESTART_MS / 1_000 <= time.monotonic() - began < BUSY_SECONDS
                with appending.transaction() as sqlite:
                    sqlite.execute("INSERT INTO wide VALUES (NULL)")
            assert checkpoints.limit_wal()

    def test_a_reader_loads_only_as_much_as_it_was_asked_for(self, topics: Topics) -> None:
        append(topics, *[b"x" * MIB] * 20)
        steps = 0
        with closing(topics.reader(EVENTS, 0, 0)) as reader:
            while records := reader.read(1_000, 3 * MIB):
                assert len(records) <= 2
                steps += 1
        assert steps == 10
