"""A rule tried on made-up histories: when it fires, recovers, and how far back the history reaches."""

import time
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.alerts.backtest import EPISODES_LIMIT, BacktestResult, run_backtest
from model.alerts.rule import RULE, Rule

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = 1_790_000_100_000 // DAY * DAY + 10 * HOUR + 7_000
END = NOW // 300_000 * 300_000
NAMES = ("received", "delivered", "not_delivered", "filtered", "first_ok", "first_failed")
Counts = dict[int, dict[str, int]]  # by minute


class Store:
    """Answers the two views a backtest reads, from counts by minute."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self.longest_ms = 0

    def view(self, name: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        if name == "first_events":
            return [{"source": "web", "first_at": min(self.counts)}] if self.counts else []
        assert name == "alert_slots"
        self.longest_ms = max(self.longest_ms, asked["to_ms"] - asked["from_ms"])
        slots: dict[int, dict[str, int]] = defaultdict(lambda: dict.fromkeys(NAMES, 0))
        width = asked["step_seconds"] * 1_000
        for minute, counted in self.counts.items():
            if asked["from_ms"] <= minute < asked["to_ms"]:
                for key, value in counted.items():
                    slots[minute // width * width][key] += value
        return [{"slot": slot, **slots[slot]} for slot in sorted(slots)]


def volume(**settings: Any) -> Rule:
    values = {"kind": "source-volume", "name": "x", "source": "web", "change_percent": 4, **settings}
    return RULE.validate_python(values)


def rate(**settings: Any) -> Rule:
    values = {"kind": "delivery-rate", "name": "x", "destination": "crm", "below_percent": 95, **settings}
    return RULE.validate_python(values)


FAILED = RULE.validate_python({"kind": "failed-events", "name": "x", "destination": "crm"})


def tried(rule: Rule, counts: Counts, days: int = 3, kept_days: int = 90) -> BacktestResult:
    return run_backtest(Store(counts).view, rule, days=days, kept_days=kept_days, now_ms=NOW)


def steady(days: int, every_ms: int = 300_000, **counted: int) -> Counts:
    return {at: dict(counted) for at in range(END - days * DAY, END, every_ms)}


def test_a_steady_source_fires_never() -> None:
    result = tried(volume(), steady(6, received=10))
    assert (result.fired, result.episodes, result.complete) == (0, (), True)
    assert (result.from_ms, result.to_ms) == (END - 3 * DAY, END)


def test_an_outage_of_a_source_fires_once_on_its_way_down() -> None:
    counts = steady(6, received=10)
    outage = END - 50 * HOUR
    for at in range(outage, outage + 4 * HOUR, 300_000):
        del counts[at]
    result = tried(volume(direction="down"), counts)
    [episode] = result.episodes
    # 4 % of 2,880 are 115.2 events: 12 slots without any are 120.
    assert episode.fired_ms == outage + 12 * 300_000
    assert (episode.numerator, episode.denominator, episode.check) == (2_760, 2_880, "day")
    # The outage leaves the 24 hours 24 hours later; 11 slots of it do not count as a fall any more.
    assert episode.recovered_ms is not None
    assert outage + DAY < episode.recovered_ms <= outage + 4 * HOUR + DAY
    assert episode.duration_ms == episode.recovered_ms - episode.fired_ms
    assert "-4.17 %" in episode.summary


def test_the_week_before_is_read_where_a_rule_compares_with_it() -> None:
    counts = steady(12, received=10)
    store = Store(counts)
    result = run_backtest(store.view, volume(baseline="week"), days=2, kept_days=90, now_ms=NOW)
    assert (result.fired, result.complete) == (0, True)
    for at in range(END - 7 * DAY - 6 * HOUR, END - 7 * DAY - HOUR, 300_000):
        del counts[at]
    again = run_backtest(store.view, volume(baseline="week"), days=2, kept_days=90, now_ms=NOW)
    assert again.fired == 1 and again.episodes[0].recovered_ms is None
    assert store.longest_ms <= 7 * DAY


def test_failed_events_fire_within_a_minute_and_for_an_hour() -> None:
    at = END - 30 * HOUR
    result = tried(FAILED, {at: {"not_delivered": 2}, at + 20 * MINUTE: {"not_delivered": 1}})
    [episode] = result.episodes
    assert (episode.fired_ms, episode.recovered_ms) == (at + MINUTE, at + 81 * MINUTE)
    assert episode.numerator == 2


def test_first_attempts_tell_of_an_outage_before_outcomes_do() -> None:
    counts = steady(6, MINUTE, delivered=10, first_ok=10)
    outage = END - 26 * HOUR
    for at in range(outage, outage + 2 * HOUR, MINUTE):
        counts[at] = {"first_failed": 10}
    slow = tried(rate(), counts)
    fast = tried(rate(first_attempts_below_percent=90), counts)
    assert slow.fired == 0
    [episode] = fast.episodes
    assert episode.check == "fast" and outage < episode.fired_ms <= outage + 10 * MINUTE


def test_a_history_that_is_too_short_is_said_to_be() -> None:
    nothing = tried(rate(), {})
    assert (nothing.history_from_ms, nothing.complete, nothing.fired) == (None, False, 0)
    young = tried(rate(), steady(1, delivered=10), days=14)
    assert (young.history_from_ms, young.complete) == (END - DAY, False)
    forgotten = tried(rate(), steady(40, delivered=10), days=30, kept_days=10)
    assert not forgotten.complete and forgotten.fired == 0
    assert forgotten.history_from_ms is not None and forgotten.history_from_ms >= NOW - 10 * DAY
    assert tried(rate(), steady(5, delivered=10)).complete


def test_a_rule_that_is_off_is_tried_as_if_it_were_on_and_a_list_without_end_is_cut() -> None:
    counts = {at: {"not_delivered": 1} for at in range(END - 26 * DAY, END, 2 * HOUR)}
    off = FAILED.model_copy(update={"enabled": False})
    result = tried(off, counts, days=25)
    assert result.fired == 300 and len(result.episodes) == EPISODES_LIMIT
    assert result.episodes[0].duration_ms == HOUR


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.integers(1, 2 * 288), st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=60),
    st.integers(8_000, 9_999),
)
def test_a_rate_fires_when_a_recount_says_so(slots: dict[int, tuple[int, int]], threshold_bp: int) -> None:
    counts = {END - slot * 300_000: {"delivered": ok, "not_delivered": bad} for slot, (ok, bad) in slots.items()}
    result = tried(rate(below_percent=threshold_bp / 100, minimum_deliveries=1), counts, days=1)
    expected, firing = [], False
    for end in range(END - DAY + 300_000, END + 1, 300_000):
        of_day = [counted for at, counted in counts.items() if end - DAY <= at < end]
        ok, bad = (sum(counted[name] for counted in of_day) for name in ("delivered", "not_delivered"))
        outside = ok * 10_000 < threshold_bp * (ok + bad)
        if outside and not firing:
            expected.append((end, ok, ok + bad))
        firing = outside
    assert [(e.fired_ms, e.numerator, e.denominator) for e in result.episodes] == expected


@pytest.mark.parametrize("step", [MINUTE, 300_000])
def test_ninety_days_are_tried_in_seconds(step: int) -> None:
    rule = rate(first_attempts_below_percent=90) if step == MINUTE else rate()
    counts = {at: {"delivered": 1, "first_ok": 1} for at in range(END - 90 * DAY, END, 7 * MINUTE)}
    started = time.process_time()
    assert tried(rule, counts, days=90).fired == 0
    assert time.process_time() - started < 20
