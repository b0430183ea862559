"""Two processes as Bytewax runs them, by the millisecond: what they wait for each other, and what it costs."""

from datetime import UTC, datetime

import pytest
from bytewax.inputs import StatefulSourcePartition
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from flows.engine.epochs import EPOCH_MS, PEER_WAIT_MS, AlignedPartition, EpochAligner
from tests.kit.fakes import Clock
from tests.kit.samples import T0

WRITING_MS = 15  # from the last process' end of an epoch until all may go on
POLL_MS = 20


class Endless(StatefulSourcePartition[int, int]):
    """Always has a record; asks to be asked again at once, or as one that is idle."""

    def __init__(self, clock: Clock, *, idle: bool) -> None:
        self.clock = clock
        self.idle = idle
        self.given_ms: list[int] = []

    def next_batch(self) -> list[int]:
        self.given_ms.append(self.clock())
        return [1]

    def next_awake(self) -> datetime | None:
        return _time(self.clock() + POLL_MS) if self.idle else None

    def snapshot(self) -> int:
        return len(self.given_ms)


class Process:
    """What Bytewax's input step does in one process."""

    def __init__(self, clock: Clock, *, in_step: bool, idle: bool) -> None:
        self.clock = clock
        self.sources = [Endless(clock, idle=idle) for _ in range(2)]
        epochs = EpochAligner(clock)
        self.partitions: list[StatefulSourcePartition[int, int]] = [
            AlignedPartition(source, epochs) if in_step else source for source in self.sources
        ]
        self.awake: list[datetime | None] = [None, None]
        self.began_ms = clock()
        self.ends_ms: list[int] = []
        self.busy_until_ms = 0
        self.looks_in_vain = 0

    def step(self, allowed: int) -> None:
        """One millisecond; ``allowed``: how many epochs are over everywhere."""
        now_ms = self.clock()
        due = [at is None or at <= _time(now_ms) for at in self.awake]
        if now_ms < self.busy_until_ms or not any(due):
            return
        if len(self.ends_ms) > allowed:
            self.looks_in_vain += 1
            return
        over = now_ms - self.began_ms >= EPOCH_MS
        for number, partition in enumerate(self.partitions):
            if due[number]:
                list(partition.next_batch())
                self.awake[number] = partition.next_awake()
            if over:
                partition.snapshot()
        if over:
            self.began_ms = now_ms
            self.ends_ms.append(now_ms)


def run(
    seconds: int, *, in_step: bool, idle: bool, busy: dict[int, tuple[int, int]], writing_ms: int = WRITING_MS
) -> list[Process]:
    """``busy``: at which ms which process begins to be busy, and for how long."""
    clock = Clock(T0)
    processes = [Process(clock, in_step=in_step, idle=idle) for _ in range(2)]
    allowed, all_ended_ms = 0, None
    for at_ms in range(seconds * 1_000):
        if at_ms in busy:
            number, lasts_ms = busy[at_ms]
            processes[number].busy_until_ms = clock() + lasts_ms
        for process in processes:
            process.step(allowed)
        if all_ended_ms is None and all(len(process.ends_ms) > allowed for process in processes):
            all_ended_ms = clock()
        if all_ended_ms is not None and clock() >= all_ended_ms + writing_ms:
            allowed, all_ended_ms = allowed + 1, None
        clock.advance(1)
    return processes


def apart_ms(processes: list[Process]) -> list[int]:
    """How far apart each epoch ended."""
    one, other = processes
    return [abs(a - b) for a, b in zip(one.ends_ms, other.ends_ms, strict=False)]


@pytest.mark.parametrize("idle", [True, False])
def test_left_alone_one_that_was_busy_once_stays_behind_and_the_other_asks_in_vain(idle: bool) -> None:
    processes = run(12, in_step=False, idle=idle, busy={2_900: (0, 400)})
    assert apart_ms(processes)[-1] > 250
    assert processes[1].looks_in_vain > 2_000  # a quarter of the time at full speed


@pytest.mark.parametrize("idle", [True, False])
@pytest.mark.parametrize("busy_ms", [100, 400, 900])
def test_in_step_the_others_wait_for_it_in_the_next_epoch_and_not_in_vain(idle: bool, busy_ms: int) -> None:
    processes = run(12, in_step=True, idle=idle, busy={2_900: (0, busy_ms)})
    assert max(apart_ms(processes)[4:]) <= 2 * POLL_MS
    assert sum(process.looks_in_vain for process in processes) < busy_ms + 12 * PEER_WAIT_MS
    for process in processes:
        assert len(process.ends_ms) >= 10
        gaps = [b - a for source in process.sources for a, b in zip(source.given_ms, source.given_ms[1:], strict=False)]
        assert sorted(gaps)[-10] <= PEER_WAIT_MS + POLL_MS  # but for the one time, they read on all the while


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    st.dictionaries(st.integers(0, 8_000), st.tuples(st.sampled_from([0, 1]), st.integers(1, 1_500)), max_size=8),
    st.booleans(),
)
def test_whatever_keeps_them_busy_they_go_on_and_end_together_again(
    busy: dict[int, tuple[int, int]], idle: bool
) -> None:
    processes = run(26, in_step=True, idle=idle, busy=busy)
    assert min(len(process.ends_ms) for process in processes) >= 8
    assert max(apart_ms(processes)[-2:]) <= 120  # left alone, up to a second
    for process in processes:
        quiet = [at for source in process.sources for at in source.given_ms if at >= T0 + 23_000]
        assert len(quiet) >= 2 * 3_000 / POLL_MS * 0.8  # two partitions, three seconds


@pytest.mark.parametrize("writing_ms", [300, 900, 1_200])
def test_where_all_are_slow_to_write_half_of_what_is_read_alone_is_read_in_step_at_least(writing_ms: int) -> None:
    def read(*, in_step: bool) -> int:
        processes = run(40, in_step=in_step, idle=True, busy={}, writing_ms=writing_ms)
        return sum(len(source.given_ms) for process in processes for source in process.sources)

    assert read(in_step=True) > 0.5 * read(in_step=False)


def test_a_partition_at_its_end_ends_no_epoch() -> None:
    clock = Clock(T0)

    class Ended(Endless):
        def next_batch(self) -> list[int]:
            raise StopIteration

    epochs = EpochAligner(clock)
    on_snapshot = AlignedPartition(Ended(clock, idle=True), epochs)
    resumes = AlignedPartition(Endless(clock, idle=True), epochs)
    with pytest.raises(StopIteration):
        on_snapshot.next_batch()
    assert on_snapshot.snapshot() == 0
    assert list(resumes.next_batch()) == [1]


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC)
