"""Decides whether a replayed fact counts, by the earlier facts about the same delivery or event.

Earlier facts are looked up in the store, but only for facts marked `replayed`. Facts of the last epochs, which may not
be flushed to the store yet, are kept in memory.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from flows.engine.backoff import retry_forever
from model.recording.facts import Duplicate, Fact, Outcome, Received, State
from model.recording.replays import Decision, EarlierOutcome, as_earlier, decide
from sinks.clickhouse.store import Store, StoreUnavailable

EPOCHS_KEPT = 3  # a row is in the store at most one epoch after the epoch in which it was emitted


class OutcomeKey(NamedTuple):
    """Where the store keeps the outcomes of a delivery."""

    destination: str
    received_at_ms: int
    delivery_id: str


class EventKey(NamedTuple):
    """Where the store keeps the first fact about an event (received or duplicate)."""

    received_at_ms: int
    events_partition: int
    events_offset: int


Key = OutcomeKey | EventKey


class FactLookup(Protocol):
    """Finds facts in the store that lie before an offset of one outcomes partition."""

    def outcomes(self, keys: Sequence[OutcomeKey], log_partition: int, before_offset: int) -> dict[str, EarlierOutcome]:
        """The counted outcome of each delivery, by delivery id."""

    def events(self, keys: Sequence[EventKey], log_partition: int, before_offset: int) -> set[tuple[int, int]]:
        """The (events partition, offset) of events already recorded as received or duplicate."""


def key_of(fact: Fact) -> Key | None:
    """The key under which a fact may be a repetition; None for facts that always count."""
    if isinstance(fact, Outcome):
        return OutcomeKey(fact.destination, fact.received_at_ms, fact.delivery_id)
    if isinstance(fact, Received | Duplicate):
        return EventKey(fact.received_at_ms, fact.events_partition, fact.events_offset)
    return None


class ReplayDeduplicator:
    """Decides on the facts of one partition in log order."""

    def __init__(self, lookup: FactLookup) -> None:
        self._lookup = lookup
        self._memory: list[dict[Key, EarlierOutcome]] = [{} for _ in range(EPOCHS_KEPT)]

    def look_up(self, facts: Sequence[tuple[int, Fact]], log_partition: int) -> None:
        """Fetch the earlier facts about the replayed ones among ``facts`` (offset, fact), in one query per kind."""
        replayed = [fact for _, fact in facts if getattr(fact, "replayed", False)]
        unknown = {key for fact in replayed if (key := key_of(fact)) is not None and self._recall(key) is None}
        at = (log_partition, facts[0][0]) if facts else (log_partition, 0)
        memory = self._memory[0]
        if outcomes := [key for key in unknown if isinstance(key, OutcomeKey)]:
            earlier = self._lookup.outcomes(outcomes, *at)
            memory.update({key: earlier[key.delivery_id] for key in outcomes if key.delivery_id in earlier})
        if events := [key for key in unknown if isinstance(key, EventKey)]:
            seen = self._lookup.events(events, *at)
            memory.update({key: _SEEN for key in events if (key.events_partition, key.events_offset) in seen})

    def decision(self, fact: Fact) -> Decision:
        """Decide on one fact, and remember it for the following ones."""
        key = key_of(fact)
        if key is None:
            return Decision(1)
        prior = self._recall(key) if fact.replayed else None  # type: ignore[attr-defined]
        if isinstance(fact, Outcome):
            decision = decide(fact, prior)
            if decision.count:
                self._memory[0][key] = as_earlier(fact)
            return decision
        self._memory[0][key] = _SEEN
        return Decision(0 if prior else 1)

    def epoch_ended(self) -> None:
        """Forget the oldest epoch."""
        self._memory = [{}, *self._memory[:-1]]

    def _recall(self, key: Key) -> EarlierOutcome | None:
        return next((epoch[key] for epoch in self._memory if key in epoch), None)


_SEEN = EarlierOutcome(State.FILTERED, "", 0, 0)  # marks an event as already recorded; its state is never used


class StoreLookup:
    """Finds earlier facts in the store. Waits while the store is unavailable, because guessing would miscount."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def outcomes(self, keys: Sequence[OutcomeKey], log_partition: int, before_offset: int) -> dict[str, EarlierOutcome]:
        """The counted outcome of each delivery, by delivery id."""
        delivery_ids = [key.delivery_id for key in keys]
        destinations = sorted({key.destination for key in keys})
        chosen = {"destinations": destinations, "delivery_ids": delivery_ids}
        rows = self._rows("prior_outcomes", keys, log_partition, before_offset, chosen)
        return {r["delivery_id"]: EarlierOutcome(State(r["state"]), r["code"], r["at"], r["attempt"]) for r in rows}

    def events(self, keys: Sequence[EventKey], log_partition: int, before_offset: int) -> set[tuple[int, int]]:
        """The (events partition, offset) of events already recorded as received or duplicate."""
        seen: set[tuple[int, int]] = set()
        for partition in {key.events_partition for key in keys}:
            group = [key for key in keys if key.events_partition == partition]
            chosen = {"events_partition": partition, "events_offsets": [key.events_offset for key in group]}
            rows = self._rows("prior_events", group, log_partition, before_offset, chosen)
            seen |= {(row["events_partition"], row["events_offset"]) for row in rows}
        return seen

    def _rows(
        self, view: str, keys: Sequence[Key], log_partition: int, before_offset: int, chosen: dict[str, Any]
    ) -> list[dict[str, Any]]:
        received_ms = [key.received_at_ms for key in keys]
        period = {"first_received_ms": min(received_ms), "last_received_ms": max(received_ms)}
        before = {"log_partition": log_partition, "before_offset": before_offset}
        query = partial(self._store.view, view, **chosen, **period, **before)
        return retry_forever(query, StoreUnavailable, "looking up earlier facts")
