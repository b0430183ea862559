from flows.runtime.recovery import LOOK_BACK_RECORDS, last_committed, set_start_offset, start_offset
from flows.topics.interface import EVENTS, OUTCOMES
from model.recording.facts import Position, encode
from tests.kit.fakes import Clock, MemoryTopics
from tests.kit.samples import T0, outcome, watermark_report


def topics_of() -> MemoryTopics:
    return MemoryTopics(Clock(T0), partitions=2, names=[EVENTS, OUTCOMES])


def test_a_flow_begins_at_the_earliest_record_kept() -> None:
    topics = topics_of()
    for _ in range(5):
        topics.append(EVENTS, b"")
    topics.delete_below(EVENTS, 0, 3)
    start = start_offset(topics, "delivery")
    assert (start(EVENTS, 0), start(EVENTS, 1)) == (3, 0)


def test_or_where_it_was_set_to_begin_unless_that_is_gone() -> None:
    topics = topics_of()
    for _ in range(5):
        topics.append(EVENTS, b"")
        topics.append(EVENTS, b"", partition=1)
    set_start_offset(topics, "delivery", {(EVENTS, 0): 4, (EVENTS, 1): 1})
    topics.delete_below(EVENTS, 1, 2)
    start = start_offset(topics, "delivery")
    assert (start(EVENTS, 0), start(EVENTS, 1)) == (4, 2)
    assert start_offset(topics, "recording")(EVENTS, 0) == 0


def test_the_last_tick_says_what_was_settled() -> None:
    topics = topics_of()
    assert last_committed(topics) is None
    topics.append(OUTCOMES, encode(watermark_report()))
    at = Position(topic=EVENTS, partition=1, position=80, end=90, settled=70)
    topics.append(OUTCOMES, encode(watermark_report(positions=(at,))))
    topics.append(OUTCOMES, encode(outcome()))
    topics.append(OUTCOMES, b"damaged")
    assert last_committed(topics) == {(EVENTS, 1): 70}


def test_a_tick_far_back_is_found() -> None:
    topics = topics_of()
    topics.append(OUTCOMES, encode(watermark_report()))
    value = encode(outcome())
    for _ in range(2 * LOOK_BACK_RECORDS):
        topics.append(OUTCOMES, value)
    assert last_committed(topics) == {(EVENTS, 0): 3}
