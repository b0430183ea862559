"""Folding rows into a page, whatever their order and number; and reading them piece by piece."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.api.delivery import pages
from console.api.delivery.pages import Fold, read_cursor, write_cursor
from console.api.delivery.parameters import Granularity
from console.api.delivery.periods import LONGEST_MS, MANY_ROWS, MetricsPeriod, read_series
from console.api.errors import Refused
from model.durations import HOUR_MS

KEYS = st.tuples(st.text(max_size=2), st.sampled_from("abc"))
ROWS = st.lists(
    st.builds(
        lambda key, bucket, count: {
            "event_name": key[0],
            "code": key[1],
            "bucket": bucket,
            "count": count,
            "retry_count": 0,
        },
        KEYS,
        st.integers(0, 3),
        st.integers(-2, 9),
    )  # fmt: skip
)
COLUMNS = ("event_name", "code")


def folded(rows: list[dict[str, Any]], first: tuple[str, ...], limit: int) -> pages.Folded:
    fold = Fold(COLUMNS, {}, first, limit)
    fold.add(rows)
    return fold.page()


@given(ROWS, st.integers(1, 4))
def test_pages_together_are_everything_once(rows: list[dict[str, Any]], limit: int) -> None:
    totals: Counter[tuple[str, ...]] = Counter()
    points: Counter[tuple[tuple[str, ...], int]] = Counter()
    for row in rows:
        key = (row["event_name"], row["code"])
        totals[key] += row["count"]
        points[key, row["bucket"]] += row["count"]
    first: tuple[str, ...] | None = ()
    seen: list[tuple[str, ...]] = []
    previous: tuple[str, ...] | None = None
    while first is not None:
        page = folded(rows, first, limit)
        assert page.total.count == totals.total() and page.entries_in_all == len(totals)
        for entry in page.entries:
            assert entry.total.count == totals[entry.key]
            assert {(entry.key, at): tally.count for at, tally in entry.series.items()} == {
                place: count for place, count in points.items() if place[0] == entry.key
            }
        assert (page.previous is None) == (not seen)
        if page.previous is not None:
            assert page.previous == previous
        previous = page.entries[0].key if page.entries else None
        seen += [entry.key for entry in page.entries]
        first = page.next
    assert seen == sorted(totals)


@given(ROWS, KEYS)
def test_a_page_begins_where_its_cursor_says_even_if_that_entry_is_gone(
    rows: list[dict[str, Any]], first: tuple[str, str]
) -> None:
    page = folded(rows, first, 1_000)
    assert [entry.key for entry in page.entries] == sorted(
        {key for row in rows if (key := (row["event_name"], row["code"])) >= first}
    )


@given(st.lists(st.text(), min_size=2, max_size=2).map(tuple))
def test_a_cursor_says_what_was_written(key: tuple[str, ...]) -> None:
    assert read_cursor(write_cursor(("eventName", "discardReason"), key), ("eventName", "discardReason")) == key


@given(st.text())
def test_any_other_text_is_no_cursor(text: str) -> None:
    try:
        assert read_cursor(text, ("eventName",)) == ()
    except Refused as refused:
        assert refused.field == "pagination.cursor"


def test_more_entries_than_can_be_held_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "KEYS_LIMIT", 5)
    rows = [{"event_name": str(n), "code": "", "bucket": 0, "count": 1, "retry_count": 0} for n in range(6)]
    assert folded(rows[:5], (), 2).entries_in_all == 5
    with pytest.raises(Refused, match="more than 5 entries"):
        folded(rows, (), 2)


def pieces(by: list[str], rows: int, *, took_ms: int = 0) -> list[tuple[int, int]]:
    """The periods asked for when each answer has so many rows and takes so long."""
    asked: list[tuple[int, int]] = []

    def view(name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        asked.append((parameters["from_ms"], parameters["to_ms"]))
        return [{}] * rows

    period = MetricsPeriod(HOUR_MS // 2, 40 * HOUR_MS + 60_000, Granularity.HOUR)
    for _ in read_series(view, period, {"by": by}, lambda: len(asked) * took_ms):
        pass
    assert [asked[0][0], asked[-1][1]] == [period.start_ms, period.end_ms]
    assert all(
        before[1] == after[0] and after[0] % HOUR_MS == 0 for before, after in zip(asked, asked[1:], strict=False)
    )
    return asked


def test_long_answers_are_read_in_short_pieces() -> None:
    assert len(pieces(["code"], MANY_ROWS + 1)) == 1  # codes are few
    assert len(pieces(["event_name"], MANY_ROWS + 1)) == 41
    assert len(pieces(["event_name"], 10)) == 4


def test_reading_ends_after_a_minute() -> None:
    with pytest.raises(Refused, match="not read within 60 s"):
        pieces(["event_name"], MANY_ROWS + 1, took_ms=LONGEST_MS // 10)
