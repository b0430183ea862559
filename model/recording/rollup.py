"""Counts per minute, collected in windows of the log's append time, so that no fact is late.

A row counts the facts of one minute and one set of dimensions that were appended within one *append minute* of one
partition of topic outcomes. Rows of an open append minute are sent again as they grow; those of a closed one are final.
Rows add up: a fact about an older minute makes a new row and overwrites nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from model.durations import MINUTE_MS
from model.recording.facts import (
    AttemptFailed,
    DeliveryFact,
    DestinationState,
    Duplicate,
    EventFact,
    Fact,
    Outcome,
    Received,
    Rejected,
    Requeued,
    State,
    kind_of,
)
from model.recording.latency import latency_bucket
from model.recording.replays import Decision

SERIES_LIMIT = 2_000  # rows of an append minute; further ones count without event name and app version
OTHER = "(other)"
ATTEMPT_LIMIT = 255  # larger attempt numbers count as this one
_UNDELIVERED = frozenset({State.DISCARDED, State.EXPIRED})


class RollupKey(NamedTuple):
    """The dimensions of a row."""

    minute_ms: int
    source: str
    destination: str
    mapping: str
    event_type: str
    event_name: str
    app_version: str
    status: str
    code: str


class TotalKey(NamedTuple):
    """The dimensions of a row of totals: without mapping, event and app version."""

    minute_ms: int
    source: str
    destination: str
    status: str
    code: str


@dataclass(slots=True)
class Counts:
    """The numbers of a row: latency by bucket (of delivered), and by number of calls made (of delivered, failed calls,
    discarded and expired)."""

    count: int = 0
    latency: dict[int, int] = field(default_factory=dict)
    by_attempt: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class TotalCounts(Counts):
    """The numbers of a row of totals; of delivered, also the parts of their latencies, added up; of discarded and
    expired, also when the first and the last of them ended (0: none counted)."""

    queue_ms: int = 0
    retry_wait_ms: int = 0
    limit_wait_ms: int = 0
    calls_ms: int = 0
    first_at_ms: int = 0
    last_at_ms: int = 0


class LogMinute:
    """The rows of one append minute of one partition, and their totals. ``minute_ms`` is its start."""

    def __init__(self, minute_ms: int) -> None:
        self.minute_ms = minute_ms
        self._rows: defaultdict[RollupKey, Counts] = defaultdict(Counts)
        self._totals: defaultdict[TotalKey, TotalCounts] = defaultdict(TotalCounts)
        self._changed: set[RollupKey] = set()
        self._changed_totals: set[TotalKey] = set()
        self.states: list[DestinationState] = []  # in log order

    def add(self, fact: Fact, decision: Decision) -> None:
        """Count a fact according to the decision."""
        if isinstance(fact, DestinationState):
            self.states.append(fact)
        for key, count, attempt in rollup_keys(fact, decision):
            row, total = self._counts(key), self._total(key)
            for counts in (row, total):
                counts.count += count
                if attempt is not None:
                    counts.by_attempt[attempt] = counts.by_attempt.get(attempt, 0) + count
            if isinstance(fact, Outcome) and key.status == State.DELIVERED:
                index = latency_bucket(fact.at_ms - fact.received_at_ms)
                for counts in (row, total):
                    counts.latency[index] = counts.latency.get(index, 0) + 1
                total.queue_ms += fact.queue_ms
                total.retry_wait_ms += fact.retry_wait_ms
                total.limit_wait_ms += fact.limit_wait_ms
                total.calls_ms += fact.calls_ms
            if key.status in _UNDELIVERED and count > 0:
                total.first_at_ms = min(total.first_at_ms or fact.at_ms, fact.at_ms)
                total.last_at_ms = max(total.last_at_ms, fact.at_ms)

    def changed(self) -> Iterator[tuple[RollupKey, Counts]]:
        """Yield each row that changed since the last call."""
        changed, self._changed = self._changed, set()
        for key in changed:
            yield key, self._rows[key]

    def changed_totals(self) -> Iterator[tuple[TotalKey, TotalCounts]]:
        """Yield each row of totals that changed since the last call."""
        changed, self._changed_totals = self._changed_totals, set()
        for total in changed:
            yield total, self._totals[total]

    def rows(self) -> Iterator[tuple[RollupKey, Counts]]:
        """Give every row."""
        return iter(self._rows.items())

    def minutes(self) -> set[int]:
        """The minutes of its rows."""
        return {key.minute_ms for key in self._rows}

    def _counts(self, key: RollupKey) -> Counts:
        if key not in self._rows and len(self._rows) >= SERIES_LIMIT:
            key = key._replace(event_name=OTHER, app_version="")
        self._changed.add(key)
        return self._rows[key]

    def _total(self, key: RollupKey) -> TotalCounts:
        total = TotalKey(key.minute_ms, key.source, key.destination, key.status, key.code)
        self._changed_totals.add(total)
        return self._totals[total]


def rollup_keys(fact: Fact, decision: Decision) -> list[tuple[RollupKey, int, int | None]]:
    """The rows a fact counts in: key, count and number of calls.

    Redrives are in none, so that they are in no rate and no alert.
    """
    if isinstance(fact, DeliveryFact) and fact.redrive:
        return []
    if isinstance(fact, Rejected):
        dimensions = (fact.source, "", "", fact.event_type, "", "", "rejected", fact.code)
        return [(RollupKey(fact.at_ms // MINUTE_MS * MINUTE_MS, *dimensions), fact.count, None)]
    if isinstance(fact, Received | Duplicate):
        return [(_key(fact, fact.at_ms, kind_of(fact), ""), decision.count, None)] if decision.count else []
    counted: list[tuple[RollupKey, int, int | None]]
    if isinstance(fact, AttemptFailed):
        counted = [(_key(fact, fact.at_ms, kind_of(fact), fact.code), 1, min(fact.attempt, ATTEMPT_LIMIT))]
    elif isinstance(fact, Requeued):
        counted = [(_key(fact, fact.at_ms, kind_of(fact), fact.code), 1, None)]
    elif isinstance(fact, Outcome):
        counted = []
        if decision.count:
            own = _key(fact, fact.at_ms, fact.state, fact.code)
            counted.append((own, decision.count, _calls(fact.state, fact.attempt)))
        if decision.takes_back is not None:
            prior = decision.takes_back
            taken_back = _key(fact, prior.at_ms, prior.state, prior.code)
            counted.append((taken_back, -1, _calls(prior.state, prior.attempt)))
    else:
        return []
    if fact.resent and not isinstance(fact, Requeued):
        counted.append((_key(fact, fact.at_ms, "possible_duplicate", ""), 1, None))
    return counted


def _calls(state: State, attempt: int) -> int | None:
    return None if state is State.FILTERED else min(attempt, ATTEMPT_LIMIT)


def _key(fact: EventFact, at_ms: int, status: str, code: str) -> RollupKey:
    destination, mapping = (fact.destination, fact.mapping) if isinstance(fact, DeliveryFact) else ("", "")
    return RollupKey(
        at_ms // MINUTE_MS * MINUTE_MS,
        fact.source,
        destination,
        mapping,
        fact.event_type,
        fact.event_name,
        fact.app_version,
        str(status),
        code,
    )


def bundle(
    minute_ms: int, partition: int, rows: list[dict[str, Any]], states: Iterable[DestinationState] = ()
) -> dict[str, Any]:
    """The closed append minute as one record of topic minutes."""
    said = [
        {"destination": s.destination, "at_ms": s.at_ms, "state": s.state, "code": s.code, "message": s.message}
        for s in states
    ]
    return {"append_minute_ms": minute_ms, "partition": partition, "rows": rows, "states": said}
