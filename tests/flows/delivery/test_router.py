import pickle
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.delivery.dedup import DedupStores
from flows.delivery.queue import QueuedDelivery
from flows.delivery.replay_marks import ReplayMarks, write_crashed
from flows.delivery.router import Router, ShardItem
from flows.delivery.versions import WorkspaceVersions
from flows.delivery.watermarks import ShardProgress
from flows.engine.sharding import WorkerShare, shard_key
from flows.topics.interface import DEAD_LETTERS, EVENTS, OUTCOMES
from flows.topics.sink import OutgoingRecord
from flows.topics.source import Item, SourcedRecord, SourceProgress
from model.delivery.delivery import Delivery, Wait
from model.delivery.retry_tiers import RETRY_TIERS
from model.events.envelope import decode_record
from model.events.ids import shard_of
from model.recording.facts import Duplicate, Fact, Outcome, Received, State, decode
from model.workspace.workspace import Workspace
from tests.kit.fakes import Clock, MemoryTopics
from tests.kit.samples import T0, delivery, event_value, record
from tests.kit.workspaces import connection, webhook, workspace

RETRY_TIER = RETRY_TIERS[2].topic
WORKSPACE = workspace(
    [webhook("crm"), webhook("ads"), webhook("off", enabled=False)],
    [connection("web", "crm"), connection("web", "ads"), connection("app", "crm"), connection("app", "off")],
)


@dataclass
class Routing:
    router: Router
    clock: Clock

    def routed(self, items: list[Item]) -> list[tuple[str, ShardItem]]:
        return [(shard, item) for shard, items in self.router(items) for item in items]

    def events(self, *values: bytes, first_offset: int = 0) -> list[tuple[str, ShardItem]]:
        records = [record(first_offset + number, value) for number, value in enumerate(values)]
        return self.routed([SourcedRecord(EVENTS, each) for each in records])

    def retries(self, *values: bytes, first_offset: int = 0) -> list[tuple[str, ShardItem]]:
        records = [record(first_offset + number, value) for number, value in enumerate(values)]
        return self.routed([SourcedRecord(RETRY_TIER, each) for each in records])


def routing_in(
    directory: Path, replay_until: int = 0, max_read_offset: int = 0, changed: Workspace | None = None
) -> Routing:
    """A router; after a crash if ``replay_until`` is set. ``changed``: the workspace file when it is read again."""
    clock = Clock(T0 + 500)
    topics = MemoryTopics(clock, names=[EVENTS])
    replay_marks = ReplayMarks(directory / "replay_marks", lambda topic, partition: replay_until)
    if replay_until:
        write_crashed(directory / "replay_marks", {(EVENTS, 0): max_read_offset, (RETRY_TIER, 0): max_read_offset})
    versions = WorkspaceVersions(directory / "workspaces", WORKSPACE)
    versions.open(0, 0)
    for topic in (EVENTS, RETRY_TIER):
        replay_marks.open(topic, 0, resumed=False)
    router = Router(
        versions=versions,
        shards=4,
        share=WorkerShare(),
        dedup_stores=DedupStores(topics, directory, window_seconds=60, clock=clock),
        replay_marks=replay_marks,
        log="log-1",
        run="run-2",
        clock=clock,
        reload_workspace=lambda: changed is not None and versions.change(changed),
    )
    return Routing(router, clock)


@pytest.fixture
def routing(tmp_path: Path) -> Routing:
    return routing_in(tmp_path)


def waitings(routed: list[tuple[str, ShardItem]]) -> list[QueuedDelivery]:
    return [item for _, item in routed if isinstance(item, QueuedDelivery)]


def facts(routed: list[tuple[str, ShardItem]]) -> list[Fact]:
    return [decode(item.value) for _, item in routed if isinstance(item, OutgoingRecord) and item.topic == OUTCOMES]


def letters(routed: list[tuple[str, ShardItem]]) -> list[tuple[str, bytes]]:
    found = []
    for _, item in routed:
        if isinstance(item, OutgoingRecord) and item.topic == DEAD_LETTERS:
            header, payload = decode_record(item.value)
            found.append((header["code"], payload))
    return found


def test_an_event_becomes_one_delivery_for_each_connection_and_a_fact_that_lists_them(routing: Routing) -> None:
    routed = routing.events(event_value("m-1"))
    (received,) = facts(routed)
    assert isinstance(received, Received)
    assert [(d, m) for _, d, m in received.routes] == [("crm", ""), ("ads", "")]
    made = [waiting.delivery for waiting in waitings(routed)]
    assert {one.delivery_id for one in made} == {delivery_id for delivery_id, _, _ in received.routes}
    assert {(one.due_at_ms, one.taken_at_ms, one.replayed, one.resent) for one in made} == {
        (T0, T0 + 500, False, False)
    }


