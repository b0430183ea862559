import pytest

from flows.delivery.queue import QueuedDelivery
from flows.delivery.watermarks import WatermarkReporter, watermark_records
from flows.topics.interface import EVENTS, OUTCOMES
from flows.topics.source import SourceProgress
from model.recording.facts import WatermarkReport, decode
from tests.kit.fakes import Clock
from tests.kit.samples import T0, delivery

RETRY_TIER = "retries.30s"


class Reports:
    """The watermark reports of shard 1 of 2, and what it holds."""

    def __init__(self, *parts: tuple[str, int]) -> None:
        self.held: list[QueuedDelivery] = []
        self._reporter = WatermarkReporter(
            parts or ((EVENTS, 0),), lambda: self.held, shard=1, shards=2, run="run-1", clock=Clock(T0)
        )
        self.note = self._reporter.note


def progress(topic: str = EVENTS, partition: int = 0, position: int = 10, watermark_ms: int = T0) -> SourceProgress:
    return SourceProgress(topic, partition, position, end=20, watermark_ms=watermark_ms)


def holding(topic: str = EVENTS, offset: int = 4, due_at_ms: int = T0) -> QueuedDelivery:
    return QueuedDelivery(delivery(due_at_ms=due_at_ms), topic, 0, offset, arrived_ms=T0)


def test_a_tick_comes_when_every_partition_has_reported_anew() -> None:
    book = Reports((EVENTS, 0), (EVENTS, 1))
    assert book.note(progress(partition=0)) is None
    assert book.note(progress(partition=0, position=11)) is None
    assert book.note(progress(partition=1)) is not None
    assert book.note(progress(partition=1)) is None


def test_a_tick_names_its_shard_and_how_many_there_are() -> None:
    report = Reports().note(progress())
    assert report is not None and (report.shard, report.shards) == ("1", 2)


@pytest.mark.parametrize(
    ("unread_ms", "held_ms", "watermark_ms"),
    [([T0, T0 - 5], [], T0 - 5), ([T0, T0], [T0 - 7], T0 - 7), ([T0, T0 - 5], [T0 + 9], T0 - 5)],
)
def test_the_watermark_is_the_oldest_thing_held_or_unread(
    unread_ms: list[int], held_ms: list[int], watermark_ms: int
) -> None:
    book = Reports((EVENTS, 0), (RETRY_TIER, 0))
    book.held.extend(holding(due_at_ms=due_ms) for due_ms in held_ms)
    book.note(progress(EVENTS, watermark_ms=unread_ms[0]))
    report = book.note(progress(RETRY_TIER, watermark_ms=unread_ms[1]))
    assert report is not None and report.watermark_ms == watermark_ms


def test_what_is_held_is_not_settled() -> None:
    book = Reports((EVENTS, 0), (RETRY_TIER, 0))
    book.held.extend([holding(EVENTS, 8), holding(EVENTS, 4)])
    book.note(progress(EVENTS, position=10))
    report = book.note(progress(RETRY_TIER, position=3))
    assert report is not None
    found = [(at.topic, at.position, at.settled, at.end) for at in report.positions]
    assert found == [(EVENTS, 10, 4, 20), (RETRY_TIER, 3, 3, 20)]


def test_every_outcomes_partition_gets_the_tick_and_the_first_one_all_positions() -> None:
    book = Reports((EVENTS, 0), (RETRY_TIER, 0))
    book.note(progress(EVENTS))
    report = book.note(progress(RETRY_TIER))
    assert report is not None
    outputs = watermark_records(report, 3)
    assert [(output.topic, output.partition) for output in outputs] == [(OUTCOMES, 0), (OUTCOMES, 1), (OUTCOMES, 2)]
    positions = []
    for output in outputs:
        said = decode(output.value)
        assert isinstance(said, WatermarkReport)
        positions.append([position.topic for position in said.positions])
    assert positions == [[EVENTS, RETRY_TIER], [EVENTS], [EVENTS]]
