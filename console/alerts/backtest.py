"""Backtests a rule: runs the evaluator of alerting over windows filled from the store, and notifies nobody.

A backtest sees each count in the minute in which it happened. Alerting sees it when it was recorded, which is later
where recording was behind.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from console.data_dir import View
from model.alerts.alert_event import AlertEvent
from model.alerts.evaluator import checks_of, evaluate
from model.alerts.measurement import WEEK_MS
from model.alerts.measures import FIVE_MINUTES_MS
from model.alerts.messages import summary_of
from model.alerts.notification import Change
from model.alerts.rule import FailedEvents, Rule, SourceVolume, scope_of
from model.alerts.state import NEVER_FIRED, Check
from model.alerts.version import RuleChange, RuleVersion
from model.alerts.windows import Windows
from model.durations import DAY_MS, HOUR_MS, MINUTE_MS

EPISODES_LIMIT = 200  # a rule that fires more often needs no further proof that it is useless
LONGEST_BACKTEST_DAYS = 90  # minutes are kept no longer by default
READ_AT_ONCE_MS = 7 * DAY_MS


@dataclass(slots=True)
class Episode:
    """One time the rule would have fired. Times are Unix ms; recovered_ms is None when it would still fire."""

    check: str
    fired_ms: int
    numerator: int
    denominator: int
    summary: str
    recovered_ms: int | None = None
    duration_ms: int = 0


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """When a rule would have fired in [from_ms, to_ms).

    history_from_ms: time of the first count; None without any. complete: the history covers these days and what the
    comparison needs before them. ``episodes``: the first of them; ``fired``: the number of all.
    """

    from_ms: int
    to_ms: int
    days: int
    history_from_ms: int | None
    complete: bool
    fired: int
    episodes: tuple[Episode, ...]


def run_backtest(view: View, rule: Rule, *, days: int, kept_days: int, now_ms: int) -> BacktestResult:
    """Run ``rule`` over the last ``days``. ``kept_days``: retention of minutes. Raises what ``view`` raises."""
    to_ms = now_ms // FIVE_MINUTES_MS * FIVE_MINUTES_MS
    from_ms = to_ms - days * DAY_MS
    before_ms = from_ms - _reach_ms(rule)
    read_from_ms = max(before_ms, now_ms // DAY_MS * DAY_MS - (kept_days - 1) * DAY_MS)
    replay = _Replay(view, rule, read_from_ms, to_ms)
    fired, episodes = _episodes(replay.run(max(from_ms, read_from_ms)), to_ms)
    history_from_ms = replay.history_from_ms
    return BacktestResult(
        from_ms=from_ms,
        to_ms=to_ms,
        days=days,
        history_from_ms=history_from_ms,
        complete=history_from_ms is not None and max(history_from_ms, read_from_ms) <= before_ms,
        fired=fired,
        episodes=tuple(episodes),
    )


def _reach_ms(rule: Rule) -> int:
    """Return how far back an evaluation of the rule reads."""
    if isinstance(rule, SourceVolume):
        return 2 * DAY_MS if rule.baseline == "day" else WEEK_MS + DAY_MS
    return HOUR_MS if isinstance(rule, FailedEvents) else DAY_MS


class _Replay:
    """Adds the counts of a rule's scope to windows slot by slot, and evaluates at the end of each slot."""

    def __init__(self, view: View, rule: Rule, from_ms: int, to_ms: int) -> None:
        self._view = view
        self._scope = scope_of(rule)
        self._version = _version_of(rule)
        self._checks = checks_of(rule)
        self._from_ms = from_ms
        self._to_ms = to_ms
        self._step_ms = FIVE_MINUTES_MS if self._checks == (Check.DAY,) else MINUTE_MS
        self._past = _Past(from_ms)
        self.history_from_ms: int | None = None

    def run(self, evaluate_from_ms: int) -> Iterator[AlertEvent]:
        """Yield the alert events from ``evaluate_from_ms`` on."""
        windows = Windows(self._from_ms)
        source = self._scope[0]
        if self._scope[1] == "":
            for row in self._view("first_events", {"source": source, "to_ms": self._to_ms}):
                windows.note_first_event(source, row["first_at"])
                self.history_from_ms = row["first_at"]
        states = dict.fromkeys(self._checks, NEVER_FIRED)
        slots = self._slots()
        slot = next(slots, None)
        for end_ms in range(self._from_ms + self._step_ms, self._to_ms + 1, self._step_ms):
            windows.advance_to(end_ms)
            if slot is not None and slot["slot"] < end_ms:
                self._count(windows, slot)
                slot = next(slots, None)
            if end_ms <= evaluate_from_ms:
                continue
            for check in self._checks:
                states[check], event = evaluate(self._version, check, states[check], windows, self._past, end_ms)
                if event is not None:
                    yield event

    def _slots(self) -> Iterator[dict[str, Any]]:
        source, destination, mapping = self._scope
        scope = {"source": source, "destination": destination, "mapping": mapping}
        for from_ms in range(self._from_ms, self._to_ms, READ_AT_ONCE_MS):
            period = {"from_ms": from_ms, "to_ms": min(from_ms + READ_AT_ONCE_MS, self._to_ms)}
            yield from self._view("alert_slots", {**scope, **period, "step_seconds": self._step_ms // 1_000})

    def _count(self, windows: Windows, slot: dict[str, Any]) -> None:
        source, destination, mapping = self._scope
        at_ms = slot["slot"]
        self.history_from_ms = at_ms if self.history_from_ms is None else min(self.history_from_ms, at_ms)
        self._past.add(at_ms, slot["received"])
        key = {"source": source, "destination": destination, "mapping": mapping, "minute_ms": at_ms}
        numbers = (
            ("received", slot["received"], 0),
            ("delivered", slot["delivered"], slot["first_ok"]),
            ("discarded", slot["not_delivered"], 0),
            ("filtered", slot["filtered"], 0),
            ("attempt_failed", slot["first_failed"], slot["first_failed"]),
        )
        windows.add(
            {**key, "status": status, "count": count, "by_attempt": {"1": first}} for status, count, first in numbers
        )


class _Past:
    """A `History` of the replayed slots: accepted events."""

    def __init__(self, from_ms: int) -> None:
        self._from_ms = from_ms
        self._at_ms: list[int] = []
        self._sums: list[int] = []

    def add(self, at_ms: int, count: int) -> None:
        """Add a slot; slots come in order."""
        self._at_ms.append(at_ms)
        self._sums.append((self._sums[-1] if self._sums else 0) + count)

    def received(self, source: str, from_ms: int, to_ms: int) -> int | None:
        """See `History`."""
        return None if from_ms < self._from_ms else self._before(to_ms) - self._before(from_ms)

    def _before(self, at_ms: int) -> int:
        index = bisect_left(self._at_ms, at_ms)
        return self._sums[index - 1] if index else 0


def _episodes(events: Iterable[AlertEvent], to_ms: int) -> tuple[int, list[Episode]]:
    """Pair fired and recovered of each check; return the number of episodes and the first of them, in order.

    Those that still fire last until ``to_ms``.
    """
    fired = 0
    first: list[Episode] = []
    firing: dict[str, Episode] = {}
    for event in events:
        if event.change is Change.FIRED:
            fired += 1
            episode = Episode(event.check, event.at_ms, event.numerator, event.denominator, summary_of(event))
            episode.duration_ms = to_ms - event.at_ms
            firing[event.check] = episode
            if len(first) < EPISODES_LIMIT:
                first.append(episode)
        elif event.change is Change.RECOVERED:
            episode = firing.pop(event.check)
            episode.recovered_ms = event.at_ms
            episode.duration_ms = event.at_ms - episode.fired_ms
    return fired, first


def _version_of(rule: Rule) -> RuleVersion:
    tried = rule.model_copy(update={"enabled": True, "remind_after_seconds": None})
    return RuleVersion(
        rule_id="backtest", version=1, at_ms=0, author="", change=RuleChange.CREATED, rule=tried, creator=""
    )
