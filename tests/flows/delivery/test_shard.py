from collections.abc import Iterable
from typing import Any, cast

import orjson
import pytest

from flows.delivery.budget import InFlightBudget
from flows.delivery.context import ShardContext
from flows.delivery.http_loop import HttpLoop
from flows.delivery.queue import QueuedDelivery
from flows.delivery.shard import STOP_WAIT_MS, Shard
from flows.delivery.watermarks import ShardProgress
from flows.topics.interface import DEAD_LETTERS, EVENTS, OUTCOMES
from flows.topics.sink import OutgoingRecord
from flows.topics.source import SourceProgress
from flows.workspace.compiled import compile_workspace
from model.delivery.delivery import Delivery
from model.delivery.sampling import Sampler
from model.events.envelope import decode_record
from model.http.messages import HttpFailure, HttpResponse
from model.recording.facts import AttemptFailed, Fact, Outcome, Requeued, Sample, State, WatermarkReport, decode
from model.workspace.workspace import Workspace
from tests.kit.fakes import Clock, HeldCalls
from tests.kit.samples import T0, delivery
from tests.kit.workspaces import connection, webhook, workspace

OK, BUSY, BAD = (
    HttpResponse(status=200),
    HttpResponse(status=503),
    HttpResponse(status=400, body=b'{"message":"no name"}'),
)
THROTTLED = HttpResponse(status=429, headers={"retry-after": "3600"})


