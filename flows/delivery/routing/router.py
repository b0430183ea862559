"""Routes records to deliveries and facts. Duplicates end here; unreadable records become dead letters.

Everything it returns is addressed to a shard, so that the shard's watermark report covers it.
"""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from flows.delivery.queue import QueuedDelivery
from flows.delivery.routing.dedup import DedupStores
from flows.delivery.routing.replay_marks import ReplayMarks
from flows.delivery.routing.versions import WorkspaceVersions
from flows.engine.error_capture import capture_errors
from flows.engine.sharding import ShardBatch, WorkerShare, shard_key
from flows.topics.interface import EVENTS, Record
from flows.topics.records import dead_letter, fact, retry, undelivered
from flows.topics.sink import OutgoingRecord
from flows.topics.source import Item, SourcedRecord, SourceProgress
from model.delivery.delivery import Delivery
from model.events.envelope import UnreadableRecord
from model.events.event import Event, from_record
from model.events.ids import delivery_id, event_key, shard_of
from model.recording.facts import Duplicate, Received, State
from model.routing.routing import RouteResult, route

RELOAD_EVERY_MS = 1_000  # at most this often, an event of an unknown source makes the workspace file be read again

ShardItem = QueuedDelivery | OutgoingRecord | SourceProgress


class Router:
    """Routes records of events and of the tiers; one per process."""

    def __init__(
        self,
        *,
        versions: WorkspaceVersions,
        shards: int,
        share: WorkerShare,
        dedup_stores: DedupStores,
        replay_marks: ReplayMarks,
        log: str,
        run: str,
        clock: Callable[[], int],
        reload_workspace: Callable[[], object] = lambda: None,
    ) -> None:
        """``log``: id of the topics that offsets refer to (`flows.runtime.recovery`).

        ``reload_workspace`` reads the workspace file if it changed: ingest may have a newer version than this process.
        """
        self._reload_workspace = reload_workspace
        self._reloaded_ms = 0
        self._versions = versions
        self._shards = shards
        self._shards_here = share.shards_here(shards)
        self._dedup_stores = dedup_stores
        self._replay_marks = replay_marks
        self._log = log
        self._run = run
        self._clock = clock

    @capture_errors
    def __call__(self, items: list[Item]) -> Iterable[tuple[str, ShardBatch[ShardItem]]]:
        """Route one batch. Group items by shard, keeping order; one exchange per item would double the cost."""
        routed = _Routed()
        events: dict[int, list[Record]] = {}
        for item in items:
            if isinstance(item, SourcedRecord) and item.topic == EVENTS:
                events.setdefault(item.record.partition, []).append(item.record)
        for partition, records in events.items():
            self._route_events(partition, records, routed)
        for item in items:
            if isinstance(item, SourceProgress):
                for shard in range(self._shards):
                    routed.add(shard, item)
            elif item.topic != EVENTS:
                self._route_retry(item.topic, item.record, routed)
        return [(shard_key(shard), batch) for shard, batch in routed.items()]

    def _ensure_sources_known(self, sources: set[str]) -> None:
        """Route events by the version of the workspace that accepted them or a later one, never by an older one."""
        if sources <= self._versions.current.sources:
            return
        now_ms = self._clock()
        if now_ms - self._reloaded_ms >= RELOAD_EVERY_MS:
            self._reloaded_ms = now_ms
            self._reload_workspace()

    def _route_events(self, partition: int, records: list[Record], routed: "_Routed") -> None:
        readable: list[tuple[Record, Event]] = []
        for record in records:
            try:
                readable.append((record, from_record(record.value)))
            except UnreadableRecord as error:
                self._add_unreadable(record, "UNREADABLE_RECORD", str(error), routed)
        self._ensure_sources_known({event.source for _, event in readable})
        with self._versions.pinned(partition, records[-1].offset + 1):
            keys = [(event_key(e.source, e.message_id), r.offset, r.appended_ms) for r, e in readable]
            firsts = self._dedup_stores.first_seen(partition, keys)
            for (record, event), first in zip(readable, firsts, strict=True):
                self._route_event(record, event, first, routed)

    def _route_event(self, record: Record, event: Event, first_offset: int, routed: "_Routed") -> None:
        now_ms, facts_shard = self._clock(), self._shard_of_facts(record)
        shown = self._versions.current.redactor.text
        about: dict[str, Any] = {
            "source": event.source,
            "message_id": event.message_id,
            "event_type": event.type,
            # Names are dimensions in reports; one that contains an e-mail address is masked like any text.
            "event_name": shown(event.name),
            "app_version": shown(event.app_version),
            "events_partition": record.partition,
            "events_offset": record.offset,
            "received_at_ms": record.appended_ms,
            "replayed": record.offset < self._replay_marks.replay_until(EVENTS, record.partition),
        }
        key = f"{record.partition}:{record.offset}".encode()
        if first_offset != record.offset:
            duplicate = Duplicate(**about, at_ms=record.appended_ms, run=self._run, first_offset=first_offset)
            routed.add(facts_shard, fact(key, duplicate))
            return
        resent = about["replayed"] and record.offset < self._replay_marks.max_read_offset(EVENTS, record.partition)
        ends: list[tuple[Delivery, RouteResult]] = []
        plans = self._versions.plans(record.partition, record.offset, event.source)
        if not plans and event.source not in self._versions.current.sources:
            self._add_unreadable(record, "SOURCE_REMOVED", "", routed, about)
            return
        for plan in plans:
            identity = f"{record.partition}:{record.offset}:{plan.destination}"
            for result in route(plan, event.body, event.payload, identity):
                delivery = Delivery(
                    **about,
                    delivery_id=delivery_id(
                        self._log, record.partition, record.offset, event.source, plan.destination, result.mapping
                    ),
                    destination=plan.destination,
                    mapping=result.mapping,
                    taken_at_ms=now_ms,
                    due_at_ms=record.appended_ms,
                    resent=resent,
                    event=result.event,
                )
                ends.append((delivery, result))
        routes = tuple((d.delivery_id, d.destination, d.mapping) for d, _ in ends)
        received = Received(**about, at_ms=record.appended_ms, run=self._run, routes=routes)
        routed.add(facts_shard, fact(key, received))
        for delivery, result in ends:
            if result.state is None:
                self._add_delivery(delivery, EVENTS, record, now_ms, routed)
                continue
            outcome = delivery.end(result.state, at_ms=now_ms, run=self._run, code=result.code, message=result.message)
            if result.state is State.DISCARDED:
                routed.add(facts_shard, undelivered(delivery, outcome))
            routed.add(facts_shard, fact(delivery.delivery_id.encode(), outcome))

    def _route_retry(self, topic: str, record: Record, routed: "_Routed") -> None:
        try:
            delivery = Delivery.from_record(record.value)
        except UnreadableRecord as error:
            letter = dead_letter(record.value, record.key, "UNREADABLE_RECORD", f"{topic}: {error}")
            routed.add(self._shard_of_facts(record), letter)
            return
        now_ms = self._clock()
        if record.offset < self._replay_marks.replay_until(topic, record.partition):
            again = record.offset < self._replay_marks.max_read_offset(topic, record.partition)
            delivery = replace(delivery, replayed=True, resent=delivery.resent or again)
        if delivery.due_at_ms > now_ms:
            routed.add(self._shard_of_facts(record), retry(delivery, now_ms))
        else:
            self._add_delivery(delivery.waited(now_ms), topic, record, now_ms, routed)

    def _add_delivery(self, delivery: Delivery, topic: str, record: Record, now_ms: int, routed: "_Routed") -> None:
        shard = shard_of(self._versions.current.current_id(delivery.destination), self._shards)
        routed.add(shard, QueuedDelivery(delivery, topic, record.partition, record.offset, arrived_ms=now_ms))

    def _shard_of_facts(self, record: Record) -> int:
        """The shard that passes on facts about a record: always the same one, in this process."""
        return self._shards_here[record.partition % len(self._shards_here)]

    def _add_unreadable(
        self, record: Record, code: str, why: str, routed: "_Routed", about: dict[str, Any] | None = None
    ) -> None:
        """An event that cannot be routed: its bytes become a dead letter, and an outcome counts it as one event.

        ``about``: the fields that could be read.
        """
        unknown: dict[str, Any] = {
            "source": "",
            "message_id": "",
            "event_type": "",
            "event_name": "",
            "app_version": "",
            "events_partition": record.partition,
            "events_offset": record.offset,
            "received_at_ms": record.appended_ms,
            "replayed": record.offset < self._replay_marks.replay_until(EVENTS, record.partition),
        }
        unreadable = Delivery(
            **(about or unknown),
            delivery_id=delivery_id(self._log, record.partition, record.offset, "", "", ""),
            destination="",
            mapping="",
            taken_at_ms=record.appended_ms,
            due_at_ms=record.appended_ms,
            event=record.value,
        )
        outcome = unreadable.end(State.DISCARDED, at_ms=self._clock(), run=self._run, code=code, message=why)
        facts_shard = self._shard_of_facts(record)
        routed.add(facts_shard, dead_letter(record.value, record.key, code, why))
        routed.add(facts_shard, fact(unreadable.delivery_id.encode(), outcome))


class _Routed(dict[int, ShardBatch[ShardItem]]):
    """What one batch of records became, by shard."""

    def add(self, shard: int, item: ShardItem) -> None:
        batch = self.get(shard)
        if batch is None:
            batch = self[shard] = ShardBatch(shard)
        batch.append(item)
