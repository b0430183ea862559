import pytest

from flows.room import Waiting
from flows.ticks import TickBook, tick_outputs
from flows.topic_source import Progress
from flows.topics import EVENTS, OUTCOMES
from model.facts import Tick, decode
from tests.fakes import Clock
from tests.samples import T0, delivery

RUNG = "retries.30s"


class Book:
    """A tick book, two lanes by default, and what they hold."""

    def __init__(self, *parts: tuple[str, int], lanes: int = 2) -> None:
        self.book = TickBook(parts or ((EVENTS, 0),), lanes=lanes, run="run-1", clock=Clock(T0))
        self.held: list[list[Waiting]] = []

    def register(self, count: int = 2) -> None:
        for _ in range(count):
            holds: list[Waiting] = []
            self.held.append(holds)
            self.book.register(lambda holds=holds: holds)  # type: ignore[misc]

    def note(self, progress: Progress, *lanes: int) -> Tick | None:
        """Give each lane its copy; returns the last one's answer, the others must have none."""
        *before, last = [self.book.note(lane, progress) for lane in lanes or (0, 1)]
        assert before == [None] * len(before)
        return last


def progress(topic: str = EVENTS, partition: int = 0, position: int = 10, watermark_ms: int = T0) -> Progress:
    return Progress(topic, partition, position, end=20, watermark_ms=watermark_ms)


def holding(topic: str = EVENTS, offset: int = 4, due_at_ms: int = T0) -> Waiting:
    return Waiting(delivery(due_at_ms=due_at_ms), topic, 0, offset, arrived_ms=T0)


def test_a_tick_comes_when_every_partition_has_reported_anew() -> None:
    book = Book((EVENTS, 0), (EVENTS, 1))
    book.register()
    assert book.note(progress(partition=0)) is None
    assert book.note(progress(partition=0, position=11)) is None
    assert book.note(progress(partition=1)) is not None
    assert book.note(progress(partition=1)) is None


def test_progress_counts_only_when_every_lane_has_the_records_before_it() -> None:
    book = Book()
    book.register()
    said = progress()
    assert book.note(said, 0) is None
    assert book.note(said, 0) is None
    assert book.note(said, 1) is not None


def test_the_first_lane_made_does_not_speak_for_those_still_to_come() -> None:
    book = Book()
    book.register(1)
    said = progress(position=10, watermark_ms=T0)
    assert book.note(said, 0) is None
    book.register(1)
    book.held[1].append(holding(offset=4, due_at_ms=T0 - 9))
    tick = book.note(said, 1)
    assert tick is not None
    assert (tick.watermark_ms, tick.positions[0].settled) == (T0 - 9, 4)


def test_a_lane_left_from_a_larger_number_of_lanes_is_waited_for_by_nobody_and_what_it_holds_counts() -> None:
    book = Book(lanes=1)
    book.register(2)
    book.held[1].append(holding(due_at_ms=T0 - 9))
    tick = book.note(progress(), 0)
    assert tick is not None and tick.watermark_ms == T0 - 9


@pytest.mark.parametrize(
    ("unread_ms", "held_ms", "watermark_ms"),
    [([T0, T0 - 5], [], T0 - 5), ([T0, T0], [T0 - 7], T0 - 7), ([T0, T0 - 5], [T0 + 9], T0 - 5)],
)
def test_the_watermark_is_the_oldest_thing_held_or_unread(
    unread_ms: list[int], held_ms: list[int], watermark_ms: int
) -> None:
    book = Book((EVENTS, 0), (RUNG, 0))
    book.register()
    book.held[0].extend(holding(due_at_ms=due_ms) for due_ms in held_ms)
    book.note(progress(EVENTS, watermark_ms=unread_ms[0]))
    tick = book.note(progress(RUNG, watermark_ms=unread_ms[1]))
    assert tick is not None and tick.watermark_ms == watermark_ms


def test_what_is_held_is_not_settled() -> None:
    book = Book((EVENTS, 0), (RUNG, 0))
    book.register()
    book.held[0].extend([holding(EVENTS, 8), holding(EVENTS, 4)])
    book.note(progress(EVENTS, position=10))
    tick = book.note(progress(RUNG, position=3))
    assert tick is not None
    found = [(at.topic, at.position, at.settled, at.end) for at in tick.positions]
    assert found == [(EVENTS, 10, 4, 20), (RUNG, 3, 3, 20)]


def test_every_outcomes_partition_gets_the_tick_and_the_first_one_all_positions() -> None:
    book = Book((EVENTS, 0), (RUNG, 0))
    book.register()
    book.note(progress(EVENTS))
    tick = book.note(progress(RUNG))
    assert tick is not None
    outputs = tick_outputs(tick, 3)
    assert [(output.topic, output.partition) for output in outputs] == [(OUTCOMES, 0), (OUTCOMES, 1), (OUTCOMES, 2)]
    positions = []
    for output in outputs:
        said = decode(output.value)
        assert isinstance(said, Tick)
        positions.append([position.topic for position in said.positions])
    assert positions == [[EVENTS, RUNG], [EVENTS], [EVENTS]]
