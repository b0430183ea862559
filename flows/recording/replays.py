"""Decides whether a replayed fact counts, by the earlier facts about the same delivery or event.

Earlier facts are looked up in the store, but only for facts marked `replayed`. Facts of the last epochs, which may not
be flushed to the store yet, are kept in memory.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

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
        keys = {key for _, fact in facts if getattr(fact, "replayed", False) and (key := key_of(fact)) is not None}
        unknown = [key for key in keys if self._recall(key) is None]
        if not unknown:
            return
        before = facts[0][0]
        outcomes = [key for key in unknown if isinstance(key, OutcomeKey)]
        events = [key for key in unknown if isinstance(key, EventKey)]
        if outcomes:
            earlier = self._lookup.outcomes(outcomes, log_partition, before)
            self._memory[0].update({key: earlier[key.delivery_id] for key in outcomes if key.delivery_id in earlier})
        if events:
            seen = self._lookup.events(events, log_partition, before)
            repeated: dict[Key, EarlierOutcome] = {
                key: _SEEN for key in events if (key.events_partition, key.events_offset) in seen
            }
            self._memory[0].update(repeated)

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
        rows = retry_forever(
            lambda: self._store.view(
                "prior_outcomes",
                destinations=sorted({key.destination for key in keys}),
                delivery_ids=[key.delivery_id for key in keys],
                first_received_ms=min(key.received_at_ms for key in keys),
                last_received_ms=max(key.received_at_ms for key in keys),
                log_partition=log_partition,
                before_offset=before_offset,
            ),
            StoreUnavailable,
            "looking up earlier outcomes",
        )
        return {
            row["delivery_id"]: EarlierOutcome(State(row["state"]), row["code"], row["at"], row["attempt"])
            for row in rows
        }

    def events(self, keys: Sequence[EventKey], log_partition: int, before_offset: int) -> set[tuple[int, int]]:
        """The (events partition, offset) of events already recorded as received or duplicate."""
        seen: set[tuple[int, int]] = set()
        for partition in {key.events_partition for key in keys}:
            seen |= self._events_of(
                [key for key in keys if key.events_partition == partition], log_partition, before_offset
            )
        return seen

    def _events_of(self, keys: Sequence[EventKey], log_partition: int, before_offset: int) -> set[tuple[int, int]]:
        rows = retry_forever(
            lambda: self._store.view(
                "prior_events",
                events_partition=keys[0].events_partition,
                events_offsets=[key.events_offset for key in keys],
                first_received_ms=min(key.received_at_ms for key in keys),
                last_received_ms=max(key.received_at_ms for key in keys),
                log_partition=log_partition,
                before_offset=before_offset,
            ),
            StoreUnavailable,
            "looking up events already read",
        )
        return {(row["events_partition"], row["events_offset"]) for row in rows}