class Working:
    """A shard at work: what it is given, what came out, and the calls it began."""

    def __init__(
        self,
        state: dict[str, Any] | None = None,
        *,
        crashed: bool = False,
        removed: bool = False,
        concurrency: int = 2,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.clock = Clock(T0)
        settings = {"headers": {"Authorization": "Bearer ${KEY}"}, "concurrency": concurrency, **(settings or {})}
        self.compile_workspace(
            workspace(
                [webhook("crm", **settings), webhook("ads", **settings)],
                [connection("web", "ads")] if removed else None,
                environ={"KEY": "s3cret-value"},
            )
        )
        self.calls = HeldCalls(self.clock, lambda: self.configuration)
        self.budget = InFlightBudget(max_deliveries=10, max_bytes=1 << 20, clock=self.clock)
        self.context = ShardContext(
            run="run-2",
            clock=self.clock,
            random=lambda: 0.5,
            configuration=lambda: self.configuration,
            setup_probe_ms=60_000,
            max_wait_in_queue_ms=30_000,
            budget=self.budget,
            calls=cast(HttpLoop, self.calls),
            parts=((EVENTS, 0),),
            shards=1,
            sampler=Sampler(),
            open_shard=lambda shard: not crashed,
            outcomes_partitions=2,
        )
        self.shard = Shard(self.context, state)
        self.outputs: list[OutgoingRecord] = []

    def compile_workspace(self, changed: Workspace) -> None:
        self.configuration = compile_workspace(changed)

    def take(self, *deliveries: Delivery) -> None:
        items = [QueuedDelivery(of, EVENTS, 0, of.events_offset, arrived_ms=self.clock()) for of in deliveries]
        self._keep(self.shard.on_batch([list(items)])[0])

    def notify(self) -> None:
        self._keep(self.shard.on_notify()[0])

    def answer(self, *results: HttpResponse | HttpFailure) -> None:
        self.calls.finish(*results)
        self.notify()

    def stop(self) -> None:
        self._keep(self.shard.on_eof()[0])

    def facts(self) -> list[Fact]:
        return [decode(output.value) for output in self.outputs if output.topic == OUTCOMES]

    def of_kind(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts() if isinstance(fact, kind)]

    def letters(self) -> list[tuple[dict[str, Any], Delivery]]:
        sealed = [decode_record(output.value) for output in self.outputs if output.topic == DEAD_LETTERS]
        return [(header, Delivery.from_record(payload)) for header, payload in sealed]

    def retries(self) -> list[tuple[str, Delivery]]:
        return [
            (output.topic, Delivery.from_record(output.value))
            for output in self.outputs
            if output.topic.startswith("retries.")
        ]

    def _keep(self, together: Iterable[list[OutgoingRecord]]) -> None:
        for outputs in together:
            self.outputs.extend(outputs)


def some(count: int, **changes: Any) -> list[Delivery]:
    return [delivery(events_offset=number, **changes) for number in range(count)]


def test_a_delivery_is_called_at_once_and_its_answer_ends_it() -> None:
    working = Working()
    (of,) = some(1)
    working.take(of)
    assert working.calls.ids() == [of.delivery_id]
    working.clock.advance(40)
    working.answer(OK)
    (outcome,) = working.of_kind(Outcome)
    assert (outcome.state, outcome.attempt, outcome.at_ms, outcome.delivery_id) == (
        State.DELIVERED,
        1,
        T0 + 40,
        of.delivery_id,
    )
    assert working.budget.deliveries == 0 and working.shard.notify_at() is None


def test_no_more_calls_than_connections_and_the_next_begins_when_one_ends() -> None:
    working = Working()
    working.take(*some(5))
    assert len(working.calls.under_way) == 2
    working.answer(OK)
    assert len(working.calls.under_way) == 2
    assert working.budget.deliveries == 4


def test_a_slow_destination_keeps_no_other_waiting() -> None:
    working = Working()
    working.take(*some(4), delivery(destination="ads", events_offset=9))
    assert working.calls.ids()[-1] == delivery(destination="ads", events_offset=9).delivery_id


def test_a_refused_event_is_discarded_and_dead_lettered_whole() -> None:
    working = Working()
    working.take(*some(1))
    working.answer(BAD)
    (outcome,) = working.of_kind(Outcome)
    assert (outcome.state, outcome.code, outcome.message) == (State.DISCARDED, "400", "no name")
    ((header, whole),) = working.letters()
    assert (header["code"], header["state"], whole.event) == ("400", "discarded", b'{"type":"track"}')


def test_a_passing_fault_goes_to_the_tier_its_wait_asks_for() -> None:
    working = Working()
    working.take(*some(1))
    working.answer(BUSY)
    ((topic, retry),) = working.retries()
    assert (topic, retry.due_at_ms, retry.attempts, retry.calls) == ("retries.30s", T0 + 45_000, 1, 1)
    (failed,) = working.of_kind(AttemptFailed)
    assert (failed.due_at_ms, failed.failure) == (T0 + 45_000, "retry")
    assert working.of_kind(Outcome) == []


def test_a_long_pause_asked_for_puts_everything_that_waits_back_unsent() -> None:
    working = Working(concurrency=1)
    working.take(*some(4))
    working.answer(THROTTLED)
    assert len(working.retries()) == 4 and working.budget.deliveries == 0
    assert {fact.code for fact in working.of_kind(Requeued)} == {"PAUSED"}
    assert all(retry.due_at_ms >= T0 + 3_600_000 for _, retry in working.retries())
    assert {retry.attempts for _, retry in working.retries()} == {0}


def test_what_waited_too_long_for_its_turn_goes_back_unsent() -> None:
    working = Working(concurrency=1)
    working.take(*some(2))
    working.clock.advance(30_000)
    working.notify()
    ((_, retry),) = working.retries()
    assert (retry.calls, retry.events_offset) == (0, 1)
    assert [fact.code for fact in working.of_kind(Requeued)] == ["WAITED_TOO_LONG"]


def test_only_a_destination_over_its_share_is_requeue_when_the_budget_is_used_up() -> None:
    working = Working(concurrency=1)
    working.take(*some(11))
    assert working.retries() == []
    working.clock.advance(2_000)
    working.take(delivery(destination="ads", events_offset=50))
    assert {retry.destination for _, retry in working.retries()} == {"crm"}
    assert [retry.events_offset for _, retry in working.retries()] == [10, 9, 8, 7, 6]  # of its share of five


@pytest.mark.parametrize(("code", "last"), [("", "NEVER_ATTEMPTED"), ("503", "503")])
def test_a_delivery_requeue_after_its_window_expires_with_its_last_error(code: str, last: str) -> None:
    working = Working(concurrency=1)
    working.take(*some(2, taken_at_ms=T0 - 5 * 3_600_000, code=code))
    working.clock.advance(30_000)
    working.notify()
    (outcome,) = working.of_kind(Outcome)
    assert (outcome.state, outcome.code) == (State.EXPIRED, last)
    assert len(working.letters()) == 1 and working.budget.deliveries == 1


def test_a_delivery_whose_connection_no_longer_sends_is_discarded_with_that_reason() -> None:
    working = Working(removed=True)
    working.take(*some(1))
    (outcome,) = working.of_kind(Outcome)
    assert (outcome.state, outcome.code) == (State.DISCARDED, "CONNECTION_REMOVED")
    assert len(working.letters()) == 1
    assert not working.calls.under_way and working.budget.deliveries == 0


def test_facts_pass_through_in_their_order() -> None:
    working = Working()
    said = [OutgoingRecord(OUTCOMES, b"k", bytes([number])) for number in range(3)]
    assert list(working.shard.on_batch([list(said)])[0]) == [said]


def test_a_tick_goes_into_every_partition_and_counts_what_is_in_flight() -> None:
    working = Working()
    working.take(delivery(due_at_ms=T0 - 9, events_offset=4))
    [outputs] = working.shard.on_batch([[ShardProgress(0, SourceProgress(EVENTS, 0, 10, 12, T0))]])[0]
    assert [output.partition for output in outputs] == [0, 1]
    report = decode(outputs[0].value)
    assert isinstance(report, WatermarkReport)
    assert (report.watermark_ms, report.positions[0].settled) == (T0 - 9, 4)


def test_after_a_crash_everything_held_is_called_again_and_marked() -> None:
    before = Working(concurrency=1)
    before.take(*some(3))
    after = Working(before.shard.snapshot(), crashed=True, concurrency=5)
    after.notify()
    after.answer(OK, OK, OK)
    assert {(fact.replayed, fact.resent) for fact in after.of_kind(Outcome)} == {(True, True)}
    assert len(after.of_kind(Outcome)) == 3


def test_after_a_clean_stop_only_a_call_cut_short_is_marked_as_possibly_made() -> None:
    before = Working(concurrency=1)
    before.take(*some(3))
    after = Working(before.shard.snapshot(), concurrency=5)
    after.notify()
    after.answer(OK, OK, OK)
    marks = sorted((fact.events_offset, fact.replayed, fact.resent) for fact in after.of_kind(Outcome))
    assert marks == [(0, False, True), (1, False, False), (2, False, False)]


def test_an_empty_snapshot_restores_to_nothing() -> None:
    after = Working(Working().shard.snapshot(), crashed=True)
    after.notify()
    assert after.outputs == [] and after.shard.notify_at() is None


def test_a_restored_delivery_whose_connection_was_removed_meanwhile_is_discarded() -> None:
    before = Working()
    before.take(*some(1))
    after = Working(before.shard.snapshot(), crashed=True, removed=True)
    assert after.shard.notify_at() is not None
    after.notify()
    (outcome,) = after.of_kind(Outcome)
    assert (outcome.code, outcome.replayed) == ("CONNECTION_REMOVED", True)


def test_with_another_number_of_shards_everything_held_goes_back_to_the_retries() -> None:
    before = Working(concurrency=1)
    before.take(*some(3))
    state = before.shard.snapshot()
    after = Working({**state, "shards": state["shards"] + 1})
    after.notify()
    assert {fact.code for fact in after.of_kind(Requeued)} == {"SHARDS_CHANGED"}
    assert len(after.retries()) == 3 and after.calls.ids() == []
    assert sorted(of.resent for _, of in after.retries()) == [False, False, True]


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2"):
        Working({"v": 2, "held": []})


def test_a_snapshot_does_not_change_with_what_happens_after_it() -> None:
    working = Working()
    working.take(*some(2))
    snapshot = working.shard.snapshot()
    working.answer(OK, OK)
    assert len(snapshot["deliveries"]) == 2 and working.shard.snapshot()["deliveries"] == []


def test_a_clean_stop_takes_what_has_finished_and_begins_nothing_new() -> None:
    working = Working(concurrency=1)
    working.take(*some(2))
    working.calls.finish(OK)
    working.stop()
    assert len(working.of_kind(Outcome)) == 1
    assert not working.calls.under_way
    assert len(working.shard.snapshot()["deliveries"]) == 1


def test_a_clean_stop_waits_ten_seconds_for_all_shards_together() -> None:
    working = Working()
    working.take(*some(1))
    ticking = Clock(T0)

    def clock() -> int:
        ticking.advance(500)
        return ticking.now_ms

    working.context.clock = clock
    working.stop()
    assert STOP_WAIT_MS <= ticking.now_ms - T0 <= STOP_WAIT_MS + 2_000
    stopped_ms = ticking.now_ms
    other = Shard(working.context, working.shard.snapshot())
    list(other.on_notify()[0])
    other.on_eof()
    assert ticking.now_ms - stopped_ms < 5_000


def test_samples_and_messages_hold_no_secrets() -> None:
    working = Working()
    working.take(*some(2, event=b'{"type":"track","properties":{"email":"ada@example.com","password":"hunter22"}}'))
    working.answer(HttpResponse(status=400, body=b'{"message":"key s3cret-value of ada@example.com"}'))
    working.answer(HttpFailure(code="TLS_ERROR", message="s3cret-value"))
    assert len(working.of_kind(Sample)) == 2
    shown = b"".join(output.value for output in working.outputs if output.topic == OUTCOMES)
    for secret in (b"s3cret-value", b"ada@example.com", b"hunter22"):
        assert secret not in shown
    sample = working.of_kind(Sample)[0]
    assert (sample.state, sample.attempt, orjson.loads(sample.response)["status"]) == ("discarded", 1, 400)


def test_two_records_of_one_delivery_left_by_a_crash_are_both_called_and_both_settled() -> None:
    working = Working()
    (of,) = some(1)
    working.take(of, of)
    assert len(working.calls.under_way) == 2
    working.answer(OK, OK)
    assert len(working.of_kind(Outcome)) == 2
    assert working.budget.deliveries == 0 and working.shard.snapshot()["deliveries"] == []
