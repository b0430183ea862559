"""Sliding counts of the last minutes, hour and days, by source, destination, connection and mapping.

Rows of closed append minutes are added; reading a sum takes constant time. Counts are kept by (source, destination,
mapping), and those of a source alone under (source, '', ''). Each count also adds to the sums of its wider scopes.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zlib import compress, decompress

from model.alerts import measures
from model.alerts.measures import AHEAD_MS, FIVE_MINUTES_MS, MEASURES, Measure, Sum
from model.durations import MINUTE_MS
from model.recording.rollup import OTHER

WINDOWS_VERSION = 1
SERIES_LIMIT = 50_000
OTHERS_LIMIT = 1_000  # beyond it: of (other), one for each destination
_MOST = 2**42  # of any number in a row, times too (the year 2109): a larger one is damage, and slots must not overflow
# By status: what a row's count adds to, and what its first attempts add to.
_COUNTED: dict[str, tuple[tuple[Measure, ...], Measure | None]] = {
    "received": ((measures.RECEIVED,), None),
    "delivered": ((measures.DELIVERED,), measures.FIRST_OK),
    "discarded": ((measures.NOT_DELIVERED, measures.NOT_DELIVERED_BY_MINUTE), measures.FIRST_FAILED),
    "expired": ((measures.NOT_DELIVERED, measures.NOT_DELIVERED_BY_MINUTE), measures.FIRST_FAILED),
    "filtered": ((measures.FILTERED,), None),
    "attempt_failed": ((), measures.FIRST_FAILED),
}

Key = tuple[str, str, str]  # source, destination, mapping; in a scope '' is any


class Volume(NamedTuple):
    """Accepted events of a source in the 24 hours up to ``day_end_ms``, and in the 24 hours before."""

    now: int
    before: int


class Rate(NamedTuple):
    """Deliveries that ended in the 24 hours up to ``day_end_ms``."""

    delivered: int
    not_delivered: int
    filtered: int


class FirstAttempts(NamedTuple):
    """First attempts of the 5 minutes and of the hour up to ``end_ms``."""

    ok_5_minutes: int
    failed_5_minutes: int
    ok_hour: int
    failed_hour: int


@dataclass(slots=True)
class _Scope:
    """Sums of everything in a scope, and how many series are in it."""

    sums: list[int] = field(default_factory=lambda: [0] * len(Sum))
    series: int = 0


@dataclass(slots=True)
class _Series:
    """The ring buffers of one key; a ring exists while any of its slots is not zero."""

    scopes: tuple[_Scope, ...]
    rings: "list[array[int] | None]" = field(default_factory=lambda: [None] * len(MEASURES))

    def change(self, number: int, difference: int) -> None:
        """Add to a sum of every scope it is in."""
        for scope in self.scopes:
            scope.sums[number] += difference


class Windows:
    """Advance to the end of an append minute, then add that minute's rows of every partition.

    Rows older than every window are ignored; so are rows more than an hour ahead of the end (counted in ``ahead``).
    At most 50,000 series: rows of further series count only for their destination, not for a connection or mapping
    (counted in ``folded``). Rows that cannot be read are skipped (counted in ``unreadable``).

    begun_ms: start of the counts. end_ms: the end of the windows that step by minutes.
    """

    def __init__(self, end_ms: int) -> None:
        self.end_ms = self.begun_ms = end_ms // MINUTE_MS * MINUTE_MS
        self.ahead = self.folded = self.unreadable = 0
        self._series: dict[Key, _Series] = {}
        self._scopes: dict[Key, _Scope] = {}
        self._first_event_ms: dict[str, int] = {}
        self._record: dict[str, Any] | None = None

    @property
    def day_end_ms(self) -> int:
        """The end of the windows of 24 hours: the last full five minutes."""
        return self.end_ms // FIVE_MINUTES_MS * FIVE_MINUTES_MS

    @property
    def series(self) -> int:
        """How many series there are."""
        return len(self._series)

    def advance_to(self, end_ms: int) -> None:
        """Move the windows on to end at ``end_ms``, rounded down to minutes; never back."""
        end_ms = end_ms // MINUTE_MS * MINUTE_MS
        if end_ms <= self.end_ms:
            return
        self._record = None
        moved = [
            (measure, self.end_ms // measure.step_ms, end_ms // measure.step_ms)
            for measure in MEASURES
            if self.end_ms // measure.step_ms != end_ms // measure.step_ms
        ]
        for series in self._series.values():
            for measure, end, to_end in moved:
                ring = series.rings[measure.number]
                if ring is not None:
                    for number, difference in measure.turn(ring, end, to_end):
                        series.change(number, difference)
        if self.end_ms // FIVE_MINUTES_MS != end_ms // FIVE_MINUTES_MS:
            self._drop_idle()
        self.end_ms = end_ms

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count the rows of a bundle (model.recording.rows.rollup_values and minute_ms)."""
        self._record = None
        for row in rows:
            try:
                counted = _COUNTED.get(row["status"])
                if counted is None:
                    continue
                key = row["source"], row["destination"], row["mapping"]
                minute_ms, count, first = row["minute_ms"], row["count"], row["by_attempt"].get("1", 0)
                if not (_are_texts(key) and _are_counts(minute_ms, count, first)):
                    raise ValueError
            except (KeyError, TypeError, ValueError, AttributeError):
                self.unreadable += 1
                continue
            if minute_ms >= self.end_ms + AHEAD_MS:
                self.ahead += 1
                continue
            counted_measures, of_first = counted
            if count:
                for measure in counted_measures:
                    self._count(key, measure, minute_ms // measure.step_ms, count)
                if count > 0 and counted is _COUNTED["received"]:
                    self.note_first_event(key[0], minute_ms)
            if first and of_first is not None:
                self._count(key, of_first, minute_ms // MINUTE_MS, first)

    def note_first_event(self, source: str, at_ms: int) -> None:
        """Record the time of a source's first event if it is earlier than the known one."""
        known = self._first_event_ms.get(source)
        if at_ms < known if known is not None else len(self._first_event_ms) < SERIES_LIMIT:
            self._first_event_ms[source] = at_ms
            self._record = None

    def first_event_ms(self, source: str) -> int | None:
        """The time of the source's first event; None: no event yet."""
        return self._first_event_ms.get(source)

    def volume(self, source: str) -> Volume:
        """Accepted events of a source."""
        return Volume(*self._sums((source, "", ""), Sum.RECEIVED_NOW, Sum.RECEIVED_BEFORE))

    def volume_slots(self, source: str) -> tuple[list[int], list[int]]:
        """The events of `volume`, now and before, by five minutes, oldest first: 288 numbers each."""
        series = self._series.get((source, "", ""))
        ring = series.rings[measures.RECEIVED.number] if series else None
        ring, end = ring or measures.RECEIVED.ring(), self.day_end_ms // FIVE_MINUTES_MS
        return measures.RECEIVED.slots(ring, end, measures.NOW), measures.RECEIVED.slots(ring, end, measures.BEFORE)

    def rate(self, scope: Key) -> Rate:
        """Deliveries of a (source, destination, mapping), '' for all, that ended."""
        return Rate(*self._sums(scope, Sum.DELIVERED, Sum.NOT_DELIVERED, Sum.FILTERED))

    def first_attempts(self, scope: Key) -> FirstAttempts:
        """First attempts of a (source, destination, mapping), '' for all."""
        five_minutes = Sum.FIRST_OK_5_MINUTES, Sum.FIRST_FAILED_5_MINUTES
        return FirstAttempts(*self._sums(scope, *five_minutes, Sum.FIRST_OK_HOUR, Sum.FIRST_FAILED_HOUR))

    def not_delivered_in_hour(self, scope: Key) -> int:
        """Deliveries of a (source, destination, mapping) discarded or expired in the hour up to ``end_ms``."""
        return self._sums(scope, Sum.NOT_DELIVERED_HOUR)[0]

    def to_record(self) -> dict[str, Any]:
        """As plain data with compact bytes; the same object until something changes, because snapshots are frequent."""
        if self._record is None:
            rings = [ring for series in self._series.values() for ring in series.rings if ring is not None]
            self._record = {
                "v": WINDOWS_VERSION,
                "begun_ms": self.begun_ms,
                "end_ms": self.end_ms,
                "first_event_ms": dict(self._first_event_ms),
                "series": [
                    (*key, "".join("-" if ring is None else ring.typecode for ring in series.rings))
                    for key, series in self._series.items()
                ],
                "slots": compress(b"".join(ring.tobytes() for ring in rings), level=1),
            }
        return self._record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Windows":
        """From plain data. Raises ValueError for another format version."""
        if record.get("v") != WINDOWS_VERSION:
            raise ValueError(f"windows have version {record.get('v')}; this Waybill reads {WINDOWS_VERSION}")
        windows = cls(record["end_ms"])
        windows.begun_ms = record["begun_ms"]
        windows._first_event_ms = dict(record["first_event_ms"])
        slots, start = memoryview(decompress(record["slots"])), 0
        for source, destination, mapping, typecodes in record["series"]:
            series = windows._make((source, destination, mapping))
            for measure, typecode in zip(MEASURES, typecodes, strict=True):
                if typecode == "-":
                    continue
                ring = array(typecode)
                ring.frombytes(slots[start : start + ring.itemsize * measure.length])
                start += ring.itemsize * measure.length
                series.rings[measure.number] = ring
                for number, value in measure.sums(ring, windows.end_ms // measure.step_ms):
                    series.change(number, value)
        return windows

    def _sums(self, scope: Key, *sums: Sum) -> list[int]:
        found = self._scopes.get(scope)
        return [max(0, found.sums[number]) if found else 0 for number in sums]

    def _count(self, key: Key, measure: Measure, slot: int, count: int) -> None:
        age = self.end_ms // measure.step_ms - 1 - slot
        if age >= measure.kept:
            return
        series = self._series.get(key) or self._series_for(key)
        ring = series.rings[measure.number]
        if ring is None:
            ring = series.rings[measure.number] = measure.ring()
        try:
            ring[slot % measure.length] += count
        except OverflowError:
            ring = series.rings[measure.number] = array("q", ring)
            ring[slot % measure.length] += count
        for number, newest, oldest in measure.spans:
            if newest <= age < oldest:
                series.change(number, count)

    def _series_for(self, key: Key) -> _Series:
        """A new series, or the shared one beyond the limit."""
        if len(self._series) < SERIES_LIMIT:
            return self._make(key)
        self.folded += 1
        key = OTHER, key[1], ""
        if key not in self._series and len(self._series) >= SERIES_LIMIT + OTHERS_LIMIT:
            key = OTHER, OTHER, ""
        return self._series.get(key) or self._make(key)

    def _make(self, key: Key) -> _Series:
        scopes = []
        for scope_key in _scopes_of(key):
            scope = self._scopes.setdefault(scope_key, _Scope())
            scope.series += 1
            scopes.append(scope)
        series = self._series[key] = _Series(tuple(scopes))
        return series

    def _drop_idle(self) -> None:
        idle = []
        for key, series in self._series.items():
            series.rings = [ring if ring is not None and any(ring) else None for ring in series.rings]
            if not any(series.rings):
                idle.append(key)
        for key in idle:
            del self._series[key]
            for scope_key in _scopes_of(key):
                self._scopes[scope_key].series -= 1
                if not self._scopes[scope_key].series:
                    del self._scopes[scope_key]


def _scopes_of(key: Key) -> set[Key]:
    """The scopes a series adds to, as rules name them."""
    source, destination, mapping = key
    return {key, (source, destination, ""), ("", destination, "")} if destination else {key}


def _are_texts(key: tuple[Any, ...]) -> bool:
    return all(isinstance(part, str) for part in key)


def _are_counts(*numbers: Any) -> bool:
    return all(isinstance(number, int) and -_MOST < number < _MOST for number in numbers)
