"""One page of entries, made of rows of view step_series; and cursors, opaque texts that name a page's first entry.

Totals are kept of every entry, series only of those that can be on the page: entries are sorted by their values, so
once the page is full, a later entry is not on it. Memory is bounded however many rows there are.

A page begins with the first entry that is not before the one that its cursor names. So a client that walks the pages
sees each entry once, also while entries appear and disappear.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from console.api.errors import Refused

Key = tuple[str, ...]  # the values that identify an entry; () sorts before all
FIELD = "pagination.cursor"
KEYS_LIMIT = 50_000  # event names come from outside: somebody may put an id into each
Row = Mapping[str, Any]


@dataclass(slots=True)
class Tally:
    """Events or deliveries, and how many of them took more than one attempt."""

    count: int = 0
    retries: int = 0

    def add(self, count: int, retries: int) -> None:
        """Count more."""
        self.count += count
        self.retries += retries


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a page. ``series``: by start of the bucket (Unix ms), oldest first."""

    key: Key
    total: Tally
    series: dict[int, Tally]


@dataclass(frozen=True, slots=True)
class Folded:
    """One page. ``total`` and ``entries_in_all`` are of all pages; ``next`` and ``previous``: where those begin."""

    total: Tally
    entries: tuple[Entry, ...]
    entries_in_all: int
    next: Key | None
    previous: Key | None


@dataclass(slots=True)
class Fold:
    """Adds up rows. ``columns``: what tells entries apart. ``chosen``: the values to keep, by column.

    The page has at most ``limit`` entries, from the first that is not before ``first``.
    """

    columns: tuple[str, ...]
    chosen: Mapping[str, frozenset[str]]
    first: Key
    limit: int
    _totals: dict[Key, Tally] = field(default_factory=dict)
    _page: list[Key] = field(default_factory=list)  # sorted
    _series: dict[Key, dict[int, Tally]] = field(default_factory=dict)

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows of the view. Raises `Refused` when there are too many entries."""
        for row in rows:
            if all(row[column] in values for column, values in self.chosen.items()):
                key = tuple(row[column] for column in self.columns)
                count, retries = row["count"], row["retry_count"]
                self._total(key).add(count, retries)
                if (series := self._series_of(key)) is not None:
                    series.setdefault(row["bucket"], Tally()).add(count, retries)

    def page(self) -> Folded:
        """Return the page."""
        keys = sorted(self._totals)
        begin, end = bisect_left(keys, self.first), bisect_right(keys, self._page[-1]) if self._page else len(keys)
        total = Tally()
        for tally in self._totals.values():
            total.add(tally.count, tally.retries)
        return Folded(
            total=total,
            entries=tuple(Entry(key, self._totals[key], dict(sorted(self._series[key].items()))) for key in self._page),
            entries_in_all=len(keys),
            next=keys[end] if end < len(keys) else None,
            previous=keys[max(0, begin - self.limit)] if begin > 0 else None,
        )

    def _total(self, key: Key) -> Tally:
        if key not in self._totals:
            if len(self._totals) >= KEYS_LIMIT:
                raise Refused(
                    422,
                    f"groupBy: more than {KEYS_LIMIT} entries; group by less, filter, or choose a shorter period",
                    "groupBy",
                )
            self._totals[key] = Tally()
        return self._totals[key]

    def _series_of(self, key: Key) -> dict[int, Tally] | None:
        series = self._series.get(key)
        if series is not None or key < self.first or (len(self._page) == self.limit and key > self._page[-1]):
            return series
        insort(self._page, key)
        self._series[key] = {}
        if len(self._page) > self.limit:
            del self._series[self._page.pop()]
        return self._series.get(key)


def by_attempt(rows: Iterable[Row]) -> Iterator[Row]:
    """Split successful deliveries by the attempt that delivered them: code successes.attempt.1 and so on."""
    for row in rows:
        for attempt, count in row["by_attempt"].items():
            retries = count if attempt > 1 else 0
            yield {**row, "code": f"successes.attempt.{attempt}", "count": count, "retry_count": retries}


def write_cursor(dimensions: tuple[str, ...], key: Key) -> str:
    """Return the cursor of the entry at which a page begins."""
    return urlsafe_b64encode(orjson.dumps([dimensions, key])).decode().rstrip("=")


def read_cursor(text: str, dimensions: tuple[str, ...]) -> Key:
    """Return the entry at which the page begins. Raises `Refused` for a cursor that no answer to this question had."""
    if not text:
        return ()
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        named, key = orjson.loads(urlsafe_b64decode(padded))
        if not isinstance(named, list) or not isinstance(key, list):
            raise ValueError("no lists")
        if len(key) not in (0, len(named)) or not all(isinstance(value, str) for value in key):
            raise ValueError("no key")
    except (ValueError, TypeError):
        raise Refused(422, f"{FIELD}: take it from the answer before, as it is", FIELD) from None
    if tuple(named) != dimensions:
        raise Refused(422, f"{FIELD}: it belongs to another groupBy; begin without it", FIELD)
    return tuple(key)
