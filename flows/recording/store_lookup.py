"""ReplayDeduplicator' questions to the store, through the same views a person can read."""

from collections.abc import Sequence

from flows.engine.backoff import retry_forever
from flows.recording.replays import EventKey, OutcomeKey
from model.recording.facts import State
from model.recording.replays import EarlierOutcome
from sinks.clickhouse.store import Store, StoreUnavailable


class StoreLookup:
    """Finds earlier facts in the store; waits for a store that is away, because guessing would miscount."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def outcomes(self, keys: Sequence[OutcomeKey], log_partition: int, before_offset: int) -> dict[str, EarlierOutcome]:
        """The outcome that counts, by delivery id."""
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
        """The (events partition, offset) of those already received or dropped as duplicates."""
        found: set[tuple[int, int]] = set()
        for partition in {key.events_partition for key in keys}:
            found |= self._events_of(
                [key for key in keys if key.events_partition == partition], log_partition, before_offset
            )
        return found

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
