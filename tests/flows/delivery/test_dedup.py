from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.delivery.dedup import DedupStore, DedupStores, dedup_key
from flows.topics.interface import EVENTS
from model.durations import HOUR_MS
from tests.kit.fakes import Clock, MemoryTopics
from tests.kit.samples import T0, event_value

DAY_SECONDS = 86_400


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DedupStore]:
    store = DedupStore(tmp_path / "0.sqlite", window_seconds=DAY_SECONDS)
    yield store
    store.close()


def seen(store: DedupStore, *records: tuple[str, int, float]) -> list[int]:
    """First offsets of records (key, offset, hours)."""
    return store.first_seen([(key.encode(), offset, T0 + round(hours * HOUR_MS)) for key, offset, hours in records])


def test_a_pair_seen_before_is_a_duplicate_of_its_first_offset(store: DedupStore) -> None:
    assert seen(store, ("a", 0, 0), ("b", 1, 0), ("a", 2, 0)) == [0, 1, 0]
    assert seen(store, ("a", 3, 23.9), ("c", 4, 23.9)) == [0, 4]


def test_a_record_read_again_is_no_duplicate_of_itself(store: DedupStore) -> None:
    batch = (("a", 0, 0), ("a", 1, 0), ("b", 2, 0))
    assert seen(store, *batch) == seen(store, *batch) == [0, 0, 2]


def test_after_the_window_a_pair_is_new_and_then_known_again(store: DedupStore) -> None:
    assert seen(store, ("a", 0, 0)) == [0]
    assert seen(store, ("a", 1, 24.1)) == [1]
    assert seen(store, ("a", 2, 24.2)) == [1]  # of the second one, though the first is still in the file
    assert seen(store, ("a", 1, 24.1)) == [1]  # read again


def test_what_is_too_old_is_dropped_and_the_file_remembers_across_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "0.sqlite"
    first = DedupStore(path, window_seconds=DAY_SECONDS)
    seen(first, ("a", 0, 0), ("b", 1, 40))
    first.close()
    again = DedupStore(path, window_seconds=DAY_SECONDS)
    assert len(again._tables()) == 1
    assert again.next_offset == 2
    assert seen(again, ("b", 2, 41)) == [1]
    again.close()


def test_more_keys_than_one_query_takes(store: DedupStore) -> None:
    records = [(f"key {number}", number, 0.0) for number in range(1_201)]
    assert seen(store, *records) == list(range(1_201))
    again = [(key, offset + 5_000, 1.0) for key, offset, _ in records]
    assert seen(store, *again) == list(range(1_201))


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    DedupStore(tmp_path / "0.sqlite", window_seconds=60).close()
    assert (tmp_path / "0.sqlite").stat().st_mode & 0o077 == 0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 20)), min_size=1, max_size=25),
    st.lists(st.integers(0, 25), max_size=4),
)
def test_however_often_parts_of_the_log_are_read_again_the_answers_are_those_of_the_first_reading(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, float]], restarts: list[int]
) -> None:
    hours = 0.0
    log = []
    for offset, (key, pause) in enumerate(steps):
        hours += pause
        log.append((key, offset, hours))
    store = DedupStore(tmp_path_factory.mktemp("door") / "0.sqlite", window_seconds=DAY_SECONDS)
    try:
        answers = [seen(store, record)[0] for record in log]
        # A pair is a duplicate exactly when one that was let in lies at most a day back.
        let_in: dict[str, float] = {}
        for (key, offset, at), answer in zip(log, answers, strict=True):
            new = key not in let_in or round(at * HOUR_MS) - round(let_in[key] * HOUR_MS) > 24 * HOUR_MS
            assert (answer == offset) is new
            if new:
                let_in[key] = at
        for restart in restarts:
            start = min(restart, len(log) - 1)
            # Within a bucket of the end: a resume goes back an epoch, not days.
            if log[-1][2] - log[start][2] < 6:
                assert seen(store, *log[start:]) == answers[start:]
    finally:
        store.close()


def stores_over(tmp_path: Path, topics: MemoryTopics, clock: Clock) -> DedupStores:
    return DedupStores(topics, tmp_path / "duplicates", window_seconds=DAY_SECONDS, clock=clock)


def keyed(topics: MemoryTopics, offset: int) -> tuple[bytes, int, int]:
    key = dedup_key(topics.records(EVENTS)[offset])
    assert key is not None
    return key


def test_a_lost_store_is_filled_again_from_the_log(tmp_path: Path) -> None:
    clock = Clock(T0)
    topics = MemoryTopics(clock, names=[EVENTS])
    for message_id in ("a", "b", "c", "a"):
        topics.append(EVENTS, event_value(message_id))
    topics.append(EVENTS, b"damaged")
    topics.append(EVENTS, event_value("b"))
    stores = stores_over(tmp_path, topics, clock)
    assert stores.first_seen(0, [keyed(topics, 3), keyed(topics, 5)]) == [0, 1]
    stores.close()


def test_a_batch_of_damaged_records_only_does_not_keep_the_store_from_being_filled(tmp_path: Path) -> None:
    clock = Clock(T0)
    topics = MemoryTopics(clock, names=[EVENTS])
    topics.append(EVENTS, event_value("a"))
    topics.append(EVENTS, b"damaged")
    topics.append(EVENTS, event_value("a"))
    stores = stores_over(tmp_path, topics, clock)
    assert stores.first_seen(0, []) == []
    assert stores.first_seen(0, [keyed(topics, 2)]) == [0]
    stores.close()


def test_what_is_older_than_the_window_is_not_read_for_filling(tmp_path: Path) -> None:
    clock = Clock(T0)
    topics = MemoryTopics(clock, names=[EVENTS])
    topics.append(EVENTS, event_value("a"))
    clock.advance(25 * HOUR_MS)
    topics.append(EVENTS, event_value("b"))
    topics.append(EVENTS, event_value("b"))
    topics.delete_below(EVENTS, 0, 1)
    stores = stores_over(tmp_path, topics, clock)
    assert stores.first_seen(0, [keyed(topics, 2)]) == [1]
    stores.close()


def test_an_unreadable_record_has_no_key() -> None:
    topics = MemoryTopics(Clock(T0), names=[EVENTS])
    topics.append(EVENTS, b"damaged")
    assert dedup_key(topics.records(EVENTS)[0]) is None
