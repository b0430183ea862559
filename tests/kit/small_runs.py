"""Small real Bytewax runs in memory: a run that ends, or crashes, when a condition holds; the delivery flow in it."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from flows.delivery.budget import InFlightBudget
from flows.delivery.context import ShardContext
from flows.delivery.dataflow import SOURCES, delivery_flow
from flows.delivery.dedup import DedupStores
from flows.delivery.http_loop import HttpLoop
from flows.delivery.replay_marks import ReplayMarks
from flows.delivery.router import Router
from flows.delivery.sender import BatchSender
from flows.delivery.shard import Shard
from flows.delivery.versions import WorkspaceVersions
from flows.engine.clock import wall_clock_ms
from flows.engine.sharding import WorkerShare
from flows.functions.host import FunctionHost
from flows.topics.interface import DEAD_LETTERS, EVENTS, OUTCOMES
from flows.topics.sink import TopicSink
from flows.topics.source import SourceConfig, TopicSource
from model.delivery.retry_tiers import TIER_OF_TOPIC
from model.delivery.sampling import Sampler
from model.http.messages import HttpRequest, HttpResponse
from model.recording.facts import Fact, Outcome, Received, State, decode
from tests.kit.fakes import MemoryTopics, ScriptedEngine
from tests.kit.samples import event_value
from tests.kit.workspaces import webhook, workspace

EPOCH = timedelta(milliseconds=50)
DEADLINE_SECONDS = 15.0
OK = HttpResponse(status=200)
QUICK = {"first_wait_seconds": 0.1, "window_seconds": 60}


class Crash(Exception):
    """The process dies here."""


class Hand:
    """A clock for sources that ends the run when ``until`` holds: they ask for the time at every poll."""

    def __init__(self, until: Callable[[], bool], *, crash: bool = False) -> None:
        self.stop = StopEvent()
        self._until = until
        self._crash = crash
        self._deadline = time.monotonic() + DEADLINE_SECONDS

    def __call__(self) -> int:
        if time.monotonic() > self._deadline:
            raise AssertionError(f"not within {DEADLINE_SECONDS:.0f} s")
        if not self.stop.is_set() and self._until():
            if self._crash:
                raise Crash
            self.stop.set()
        return wall_clock_ms()


def beginning(topic: str, partition: int) -> int:
    return 0


def run(flow: Dataflow, recovery: Path, epoch: timedelta = EPOCH) -> None:
    """Run a flow until its sources end; raises what was raised inside it."""
    if not recovery.exists():
        recovery.mkdir()
        init_db_dir(recovery, 1)  # type: ignore[no-untyped-call]
    config = RecoveryConfig(str(recovery))  # type: ignore[no-untyped-call]
    try:
        cli_main(flow, epoch_interval=epoch, recovery_config=config)  # type: ignore[no-untyped-call]
    except BytewaxRuntimeError as error:
        raise error.__cause__ or error from None


class System:
    """The delivery flow over topics in memory and an engine that answers as told; each `run` is a process' life."""

    def __init__(self, directory: Path, destinations: int = 1, shards: int = 4) -> None:
        self.topics = MemoryTopics(wall_clock_ms, names=[*SOURCES, OUTCOMES, DEAD_LETTERS])
        self.directory = directory
        self.destinations = [f"d{number}" for number in range(destinations)]
        self.shards = shards
        self.epoch = EPOCH
        self.runs = 0
        self.shards_made: list[bool] = []  # for each shard made: was it from a snapshot

    def send(self, count: int) -> None:
        already = len(self.topics.records(EVENTS))
        for number in range(already, already + count):
            self.topics.append(EVENTS, event_value(f"m-{number}"))

    def run(self, engine: ScriptedEngine, until: Callable[[], bool], *, crash: bool = False) -> None:
        self._live(engine, Hand(until, crash=crash), crash)

    def start_and_stop_at_once(self) -> None:
        hand = Hand(lambda: True)
        hand.stop.set()
        self._live(answering(), hand, crash=False)

    def _live(self, engine: ScriptedEngine, hand: Hand, crash: bool) -> None:
        self.runs += 1
        replay_marks = ReplayMarks(
            self.directory / "replay_marks", lambda topic, partition: self.topics.bounds(topic, partition)[1]
        )
        dedup_stores = DedupStores(
            self.topics, self.directory / "duplicates", window_seconds=3_600, clock=wall_clock_ms
        )
        configured = workspace([webhook(name, concurrency=8) for name in self.destinations], delivery=QUICK)
        versions = WorkspaceVersions(self.directory / "workspaces", configured)
        calls = HttpLoop(
            lambda: BatchSender(
                configuration=lambda: versions.current, engine=engine, functions=FunctionHost(), clock=wall_clock_ms
            ),
            wall_clock_ms,
        )
        flow = self._flow(hand, replay_marks, dedup_stores, calls, versions)
        clean = False
        try:
            run(flow, self.directory / "recovery", self.epoch)
            clean = True
        except Crash:
            pass
        finally:
            calls.close()
            dedup_stores.close()
        assert clean is not crash
        if clean:
            replay_marks.mark_clean_stop()

    def _flow(
        self,
        hand: Hand,
        replay_marks: ReplayMarks,
        dedup_stores: DedupStores,
        calls: HttpLoop,
        versions: WorkspaceVersions,
    ) -> Dataflow:
        parts = [(topic, 0) for topic in SOURCES]
        name = f"run-{self.runs}"
        budget = InFlightBudget(max_deliveries=200, max_bytes=1 << 24, clock=wall_clock_ms)
        router = Router(
            versions=versions,
            shards=self.shards,
            share=WorkerShare(),
            dedup_stores=dedup_stores,
            replay_marks=replay_marks,
            log="log-1",
            run=name,
            clock=wall_clock_ms,
        )

        context = ShardContext(
            run=name,
            clock=wall_clock_ms,
            random=lambda: 0.5,
            configuration=lambda: versions.current,
            setup_probe_ms=1_000,
            max_wait_in_queue_ms=30_000,
            budget=budget,
            calls=calls,
            parts=tuple(parts),
            shards=self.shards,
            sampler=Sampler(),
            open_shard=replay_marks.open_shard,
            outcomes_partitions=1,
        )

        def on_open(topic: str, partition: int, resumed: bool) -> None:
            replay_marks.open(topic, partition, resumed=resumed)
            if topic == EVENTS:
                versions.open(partition, 0)

        def source(topic: str) -> TopicSource:
            reading = SourceConfig(
                topics=self.topics,
                topic=topic,
                clock=hand,
                stop=hand.stop,
                start=beginning,
                budget_records=lambda: budget.free,
                on_open=on_open,
                before_emit=replay_marks.extend,
                progress_ms=100,
            )
            tier = TIER_OF_TOPIC.get(topic)
            if tier is not None:
                reading = reading.with_delay(tier.wait_ms, lambda ms: tier.earliest_due_ms(ms, 60_000))
            return TopicSource(reading)

        def shard(resume_state: dict[str, Any] | None) -> Shard:
            self.shards_made.append(resume_state is not None)
            return Shard(context, resume_state)

        return delivery_flow(source, router, shard, TopicSink(self.topics))

    def facts(self) -> list[Fact]:
        return [decode(record.value) for record in self.topics.records(OUTCOMES)]

    def outcomes(self) -> list[Outcome]:
        return [fact for fact in self.facts() if isinstance(fact, Outcome)]

    def delivered_ids(self) -> set[str]:
        return {fact.delivery_id for fact in self.outcomes() if fact.state is State.DELIVERED}

    def routed_ids(self) -> set[str]:
        return {route[0] for fact in self.facts() if isinstance(fact, Received) for route in fact.routes}


def ids(requests: list[HttpRequest]) -> list[str]:
    return [request.headers["idempotency-key"] for request in requests]


def answering(seconds: float = 0.0) -> ScriptedEngine:
    return ScriptedEngine(lambda request: OK, lambda: seconds)
