from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from flows.engine import backoff
from flows.recording.dataflow import StoreSinkPartition
from flows.recording.recorder import RebuildHours
from flows.topics.interface import DEAD_LETTERS
from model.events.envelope import decode_record
from model.recording.rows import Row
from sinks.clickhouse.rows import RefusedRow
from sinks.clickhouse.store import StoreUnavailable
from tests.kit.fakes import Clock, MemoryTopics
from tests.kit.samples import T0


class Tables:
    """A store that logs what it is asked, is away as often as told, and refuses rows marked bad."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.log: list[tuple[str, Any]] = []

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> list[RefusedRow]:
        self._answer()
        self.log.append((table, [dict(row) for row in rows if "bad" not in row]))
        return [RefusedRow(row, "cannot parse") for row in rows if "bad" in row]

    def rebuild_hours(self, log_partition: int, hours_ms: Sequence[int], through_ms: int) -> None:
        self._answer()
        self.log.append(("hours", (log_partition, tuple(hours_ms), through_ms)))

    def _answer(self) -> None:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("gone")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff.retry_forever, "__defaults__", (lambda seconds: None,))


def written(tables: Tables, *items: Row | RebuildHours) -> MemoryTopics:
    topics = MemoryTopics(Clock(T0), names=[DEAD_LETTERS])
    partition = StoreSinkPartition(tables, topics.producer())
    partition.write_batch(list(items))
    assert tables.log == []
    partition.snapshot()
    partition.snapshot()  # of an epoch without rows
    return topics


def test_one_insert_per_table_with_the_ticks_last_but_for_the_hours_made_of_minutes() -> None:
    tables = Tables()
    rebuild = RebuildHours(1, (T0,), T0)
    written(
        tables,
        Row("watermarks", {"n": 1}),
        rebuild,
        Row("facts", {"n": 2}),
        Row("minutes", {"n": 3}),
        Row("facts", {"n": 4}),
    )
    assert tables.log == [
        ("facts", [{"n": 2}, {"n": 4}]),
        ("minutes", [{"n": 3}]),
        ("watermarks", [{"n": 1}]),
        ("hours", tuple(rebuild)),
    ]


def test_a_store_that_is_away_is_waited_for_and_gets_every_row() -> None:
    tables = Tables(away=7)
    written(tables, Row("facts", {"n": 1}), RebuildHours(0, (T0,), T0))
    assert tables.log == [("facts", [{"n": 1}]), ("hours", (0, (T0,), T0))]


def test_a_refused_row_is_a_dead_letter_and_the_rest_is_there() -> None:
    tables = Tables()
    topics = written(tables, Row("facts", {"n": 1}), Row("facts", {"bad": 1}))
    assert tables.log == [("facts", [{"n": 1}])]
    (letter,) = topics.records(DEAD_LETTERS)
    header, payload = decode_record(letter.value)
    assert (header["code"], header["message"], payload) == ("ROW_REFUSED", "facts: cannot parse", b'{"bad":1}')
