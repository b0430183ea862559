import re
from collections.abc import Sequence
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.recording.recorder import RebuildHours, Recorded, Recorder
from flows.recording.replays import EventKey, OutcomeKey, ReplayDeduplicator
from flows.topics.interface import DEAD_LETTERS, MINUTES, Record
from flows.topics.sink import OutgoingRecord
from model.durations import HOUR_MS, MINUTE_MS
from model.recording.facts import Fact, State, encode
from model.recording.replays import EarlierOutcome
from model.recording.rows import Row
from tests.kit.samples import T0, delivery, outcome, received, record

TableKey = tuple[Any, ...]


class Tables:
    """A store as the views see it: of rows with the same key the latest, minutes by version; answers as they do."""

    def __init__(self) -> None:
        self.facts: dict[TableKey, dict[str, Any]] = {}
        self.minutes: dict[TableKey, dict[str, Any]] = {}
        self.totals: dict[TableKey, dict[str, Any]] = {}
        self.rebuilds: set[RebuildHours] = set()
        self.bundles: dict[int, Any] = {}
        self.letters: set[bytes] = set()

    def write(self, recorded: Sequence[Recorded]) -> None:
        for item in recorded:
            if isinstance(item, RebuildHours):
                self.rebuilds.add(item)
            elif isinstance(item, OutgoingRecord) and item.topic == MINUTES:
                bundle = orjson.loads(item.value)
                self.bundles[bundle["append_minute_ms"]] = sorted(map(orjson.dumps, bundle["rows"]))
            elif isinstance(item, OutgoingRecord):
                assert item.topic == DEAD_LETTERS
                self.letters.add(item.value)
            elif item.table == "facts":
                self.facts[item.values["log_offset"], item.values["correction"]] = item.values
            elif item.table == "minutes":
                self._write_minute(item, self.minutes)
            elif item.table == "minute_totals":
                self._write_minute(item, self.totals)

    def _write_minute(self, row: Row, table: dict[TableKey, dict[str, Any]]) -> None:
        is_number = re.compile(r"count|latency|by_attempt|version|first_at|last_at|\w+_ms").fullmatch
        key = tuple(value for name, value in row.values.items() if not is_number(name))
        known = table.get(key)
        if known is None or known["version"] <= row.values["version"]:
            table[key] = row.values

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for row in self.minutes.values():
            found[row["status"]] = found.get(row["status"], 0) + row["count"]
        return {status: count for status, count in found.items() if count}

    def outcomes(self, keys: Sequence[OutcomeKey], log_partition: int, before_offset: int) -> dict[str, EarlierOutcome]:
        sums: dict[tuple[str, EarlierOutcome], int] = {}
        for (offset, _), row in self.facts.items():
            if offset < before_offset and row["kind"] == "outcome":
                of = row["delivery_id"], EarlierOutcome(row["state"], row["code"], row["at"], row["attempt"])
                sums[of] = sums.get(of, 0) + row["count"]
        wanted = {key.delivery_id for key in keys}
        return {of: prior for (of, prior), count in sums.items() if count > 0 and of in wanted}

    def events(self, keys: Sequence[EventKey], log_partition: int, before_offset: int) -> set[tuple[int, int]]:
        rows = [row for (offset, _), row in self.facts.items() if offset < before_offset and row["count"] > 0]
        said = {(r["events_partition"], r["events_offset"]) for r in rows if r["kind"] in {"received", "duplicate"}}
        return said & {(key.events_partition, key.events_offset) for key in keys}


def log_of(*facts: tuple[Fact | bytes, int]) -> list[Record]:
    """Records of facts (or damaged bytes) appended so many ms after T0."""
    values = [(fact if isinstance(fact, bytes) else encode(fact), ms) for fact, ms in facts]
    return [record(offset, value, appended_ms=T0 + ms) for offset, (value, ms) in enumerate(values)]


def run(tables: Tables, log: Sequence[Record], batch: int = 3) -> None:
    """Record a log to its end, with an epoch after each batch."""
    recorder = Recorder(ReplayDeduplicator(tables))
    for start in range(0, len(log), batch):
        tables.write(list(recorder.on_batch(list(log[start : start + batch]))[0]))
        recorder.snapshot()
    tables.write(list(recorder.on_eof()[0]))


def test_a_fact_becomes_a_row_at_once_and_is_counted_when_the_minute_is_sent() -> None:
    recorder = Recorder(ReplayDeduplicator(Tables()))
    (row,) = recorder.on_batch(log_of((outcome(), 0)))[0]
    assert isinstance(row, Row) and row.table == "facts"
    assert recorder.notify_at() is not None
    minute, total = recorder.on_notify()[0]
    assert isinstance(minute, Row) and (minute.table, minute.values["count"]) == ("minutes", 1)
    assert isinstance(total, Row) and (total.table, total.values["count"]) == ("minute_totals", 1)
    assert recorder.notify_at() is None