def test_a_destination_always_has_the_same_shard(routing: Routing) -> None:
    shards: dict[str, set[str]] = {}
    for shard, item in routing.events(*(event_value(f"m-{number}") for number in range(20))):
        if isinstance(item, QueuedDelivery):
            shards.setdefault(item.delivery.destination, set()).add(shard)
    assert {destination: len(found) for destination, found in shards.items()} == {"crm": 1, "ads": 1}
    assert set().union(*shards.values()) <= {shard_key(shard) for shard in range(4)}


def test_a_duplicate_is_said_to_be_one_and_goes_nowhere(routing: Routing) -> None:
    routed = routing.events(event_value("m-1"), event_value("m-1"), event_value("m-1", source="app"))
    facts_shard = facts(routed)
    assert [type(fact) for fact in facts_shard][:3] == [Received, Duplicate, Received]
    assert isinstance(facts_shard[1], Duplicate) and (facts_shard[1].events_offset, facts_shard[1].first_offset) == (
        1,
        0,
    )
    assert sorted(waiting.offset for waiting in waitings(routed)) == [0, 0, 2]


def test_what_configuration_switched_off_is_routed_and_filtered_with_the_reason(routing: Routing) -> None:
    routed = routing.events(event_value(source="app"))
    received, outcome = facts(routed)
    assert isinstance(received, Received) and [d for _, d, _ in received.routes] == ["crm", "off"]
    assert isinstance(outcome, Outcome)
    assert (outcome.destination, outcome.state, outcome.code) == ("off", State.FILTERED, "DESTINATION_DISABLED")
    assert [waiting.delivery.destination for waiting in waitings(routed)] == ["crm"]


def test_a_damaged_event_is_a_dead_letter_with_its_bytes_and_the_rest_goes_on(routing: Routing) -> None:
    routed = routing.events(event_value("m-1"), b"damaged \xff", event_value("m-2"))
    assert letters(routed) == [("UNREADABLE_RECORD", b"damaged \xff")]
    (outcome,) = [fact for fact in facts(routed) if isinstance(fact, Outcome)]
    assert (outcome.state, outcome.code, outcome.events_offset) == (State.DISCARDED, "UNREADABLE_RECORD", 1)
    assert {waiting.offset for waiting in waitings(routed)} == {0, 2}


def test_records_below_the_fence_may_repeat_facts_and_below_the_horizon_calls(tmp_path: Path) -> None:
    routing = routing_in(tmp_path, replay_until=3, max_read_offset=2)
    routed = routing.events(*(event_value(f"m-{number}") for number in range(5)))
    marks = {one.offset: (one.delivery.replayed, one.delivery.resent) for one in waitings(routed)}
    assert marks == {0: (True, True), 1: (True, True), 2: (True, False), 3: (False, False), 4: (False, False)}
    received = [fact for fact in facts(routed) if isinstance(fact, Received)]
    assert [fact.replayed for fact in received] == [True, True, True, False, False]


def test_ids_are_the_same_when_read_again_by_another_run(tmp_path: Path) -> None:
    ids = []
    for run in ("one", "two"):
        routed = routing_in(tmp_path / run).events(event_value("m-1"), event_value("m-2"))
        ids.append([waiting.delivery.delivery_id for waiting in waitings(routed)])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 4


def test_a_retry_that_is_due_goes_to_its_shard_as_it_is(routing: Routing) -> None:
    written = delivery(due_at_ms=T0 + 500, attempts=2, calls=3)
    ((shard, item),) = routing.retries(written.to_record(), first_offset=7)
    assert isinstance(item, QueuedDelivery)
    assert (item.delivery, item.topic, item.offset) == (written, RETRY_TIER, 7)
    assert shard == shard_key(shard_of("crm", 4))


def test_of_a_retry_that_is_due_the_wait_is_counted(routing: Routing) -> None:
    written = delivery().waiting(from_ms=T0 - 1_000, until_ms=T0, wait=Wait.RETRY)
    [waiting] = waitings(routing.retries(written.to_record()))
    assert waiting.delivery.retry_wait_ms >= 1_000


def test_a_retry_not_yet_due_moves_to_a_smaller_tier_unchanged(routing: Routing) -> None:
    written = delivery(due_at_ms=T0 + 15_500, waits_from_ms=T0 - 29_500)
    ((_, item),) = routing.retries(written.to_record())
    assert isinstance(item, OutgoingRecord) and item.topic == "retries.5s"
    assert Delivery.from_record(item.value) == written


def test_a_retry_read_again_after_a_crash_is_marked_and_keeps_older_marks(tmp_path: Path) -> None:
    routing = routing_in(tmp_path, replay_until=2, max_read_offset=1)
    marked = delivery(replayed=True, resent=True)
    routed = routing.retries(delivery().to_record(), delivery().to_record(), delivery().to_record(), marked.to_record())
    marks = [(one.delivery.replayed, one.delivery.resent) for one in waitings(routed)]
    assert marks == [(True, True), (True, False), (False, False), (True, True)]


