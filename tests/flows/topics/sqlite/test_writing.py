"""Faults only SQLite topics have: addresses, failed writes, the disk budget."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from flows.sqlite import database as sqlite_file
from flows.sqlite.database import SqliteConnection, SqliteFile
from flows.topics.factory import open_topics
from flows.topics.interface import (
    ProduceFailed,
    TopicError,
    TopicFull,
    Topics,
    TopicSpec,
)
from tests.kit.sqlite_topics import DAY_SECONDS, MIB, Clock, append, opened, read_all, send


class TestAddresses:
    @pytest.mark.parametrize("url", ["", "sqlite:///", "sqlite://host/path", "amqp://localhost:9092", "/a/path"])
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
        with pytest.raises(TopicError, match="is not a valid topic"):
            topics.create([TopicSpec(name, partitions, DAY_SECONDS)])


NOT_ALLOWED = """
import os, sys
from flows.topics.factory import open_topics
from flows.topics.interface import TopicError
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

        def connect_to_a_full_disk(file: SqliteFile) -> SqliteConnection:
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

        def connect_read_only(file: SqliteFile) -> SqliteConnection:
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
