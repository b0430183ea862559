from pathlib import Path

import orjson
import pytest

from flows.delivery.replay_marks import READ_AHEAD_RECORDS, ReplayMarks, write_crashed

END = 500
PART = ("events", 0)


class Runs:
    """One run after the other of a flow that reads one partition and works as shard 3."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.end = END

    def start(self, *, resumed: bool = True) -> ReplayMarks:
        replay_marks = ReplayMarks(self.directory, lambda topic, partition: self.end)
        replay_marks.open(*PART, resumed=resumed)
        return replay_marks


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_the_first_run_knows_no_horizon_and_no_fence(runs: Runs) -> None:
    replay_marks = runs.start(resumed=False)
    assert (replay_marks.max_read_offset(*PART), replay_marks.replay_until(*PART)) == (0, 0)


def test_a_run_that_did_not_say_it_stopped_counts_as_crashed(runs: Runs) -> None:
    runs.start(resumed=False)
    assert runs.start().replay_until(*PART) == END


def test_a_stop_is_clean_once(runs: Runs) -> None:
    runs.start(resumed=False).mark_clean_stop()
    assert runs.start().replay_until(*PART) == 0
    assert runs.start().replay_until(*PART) == END


def test_nothing_is_read_beyond_the_horizon_on_disk(runs: Runs) -> None:
    replay_marks = runs.start(resumed=False)
    for next_offset in (1, 250, READ_AHEAD_RECORDS + 1, READ_AHEAD_RECORDS + 2, 3 * READ_AHEAD_RECORDS):
        replay_marks.extend(*PART, next_offset)
        [page] = runs.directory.glob("*.json")
        assert orjson.loads(page.read_bytes())["max_read_offset"] >= next_offset


def test_reading_on_below_the_horizon_writes_nothing(runs: Runs) -> None:
    replay_marks = runs.start(resumed=False)
    replay_marks.extend(*PART, 1)
    [page] = runs.directory.glob("*.json")
    page.unlink()
    replay_marks.extend(*PART, READ_AHEAD_RECORDS + 1)
    assert not page.exists()
    replay_marks.extend(*PART, READ_AHEAD_RECORDS + 2)
    assert page.exists()


def test_the_horizon_is_that_of_the_runs_before(runs: Runs) -> None:
    before = runs.start(resumed=False)
    before.extend(*PART, 100)
    after = runs.start()
    after.extend(*PART, 10_000)
    assert after.max_read_offset(*PART) == 100 + READ_AHEAD_RECORDS


def test_a_clean_stop_soon_after_a_crash_does_not_forget_what_may_have_been_handled(runs: Runs) -> None:
    runs.start(resumed=False)
    runs.start().mark_clean_stop()
    runs.end = END + 1_000
    assert runs.start().replay_until(*PART) == END


def test_a_second_crash_moves_the_fence_to_what_the_log_holds_then(runs: Runs) -> None:
    runs.start(resumed=False)
    runs.start()
    runs.end = END + 1_000
    assert runs.start().replay_until(*PART) == END + 1_000


def test_of_a_lost_run_everything_up_to_the_end_may_have_been_sent(runs: Runs) -> None:
    runs.start(resumed=False).mark_clean_stop()
    write_crashed(runs.directory, {PART: 700})
    replay_marks = runs.start(resumed=False)
    assert (replay_marks.max_read_offset(*PART), replay_marks.replay_until(*PART)) == (700, END)


def test_of_a_partition_read_elsewhere_before_everything_may_have_been_sent(runs: Runs) -> None:
    replay_marks = runs.start(resumed=True)
    assert (replay_marks.max_read_offset(*PART), replay_marks.replay_until(*PART)) == (END, END)


def test_a_shard_follows_a_clean_stop_once(runs: Runs) -> None:
    assert not runs.start().open_shard(3)
    stopped = runs.start()
    stopped.open_shard(3)
    stopped.mark_clean_stop()
    assert runs.start().open_shard(3)
    assert not runs.start().open_shard(3)


def test_what_other_processes_have_open_is_theirs_to_call_clean(runs: Runs) -> None:
    crashed, stopped = runs.start(resumed=False), ReplayMarks(runs.directory, lambda topic, partition: END)
    crashed.open_shard(1)
    stopped.open_shard(2)
    stopped.mark_clean_stop()
    after = runs.start()
    assert after.replay_until(*PART) == END
    assert (after.open_shard(1), after.open_shard(2)) == (False, True)
