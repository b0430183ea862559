"""Redriving over topics and a ledger on disk: what is counted is sent, once, whatever is killed in between."""

import stat
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from flows.operations import redrive as redriving
from flows.operations import redrive_ledger
from flows.operations.redrive import LEDGER_SECONDS, RateLimit, Redriver
from flows.operations.redrive_ledger import LEDGER_FILE, Group, RedrivePlan
from flows.topics.factory import open_topics
from flows.topics.interface import DEAD_LETTERS, OUTCOMES, Topics, TopicSpec
from flows.topics.records import undelivered
from flows.topics.sqlite.topics import SqliteProducer
from model.delivery.delivery import Delivery
from model.delivery.redrive import Choice, Earlier, Skip, redrive_of
from model.recording.facts import Audited, Fact, Redriven, State, decode
from tests.kit.samples import T0, delivery
from tests.kit.sqlite_topics import DAY_SECONDS, MIB, Clock

RETRY_TIER = "retries.1s"
CRM = Choice(destination="crm")


class Killed(BaseException):
    """kill -9: nothing that follows is done."""


class Place:
    """A data directory with its topics, and a store that says what it is told to."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = Clock()
        self.clock.ms = T0 + 3_600_000
        self.topics: Topics = open_topics(f"sqlite:///{directory / 'topics'}", clock=self.clock)
        self.topics.create([TopicSpec(name, 2, 30 * DAY_SECONDS) for name in (DEAD_LETTERS, OUTCOMES, RETRY_TIER)])
        self.recorded: dict[str, Earlier] = {}
        self.asked: list[int] = []  # how many ids at a time

    def fail(self, *ended: Delivery, code: str = "422", state: State = State.DISCARDED, at_ms: int = T0) -> None:
        """What the delivery flow writes when deliveries end undelivered."""
        with closing(self.topics.producer()) as producer:
            for one in ended:
                topic, key, value, _ = undelivered(one, one.end(state, at_ms=at_ms, run="r", code=code))
                producer.send(topic, key, value)
            producer.flush()

    def opened(self) -> Redriver:
        return Redriver(self.topics, self.directory, clock=self.clock)

    def plan(self, choice: Choice = CRM) -> RedrivePlan:
        with closing(self.opened()) as work:
            return self._plan(work, choice)

    def redrive(
        self,
        choice: Choice = CRM,
        *,
        rate: int = 1_000,
        wait: Callable[[float], bool] = lambda seconds: False,
        progress: Callable[[int], None] = lambda so_far: None,
    ) -> int:
        with closing(self.opened()) as work:
            self._plan(work, choice)
            audited = Audited(
                at_ms=self.clock(), run="batch", author="ada", role="owner", action="redrive", subject="crm"
            )
            return work.send(audited, RateLimit(rate, wait, lambda: 0.0), progress)

    def _plan(self, work: Redriver, choice: Choice) -> RedrivePlan:
        return work.plan(choice, self._lookup, lambda one: one.source == "gone")

    def _lookup(self, roots: list[str]) -> dict[str, Earlier]:
        self.asked.append(len(roots))
        return {root: self.recorded[root] for root in roots if root in self.recorded}

    def sent(self) -> list[Delivery]:
        return [Delivery.from_record(value) for value in self._values(RETRY_TIER)]

    def sent_ids(self) -> Counter[str]:
        return Counter(one.delivery_id for one in self.sent())

    def facts(self) -> list[Fact]:
        return [decode(value) for value in self._values(OUTCOMES)]

    def redriven_ids(self) -> set[str]:
        return {said.delivery_id for said in self.facts() if isinstance(said, Redriven)}

    def _values(self, topic: str) -> list[bytes]:
        found: list[bytes] = []
        for partition in range(2):
            with closing(self.topics.reader(topic, partition, self.topics.bounds(topic, partition)[0])) as reader:
                while records := reader.read(1_000, MIB):
                    found.extend(record.value for record in records)
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.topics.close()


def some(number: int, first: int = 0, **changes: Any) -> list[Delivery]:
    return [delivery(events_offset=offset, **changes) for offset in range(first, first + number)]


def firsts(deliveries: list[Delivery], number: int = 1) -> Counter[str]:
    return Counter(f"{one.key}/r{number}" for one in deliveries)


class TestCounting:
    def test_by_state_and_code_and_why_not(self, place: Place) -> None:
        place.fail(*some(3))
        place.fail(*some(5, 10), code="503", state=State.EXPIRED)
        place.fail(*some(2, 20, destination="ads"))
        place.fail(*some(1, 30, source="gone"))
        waiting, arrived = some(2, 40)
        place.fail(waiting, arrived)
        place.recorded = {waiting.key: Earlier(1), arrived.key: Earlier(1, "delivered", recovered=True)}
        with closing(place.topics.producer()) as producer:
            producer.send(DEAD_LETTERS, b"k", b'{"v":1,"code":"UNREADABLE_RECORD"}\n\x00\xff')
            producer.send(DEAD_LETTERS, b"k", b"\xff\xff")
            producer.flush()
        expected = {Skip.GONE: 1, Skip.PENDING: 1, Skip.RECOVERED: 1}
        assert place.plan() == RedrivePlan((Group("expired", "503", 5), Group("discarded", "422", 3)), expected, 2)
        assert not place.sent() and not place.facts()

    def test_only_what_was_chosen(self, place: Place) -> None:
        place.fail(*some(3), at_ms=T0)
        place.fail(*some(4, 10), at_ms=T0 + 60_000)
        place.fail(*some(5, 20), at_ms=T0 + 60_000, code="503")
        period = Choice(destination="crm", from_ms=T0 + 60_000, to_ms=T0 + 60_001)
        assert place.plan(period).total == 9
        assert place.plan(replace(period, codes=frozenset({"422"}))).total == 4
        assert place.plan(Choice(destination="crm", to_ms=T0)).total == 0

    def test_old_dead_letters_are_not_read_to_find_new_ones(self, place: Place) -> None:
        with closing(place.topics.producer()) as producer:
            producer.send(DEAD_LETTERS, b"k", b"unreadable")
            producer.flush()
        place.clock.ms += 3_600_000
        assert place.plan(Choice(destination="crm", from_ms=place.clock.ms)).unreadable == 0
        assert place.plan().unreadable == 1

    def test_a_dead_letter_written_twice_is_one(self, place: Place) -> None:
        place.fail(*some(2), *some(2))
        assert place.plan().total == 2
        place.redrive()
        assert place.sent_ids() == firsts(some(2))

    def test_the_store_is_asked_for_a_bounded_number_at_a_time(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(redriving, "LOOKUP_LETTERS", 10)
        place.fail(*some(95))
        assert place.plan().total == 95
        assert max(place.asked) <= 10 and sum(place.asked) == 95
        assert place.redrive() == 95
        assert place.sent_ids() == firsts(some(95))


class TestSending:
    def test_a_record_on_the_shortest_tier_and_a_fact_for_each_and_who_asked_first(self, place: Place) -> None:
        place.clock.ms = T0 + 7_200_000
        failed = some(3, event=b'{"type":"page"}', calls=4)
        place.fail(*failed)
        told: list[int] = []
        assert place.redrive(progress=told.append) == 3 and told == [3]
        expected = [redrive_of(one, 1, place.clock.ms) for one in failed]
        assert sorted(place.sent(), key=lambda one: one.events_offset) == expected
        facts = place.facts()
        assert place.redriven_ids() == set(firsts(failed)) and len(facts) == 4
        [audited] = [said for said in facts if isinstance(said, Audited)]
        assert (audited.author, audited.action, audited.subject) == ("ada", "redrive", "crm")

    def test_a_second_command_skips_what_is_under_way(self, place: Place) -> None:
        place.fail(*some(3))
        place.redrive()
        place.fail(*some(2, 10))
        assert place.plan() == RedrivePlan((Group("discarded", "422", 2),), {Skip.PENDING: 3}, 0)
        place.redrive()
        assert place.sent_ids() == firsts(some(3) + some(2, 10))

    def test_a_redrive_that_failed_is_sent_as_the_next_one(self, place: Place) -> None:
        failed, arrived = some(2)
        place.fail(failed, arrived)
        place.redrive()
        place.recorded = {arrived.key: Earlier(1, "delivered", recovered=True), failed.key: Earlier(1, "expired")}
        place.fail(redrive_of(failed, 1, T0), code="503", state=State.EXPIRED)
        assert place.plan() == RedrivePlan((Group("expired", "503", 1),), {Skip.RECOVERED: 1}, 0)
        assert place.plan(Choice(destination="crm", codes=frozenset({"422"}))).skipped == {
            Skip.FAILED_AGAIN: 1,
            Skip.RECOVERED: 1,
        }
        place.redrive()
        assert place.sent_ids() == firsts([failed, arrived]) + firsts([failed], 2)

    def test_one_that_fails_at_once_is_not_sent_again_by_the_same_command(self, place: Place) -> None:
        place.fail(*some(6))

        def fail_again(so_far: int) -> None:
            place.fail(*(one for one in place.sent()))

        assert place.redrive(rate=2, progress=fail_again) == 6
        assert place.sent_ids() == firsts(some(6))

    def test_what_the_ledger_forgets_after_a_week_the_store_knows(self, place: Place) -> None:
        place.fail(*some(2))
        place.redrive()
        place.clock.ms += (LEDGER_SECONDS + 1) * 1_000
        place.fail(*some(1, 10))
        place.recorded = {one.key: Earlier(1) for one in some(2)}
        place.redrive()
        assert place.sent_ids() == firsts(some(2) + some(1, 10))
        place.recorded = {}
        assert place.plan().total == 2  # neither knows: only the one of this week is under way

    def test_what_retention_takes_meanwhile_is_passed_over(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(redriving, "READ_RECORDS", 4)
        place.fail(*some(20))
        place.clock.ms += 29 * DAY_SECONDS * 1_000
        place.fail(*some(20, 20))

        def expire(seconds: float) -> bool:
            place.clock.ms += 2 * DAY_SECONDS * 1_000 if not place.sent() else 0
            return place.topics.expire() < 0

        assert 20 <= place.redrive(rate=4, wait=expire) < 40
        assert not firsts(some(20, 20)) - place.sent_ids()
        assert set(place.sent_ids().values()) == {1}

    def test_the_ledger_is_its_owners_alone(self, place: Place) -> None:
        place.plan()
        assert stat.S_IMODE((place.directory / LEDGER_FILE).stat().st_mode) == 0o600


class TestPace:
    def test_chunks_come_at_the_rate_asked_for(self, place: Place) -> None:
        place.fail(*some(25))
        waits: list[float] = []
        told: list[int] = []

        def wait(seconds: float) -> bool:
            waits.append(seconds)
            return False

        assert place.redrive(rate=10, wait=wait, progress=told.append) == 25
        assert waits == [0.0, 1.0, 2.0] and told == [10, 20, 25]

    def test_large_events_come_in_small_chunks(self, place: Place) -> None:
        place.fail(*some(5, event=b"x" * (3 * MIB)))
        told: list[int] = []
        assert place.redrive(progress=told.append) == 5 and told == [1, 2, 3, 4, 5]

    def test_stopped_and_run_again_it_sends_the_rest(self, place: Place) -> None:
        place.fail(*some(25))
        asked = count()
        assert place.redrive(rate=10, wait=lambda seconds: next(asked) == 2) == 20
        assert place.plan() == RedrivePlan((Group("discarded", "422", 5),), {Skip.PENDING: 20}, 0)
        assert place.redrive() == 5
        assert place.sent_ids() == firsts(some(25))


class TestKilled:
    @pytest.mark.parametrize("moment", ["before anything is appended", "between the topics", "before it is noted"])
    def test_every_delivery_is_sent_once(self, place: Place, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
        place.fail(*some(25))
        kill_at(moment, monkeypatch, chunk=2)
        with pytest.raises(Killed):
            place.redrive(rate=10)
        monkeypatch.undo()
        remaining = 15 if moment == "before anything is appended" else 5
        assert place.plan().total == remaining
        assert place.redrive() == remaining
        assert place.sent_ids() == firsts(some(25))
        assert place.redriven_ids() == set(firsts(some(25)))

    def test_in_the_redrive_of_a_redrive_too(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        place.fail(*some(4))
        place.redrive()
        place.fail(*(redrive_of(one, 1, T0) for one in some(4)))
        kill_at("before anything is appended", monkeypatch, chunk=1)
        with pytest.raises(Killed):
            place.redrive()
        monkeypatch.undo()
        assert place.redrive() == 4  # the store has heard of nothing: the first dead letters are not sent again
        assert place.sent_ids() == firsts(some(4)) + firsts(some(4), 2)


def kill_at(moment: str, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """Kill while the ``chunk``-th chunk is sent; the audit's flush is none."""
    flush, append = SqliteProducer.flush, SqliteProducer._append
    flushes = count()

    def flushing(self: SqliteProducer) -> None:
        number = next(flushes)
        if number != chunk:
            return flush(self)
        if moment == "before anything is appended":
            raise Killed
        if moment == "between the topics":
            monkeypatch.setattr(SqliteProducer, "_append", appending)
        flush(self)
        if moment == "before it is noted":
            monkeypatch.setattr(redrive_ledger.RedriveLedger, "finish_chunk", raising)
        return None

    def appending(self: SqliteProducer, name: str) -> None:
        if name == OUTCOMES:
            raise Killed
        append(self, name)

    def raising(self: redrive_ledger.RedriveLedger) -> None:
        raise Killed

    monkeypatch.setattr(SqliteProducer, "flush", flushing)
