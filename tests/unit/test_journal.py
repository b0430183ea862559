from pathlib import Path

import pytest

from flows.journal import HORIZON_STEP, Journal, write_lost

ENDS = {("events", 0): 500, ("retries.1s", 1): 20}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.json"


def test_the_first_run_follows_a_clean_stop_and_knows_no_horizon(path: Path) -> None:
    journal = Journal(path)
    assert journal.clean
    assert journal.horizon("events", 0) == 0
    assert set(journal.fences(ENDS).values()) == {0}


def test_a_run_that_did_not_say_it_stopped_counts_as_crashed(path: Path) -> None:
    Journal(path)
    assert not Journal(path).clean


def test_a_stop_is_clean_once(path: Path) -> None:
    Journal(path).stopped()
    assert Journal(path).clean
    assert not Journal(path).clean


def test_nothing_is_read_beyond_the_horizon_on_disk(path: Path) -> None:
    journal = Journal(path)
    for next_offset in (1, 250, HORIZON_STEP + 1, HORIZON_STEP + 2, 3 * HORIZON_STEP):
        journal.reading("events", 0, next_offset)
        at_disk = path.read_bytes()
        assert Journal(path).horizon("events", 0) >= next_offset
        path.write_bytes(at_disk)
    assert Journal(path).horizon("events", 1) == 0


def test_reading_on_below_the_horizon_writes_nothing(path: Path) -> None:
    journal = Journal(path)
    journal.reading("events", 0, 1)
    path.unlink()
    journal.reading("events", 0, HORIZON_STEP + 1)
    assert not path.exists()
    journal.reading("events", 0, HORIZON_STEP + 2)
    assert path.exists()


def test_after_a_crash_everything_in_the_log_may_have_been_handled(path: Path) -> None:
    Journal(path)
    assert Journal(path).fences(ENDS) == ENDS


def test_a_clean_stop_soon_after_a_crash_does_not_forget_what_may_have_been_handled(path: Path) -> None:
    Journal(path)
    after_crash = Journal(path)
    after_crash.fences(ENDS)
    after_crash.stopped()
    later = {part: end + 1_000 for part, end in ENDS.items()}
    assert Journal(path).fences(later) == ENDS


def test_a_second_crash_moves_the_fences_to_what_the_log_holds_then(path: Path) -> None:
    Journal(path)
    Journal(path).fences(ENDS)
    later = {part: end + 1_000 for part, end in ENDS.items()}
    assert Journal(path).fences(later) == later


def test_of_a_lost_run_everything_up_to_the_end_may_have_been_sent(path: Path) -> None:
    write_lost(path, {"events/0": 700})
    journal = Journal(path)
    assert not journal.clean
    assert journal.horizon("events", 0) == 700
