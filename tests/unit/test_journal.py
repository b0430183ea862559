from pathlib import Path

import orjson
import pytest

from flows.delivery.replay_marks import HORIZON_STEP, ReplayMarks, write_lost

END = 500
PART = ("events", 0)


class Runs:
    """One run after the other of a flow that reads one partition and works as shard 3."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.end = END

    def start(self, *, resumed: bool = True) -> ReplayMarks:
        journal = ReplayMarks(self.directory, lambda topic, partition: self.end)
        journal.open(*PART, resumed=resumed)
        return journal


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_the_first_run_knows_no_horizon_and_no_fence(runs: Runs) -> None:
    journal = runs.start(resumed=False)
    assert (journal.horizon(*PART), journal.fence(*PART)) == (0, 0)


def test_a_run_that_did_not_say_it_stopped_counts_as_crashed(runs: Runs) -> None:
    runs.start(resumed=False)
    assert runs.start().fence(*PART) == END


def test_a_stop_is_clean_once(runs: Runs) -> None:
    runs.start(resumed=False).stopped()
    assert runs.start().fence(*PART) == 0
    assert runs.start().fence(*PART) == END


def test_nothing_is_read_beyond_the_horizon_on_disk(runs: Runs) -> None:
    journal = runs.start(resumed=False)
    for next_offset in (1, 250, HORIZON_STEP + 1, HORIZON_STEP + 2, 3 * HORIZON_STEP):
        journal.reading(*PART, next_offset)
        [page] = runs.directory.glob("*.json")
        assert orjson.loads(page.read_bytes())["horizon"] >= next_offset


def test_reading_on_below_the_horizon_writes_nothing(runs: Runs) -> None:
    journal = runs.start(resumed=False)
    journal.reading(*PART, 1)
    [page] = runs.directory.glob("*.json")
    page.unlink()
    journal.reading(*PART, HORIZON_STEP + 1)
    assert not page.exists()
    journal.reading(*PART, HORIZON_STEP + 2)
    assert page.exists()


def test_the_horizon_is_that_of_the_runs_before(runs: Runs) -> None:
    before = runs.start(resumed=False)
    before.reading(*PART, 100)
    after = runs.start()
    after.reading(*PART, 10_000)
    assert after.horizon(*PART) == 100 + HORIZON_STEP


def test_a_clean_stop_soon_after_a_crash_does_not_forget_what_may_have_been_handled(runs: Runs) -> None:
    runs.start(resumed=False)
    runs.start().stopped()
    runs.end = END + 1_000
    assert runs.start().fence(*PART) == END


def test_a_second_crash_moves_the_fence_to_what_the_log_holds_then(runs: Runs) -> None:
    runs.start(resumed=False)
    runs.start()
    runs.end = END + 1_000
    assert runs.start().fence(*PART) == END + 1_000


def test_of_a_lost_run_everything_up_to_the_end_may_have_been_sent(runs: Runs) -> None:
    runs.start(resumed=False).stopped()
    write_lost(runs.directory, {PART: 700})
    journal = runs.start(resumed=False)
    assert (journal.horizon(*PART), journal.fence(*PART)) == (700, END)


def test_of_a_partition_read_elsewhere_before_everything_may_have_been_sent(runs: Runs) -> None:
    journal = runs.start(resumed=True)
    assert (journal.horizon(*PART), journal.fence(*PART)) == (END, END)


def test_a_shard_follows_a_clean_stop_once(runs: Runs) -> None:
    assert not runs.start().open_shard(3)
    stopped = runs.start()
    stopped.open_shard(3)
    stopped.stopped()
    assert runs.start().open_shard(3)
    assert not runs.start().open_shard(3)


def test_what_other_processes_have_open_is_theirs_to_call_clean(runs: Runs) -> None:
    crashed, stopped = runs.start(resumed=False), ReplayMarks(runs.directory, lambda topic, partition: END)
    crashed.open_shard(1)
    stopped.open_shard(2)
    stopped.stopped()
    after = runs.start()
    assert after.fence(*PART) == END
    assert (after.open_shard(1), after.open_shard(2)) == (False, True)