def test_a_damaged_retry_is_a_dead_letter(routing: Routing) -> None:
    routed = routing.retries(b"damaged", delivery().to_record())
    assert letters(routed) == [("UNREADABLE_RECORD", b"damaged")]
    assert len(waitings(routed)) == 1


def test_what_crosses_to_another_process_arrives_as_it_was_and_is_written_once(
    routing: Routing, monkeypatch: pytest.MonkeyPatch
) -> None:
    routed = dict(
        routing.router([SourcedRecord(EVENTS, record(0, event_value())), SourceProgress(EVENTS, 0, 1, 1, T0)])
    )
    arrived = {shard: pickle.loads(pickle.dumps(items)) for shard, items in routed.items()}  # noqa: S301 (our own)

    def plain(shards: dict[str, list[ShardItem]]) -> dict[str, list[object]]:
        return {
            shard: [
                (i.delivery, i.topic, i.offset, i.arrived_ms) if isinstance(i, QueuedDelivery) else i for i in items
            ]
            for shard, items in shards.items()
        }

    assert plain(arrived) == plain(routed)
    monkeypatch.setattr("flows.engine.sharding.pickle.dumps", None)
    assert all(items.__reduce__() for items in routed.values())


def test_progress_reaches_every_shard_behind_the_records_it_speaks_of(routing: Routing) -> None:
    progress = SourceProgress(EVENTS, 0, 1, 1, T0)
    routed = dict(routing.router([SourcedRecord(EVENTS, record(0, event_value())), progress]))
    assert {shard: items[-1] for shard, items in routed.items()} == {
        shard_key(shard): ShardProgress(shard, progress) for shard in range(4)
    }
    assert sum(len(items) for items in routed.values()) == 4 + 1 + 2  # the event's fact and its deliveries came before


@given(st.lists(st.binary() | st.sampled_from([b'{"v":1}\n{}', b'{"v":1,"source":"web"}\n[]', b"\n"])))
def test_whatever_stands_in_a_topic_routing_goes_on(
    tmp_path_factory: pytest.TempPathFactory, values: list[bytes]
) -> None:
    routing = routing_in(tmp_path_factory.mktemp("routing"))
    assert [payload for _, payload in letters(routing.events(*values))] == values
    assert [payload for _, payload in letters(routing.retries(*values))] == values


def test_an_event_of_a_source_that_ingest_knows_already_is_routed_by_the_version_that_took_it(tmp_path: Path) -> None:
    changed = workspace([webhook("crm")], [connection("web", "crm"), connection("new", "crm")])
    routing = routing_in(tmp_path, changed=changed)
    routed = routing.events(event_value("m-1", source="new"), event_value("m-2"))
    assert [waiting.delivery.source for waiting in waitings(routed)] == ["new", "web"]
    assert all(isinstance(fact, Received) for fact in facts(routed))


def test_an_event_of_a_source_that_is_not_in_the_workspace_is_a_dead_letter_and_one_outcome(routing: Routing) -> None:
    routed = routing.events(event_value("m-1", source="gone"), event_value("m-2"))
    outcome = facts(routed)[0]
    assert isinstance(outcome, Outcome)
    assert (outcome.state, outcome.code, outcome.source, outcome.message_id) == (
        State.DISCARDED, "SOURCE_REMOVED", "gone", "m-1",
    )  # fmt: skip
    assert letters(routed) == [("SOURCE_REMOVED", event_value("m-1", source="gone"))]
    assert {waiting.delivery.message_id for waiting in waitings(routed)} == {"m-2"}


def test_events_of_a_source_by_its_former_id_go_its_ways_under_that_id(tmp_path: Path) -> None:
    changed = workspace([webhook("hub", was="crm")], [connection("web", "hub")])
    data = changed.model_dump(mode="json", by_alias=True)
    data["sources"][0]["was"] = ["shop"]
    routing = routing_in(tmp_path, changed=Workspace.model_validate_json(orjson.dumps(data)))
    routed = routing.events(event_value("m-1", source="shop"))
    [waiting] = waitings(routed)
    assert (waiting.delivery.source, waiting.delivery.destination) == ("shop", "hub")


def test_a_retry_of_a_former_id_goes_to_the_shard_of_the_new_one(tmp_path: Path) -> None:
    changed = workspace([webhook("hub", was="crm")])
    routing = routing_in(tmp_path, changed=changed)
    routing.events(event_value("m-1", source="unknown"))  # it looks at the file
    ((shard, item),) = routing.retries(delivery(due_at_ms=T0 + 500).to_record())
    assert isinstance(item, QueuedDelivery)
    assert (shard, item.shard) == (shard_key(shard_of("hub", 4)), shard_of("hub", 4))
    assert pickle.loads(pickle.dumps(item)).shard == item.shard  # noqa: S301 (our own)
