import json
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.alerts import windows as windows_module
from model.alerts.measures import AHEAD_MS, FIVE_MINUTES_MS
from model.alerts.windows import FirstAttempts, Rate, Volume, Windows
from model.durations import DAY_MS, HOUR_MS, MINUTE_MS
from model.recording.rollup import OTHER
from tests.kit.alert_samples import NOW, T0, delivery, row, windows_of

SCOPES = [
    ("web", "", ""),
    ("", "crm", ""),
    ("web", "crm", ""),
    ("web", "crm", "a"),
    ("app", "crm", ""),
    ("", "hub", ""),
]


class Recount:
    """The same numbers from all rows ever added, each time counted anew."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any], end_ms: int) -> None:
        if row["minute_ms"] < end_ms + AHEAD_MS:
            self.rows.append(row)

    def sum(
        self, scope: tuple[str, str, str], statuses: set[str], from_ms: int, to_ms: int, first: bool = False
    ) -> int:
        total = 0
        for each in self.rows:
            names = each["source"], each["destination"], each["mapping"]
            matches = all(want in ("", name) for want, name in zip(scope, names, strict=True))
            if matches and each["status"] in statuses and from_ms <= each["minute_ms"] < to_ms:
                total += each["by_attempt"].get("1", 0) if first else each["count"]
        return max(0, total)


def check(windows: Windows, recount: Recount) -> None:
    """Every number of the windows is that of the recount."""
    end, day_end = windows.end_ms, windows.day_end_ms
    day, lost, failed = day_end - DAY_MS, {"discarded", "expired"}, {"attempt_failed", "discarded", "expired"}
    for source in ("web", "app"):
        scope = (source, "", "")
        now = recount.sum(scope, {"received"}, day, day_end)
        assert windows.volume(source) == Volume(now, recount.sum(scope, {"received"}, day - DAY_MS, day))
    for scope in SCOPES[1:]:
        kinds = ({"delivered"}, lost, {"filtered"})
        assert windows.rate(scope) == Rate(*(recount.sum(scope, kind, day, day_end) for kind in kinds))
        first = [
            recount.sum(scope, kind, end - back_ms, end, first=True)
            for back_ms in (5 * MINUTE_MS, HOUR_MS)
            for kind in ({"delivered"}, failed)
        ]
        assert windows.first_attempts(scope) == FirstAttempts(*first)
        assert windows.not_delivered_in_hour(scope) == recount.sum(scope, lost, end - HOUR_MS, end)


ages = st.one_of(st.integers(-70, 70), st.integers(-70, 3_000))  # minutes before the end; below zero: after it
rows_added = st.tuples(
    ages,
    st.sampled_from(["received", "delivered", "discarded", "expired", "filtered", "attempt_failed", "requeued"]),
    st.integers(-3, 2**33),
    st.sampled_from(["web", "app"]),
    st.sampled_from(["crm", "hub"]),
    st.sampled_from(["", "a", "b"]),
    st.integers(-2, 5),
)
turns = st.one_of(st.integers(1, 7), st.integers(1, 400), st.integers(1, 5_000))  # minutes
steps = st.lists(st.one_of(rows_added, turns, st.just("restart")), max_size=25)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_every_number_is_that_of_a_recount_of_all_rows(told: list[Any]) -> None:
    windows, recount = Windows(T0 + 3 * MINUTE_MS), Recount()
    for step in told:
        if step == "restart":
            windows = Windows.from_record(pickle.loads(pickle.dumps(windows.to_record())))  # noqa: S301
        elif isinstance(step, int):
            windows.advance_to(windows.end_ms + step * MINUTE_MS)
        else:
            age, status, count, source, destination, mapping, first = step
            if status == "received":
                destination = mapping = ""
            minute_ms = windows.end_ms - age * MINUTE_MS
            names = {"source": source, "destination": destination, "mapping": mapping}
            each = row(minute_ms, status, count, first=None if status == "received" else first, **names)
            recount.add(each, windows.end_ms)
            windows.add([each])
        check(windows, recount)


def test_windows_of_a_day_step_by_five_minutes_and_the_short_ones_by_one() -> None:
    windows = windows_of([row(NOW), delivery(NOW, "discarded", 3, first=3)], end_ms=NOW + 4 * MINUTE_MS)
    assert (windows.volume("web").now, windows.not_delivered_in_hour(("", "crm", ""))) == (0, 3)
    windows.advance_to(NOW + 5 * MINUTE_MS)
    assert (windows.volume("web").now, windows.day_end_ms) == (1, NOW + 5 * MINUTE_MS)


def test_windows_never_turn_back() -> None:
    windows = windows_of([row(NOW - MINUTE_MS)])
    windows.advance_to(NOW - DAY_MS)
    assert (windows.end_ms, windows.volume("web")) == (NOW, Volume(1, 0))


def test_an_outcome_taken_back_leaves_nothing_behind_and_what_is_idle_is_dropped() -> None:
    windows = windows_of([delivery(NOW - MINUTE_MS, "discarded", 1, 1), delivery(NOW - MINUTE_MS, "discarded", -1, -1)])
    assert windows.rate(("", "crm", "")) == Rate(0, 0, 0)
    windows.advance_to(NOW + FIVE_MINUTES_MS)
    assert windows.series == 0


def test_a_source_silent_for_two_days_is_dropped_but_not_its_first_event() -> None:
    windows = windows_of([row(T0)], end_ms=T0 + 2 * DAY_MS)
    assert windows.series == 1
    windows.advance_to(T0 + 2 * DAY_MS + FIVE_MINUTES_MS)
    assert (windows.series, windows.first_event_ms("web")) == (0, T0)


def test_the_first_event_is_the_earliest_however_late_it_is_said() -> None:
    windows = windows_of([row(NOW)])
    windows.add([row(T0 - 20 * DAY_MS), row(T0 - 30 * DAY_MS, count=-1)])
    windows.note_first_event("web", NOW)
    assert windows.first_event_ms("web") == T0 - 20 * DAY_MS
    windows.note_first_event("web", T0 - 40 * DAY_MS)
    assert windows.first_event_ms("web") == T0 - 40 * DAY_MS
    assert windows.first_event_ms("app") is None


def test_rows_of_clocks_that_are_wrong_are_left_out_and_counted() -> None:
    windows = windows_of([])
    windows.add([row(NOW + HOUR_MS - MINUTE_MS), row(NOW + HOUR_MS), row(T0)])
    windows.advance_to(NOW + 2 * HOUR_MS)
    assert (windows.volume("web").now, windows.ahead) == (1, 1)


@pytest.mark.parametrize(
    "damage",
    [
        {"source": None}, {"mapping": 3}, {"count": "many"}, {"count": 2**60}, {"count": 1.5}, {"by_attempt": None},
        {"by_attempt": {"1": []}}, {"minute_ms": None}, {"minute_ms": 10**30}, {"status": []},
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_read_is_skipped_and_the_rest_goes_on(damage: dict[str, Any]) -> None:
    windows = windows_of([])
    broken = delivery(NOW - MINUTE_MS, "delivered", 5) | damage
    windows.add([broken, {}, delivery(NOW - MINUTE_MS, "delivered", 7)])
    assert (windows.rate(("", "crm", "")).delivered, windows.unreadable) == (7, 2)


def test_beyond_the_limit_of_series_a_destination_still_counts_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_module, "SERIES_LIMIT", 3)
    monkeypatch.setattr(windows_module, "OTHERS_LIMIT", 1)
    windows = Windows(NOW)
    at = NOW - MINUTE_MS
    windows.add(row(at, "delivered", 1, source=f"s{number}", destination="crm") for number in range(10))
    windows.add(row(at, "delivered", 1, source="web", destination=f"d{number}") for number in range(10))
    windows.add([row(at, source=f"s{number}") for number in range(10)])
    assert windows.rate(("", "crm", "")).delivered == 10
    assert windows.rate((OTHER, "crm", "")).delivered == 7
    assert windows.rate((OTHER, OTHER, "")).delivered == 10
    assert (windows.series, windows.folded) == (5, 27)


def test_a_record_is_made_once_while_nothing_changes() -> None:
    windows = windows_of([row(NOW - MINUTE_MS)])
    first = windows.to_record()
    assert windows.to_record() is first
    windows.add([row(NOW - MINUTE_MS)])
    assert windows.to_record() is not first


def test_what_is_no_record_of_this_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2; this Waybill reads 1"):
        Windows.from_record({**Windows(NOW).to_record(), "v": 2})


def test_rows_are_read_as_json_gives_them() -> None:
    windows = Windows(NOW)
    windows.add(json.loads(json.dumps([delivery(NOW - MINUTE_MS, "delivered", 2, first=1)])))
    assert windows.first_attempts(("web", "crm", "all")) == FirstAttempts(1, 0, 1, 0)


def test_the_oldest_slot_and_the_one_furthest_ahead_are_two() -> None:
    windows = windows_of([row(NOW - 2 * DAY_MS, count=5)], end_ms=NOW + 4 * MINUTE_MS)
    windows.add([row(NOW + 4 * MINUTE_MS + AHEAD_MS - MINUTE_MS, count=3)])
    assert windows.volume("web") == Volume(0, 5)
    windows.advance_to(NOW + 2 * HOUR_MS)
    assert windows.volume("web") == Volume(3, 0)


def test_numbers_too_large_for_the_small_slots_are_kept_too_also_over_a_restart() -> None:
    many, at = 2**40, NOW - MINUTE_MS
    windows = windows_of([delivery(at, "delivered", many, first=many), delivery(at, "expired", 1, first=1)])
    windows.add([delivery(at, "delivered", 1)])
    for each in (windows, Windows.from_record(windows.to_record())):
        assert each.rate(("", "crm", "")) == Rate(many + 1, 1, 0)
        assert each.first_attempts(("", "crm", "")) == FirstAttempts(many, 1, many, 1)