def test_a_minute_closes_with_the_first_record_of_a_later_one_damaged_or_not() -> None:
    for later in (encode(outcome()), b"damaged"):
        tables = Tables()
        recorder = Recorder(ReplayDeduplicator(tables))
        tables.write(list(recorder.on_batch(log_of((outcome(), 0)))[0]))
        assert tables.bundles == {}
        tables.write(list(recorder.on_batch([record(1, later, appended_ms=T0 + MINUTE_MS)])[0]))
        assert list(tables.bundles) == [T0]
        assert tables.counts() == {"delivered": 1}


def test_silent_minutes_have_bundles_too() -> None:
    tables = Tables()
    run(tables, log_of((outcome(), 0), (outcome(), 3 * MINUTE_MS)))
    assert {ms: len(rows) for ms, rows in tables.bundles.items()} == {T0: 1, T0 + MINUTE_MS: 0, T0 + 2 * MINUTE_MS: 0}


def test_append_times_that_went_back_stay_in_the_open_minute() -> None:
    tables = Tables()
    run(tables, log_of((outcome(), MINUTE_MS), (outcome(), 0)))
    assert tables.bundles == {}
    assert tables.counts() == {"delivered": 2}


def test_an_hour_is_rebuilt_when_its_last_minute_closes_and_again_when_a_late_fact_tells_of_it() -> None:
    tables = Tables()
    late = outcome(at_ms=T0 + 5)
    run(
        tables,
        log_of(
            (outcome(), HOUR_MS - 1),
            (outcome(at_ms=T0 + HOUR_MS), HOUR_MS),
            (late, HOUR_MS),
            (late, HOUR_MS + MINUTE_MS),
        ),
    )
    assert tables.rebuilds == {
        RebuildHours(0, (T0,), T0 + HOUR_MS - MINUTE_MS),
        RebuildHours(0, (T0,), T0 + HOUR_MS),
    }


def test_a_damaged_fact_is_a_dead_letter_and_the_rest_is_recorded() -> None:
    tables = Tables()
    run(tables, log_of((outcome(), 0), (b"damaged", 0), (outcome(), 0)))
    assert tables.counts() == {"delivered": 2}
    (letter,) = tables.letters
    assert letter.endswith(b"\ndamaged")


def one_said(what: tuple[int, State | None, bool]) -> Fact:
    number, state, replayed = what
    if state is None:
        return received(events_offset=number, replayed=replayed)
    of = delivery(events_offset=number)
    return outcome(state, events_offset=number, delivery_id=of.delivery_id, replayed=replayed, code=state[:2])


said = st.lists(
    st.tuples(st.integers(0, 3), st.none() | st.sampled_from(State), st.integers(0, 40_000)), min_size=1, max_size=14
)


def as_a_flow_would(steps: list[tuple[int, State | None, int]]) -> list[Record]:
    """What is said first is not marked; after a crash everything said again is."""
    first: set[tuple[int, bool]] = set()
    at_ms = 0
    log: list[tuple[Fact | bytes, int]] = []
    for number, state, pause_ms in steps:
        at_ms += pause_ms
        log.append((one_said((number, state, (number, state is None) in first)), at_ms))
        first.add((number, state is None))
    return log_of(*log)


@given(said, st.integers(1, 5))
def test_each_delivery_counts_once_whatever_is_said_again_after_crashes(
    steps: list[tuple[int, State | None, int]], batch: int
) -> None:
    tables = Tables()
    run(tables, as_a_flow_would(steps), batch)
    expected: dict[int, State] = {}
    for number, state, _ in steps:
        if state is not None and (state is State.DELIVERED or number not in expected):
            expected[number] = state
    counts: dict[str, int] = {}
    for state in expected.values():
        counts[str(state)] = counts.get(str(state), 0) + 1
    events = len({number for number, state, _ in steps if state is None})
    assert tables.counts() == counts | ({"received": events} if events else {})


@settings(max_examples=150)
@given(said, st.integers(1, 5), st.lists(st.tuples(*[st.integers(0, 13)] * 2), max_size=3))
def test_recording_any_part_of_the_log_again_changes_nothing(
    steps: list[tuple[int, State | None, int]], batch: int, restarts: list[tuple[int, int]]
) -> None:
    log = as_a_flow_would(steps)
    once, often = Tables(), Tables()
    run(once, log, batch)
    run(often, log, batch)
    for at, count in restarts:
        minute_ms = log[min(at, len(log) - 1)].appended_ms // MINUTE_MS
        # As the source does: from where that append minute began.
        begin = next(number for number, each in enumerate(log) if each.appended_ms // MINUTE_MS == minute_ms)
        run(often, log[begin : begin + count + 1], batch=count % 4 + 1)  # and may be stopped before the end
    for table in ("facts", "minutes", "totals", "bundles", "rebuilds"):
        assert getattr(often, table) == getattr(once, table), table


def test_facts_kept_apart_by_their_offset_fold_however_often_they_are_recorded() -> None:
    log = log_of((outcome(), 0), (outcome(replayed=True), 1))
    tables = Tables()
    for _ in range(3):
        run(tables, log)
    assert [row["count"] for row in tables.facts.values()] == [1, 0]
