"""Redrive: selects dead letters and appends their deliveries to a retry tier. It makes no call itself.

The store lags the topics by seconds and a command may be killed at any time, so a ledger beside the topics
(`flows.operations.redrive_ledger`) records what was appended. A chunk is written to the ledger before it is appended to
its topic; after a kill the next command searches the topic for it, so that nothing is sent twice or left out.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from flows.operations.redrive_ledger import LEDGER_FILE, LOOKUP_LETTERS, Chunk, RedriveLedger, RedrivePlan
from flows.topics.interface import DEAD_LETTERS, PositionLost, Producer, Record, Topics
from flows.topics.records import fact, retry
from flows.topics.sink import OutgoingRecord
from model.delivery.delivery import Delivery
from model.delivery.redrive import (
    Choice,
    Earlier,
    Lookup,
    Skip,
    latest,
    read_dead_letter,
    redrive_id,
    redrive_of,
    redriven,
    skip,
)
from model.delivery.retry_tiers import RETRY_TIERS
from model.events.envelope import UnreadableRecord
from model.recording.facts import Audited

CHUNK_DELIVERIES = 1_000  # per chunk; fewer at low rates, for one chunk a second
CHUNK_BYTES = 4 * 1024 * 1024
READ_RECORDS = 1_000
READ_BYTES = 4 * 1024 * 1024
CLOCK_SKEW_MS = 60_000  # between the clock of a delivery's end and that of its dead letter
LEDGER_SECONDS = 7 * 86_400  # the store has it by then, and keeps it longer


class SelectedLetter(NamedTuple):
    """A selected dead letter, without its event."""

    root: str
    redrive: int
    code: str
    state: str
    gone: bool
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Limits the rate of chunks. ``wait`` sleeps for seconds and says whether to stop (`Event.wait`)."""

    rate_per_second: int
    wait: Callable[[float], bool]
    monotonic_seconds: Callable[[], float]


class Redriver:
    """One redrive command: plan first, then send the plan. Keeps the ledger open until closed."""

    def __init__(self, topics: Topics, data: Path, *, clock: Callable[[], int]) -> None:
        self._topics = topics
        self._clock = clock
        self._ledger = RedriveLedger(data / LEDGER_FILE)
        # Ends as of now: the dead letter of a redrive that fails at once is not sent again by the same command.
        self._ends = [topics.bounds(DEAD_LETTERS, number)[1] for number in range(topics.partitions(DEAD_LETTERS))]

    def plan(self, choice: Choice, lookup: Lookup, gone: Callable[[Delivery], bool]) -> RedrivePlan:
        """Find what would be sent; ``lookup``: the store's state of redrives, ``gone``: removed by configuration."""
        self._finish()
        unreadable = 0
        letters: list[SelectedLetter] = []
        for partition, end in enumerate(self._ends):
            since_ms = None if choice.from_ms is None else choice.from_ms - CLOCK_SKEW_MS
            start = 0 if since_ms is None else self._topics.offset_at(DEAD_LETTERS, partition, since_ms)
            for record in _records(self._topics, DEAD_LETTERS, partition, start, end):
                try:
                    letter = read_dead_letter(record.value)
                except UnreadableRecord:
                    unreadable += 1
                    continue
                if choice.takes(letter):
                    place = (gone(letter.delivery), record.partition, record.offset)
                    letters.append(
                        SelectedLetter(letter.delivery.key, letter.delivery.redrive, letter.code, letter.state, *place)
                    )
                if len(letters) == LOOKUP_LETTERS:
                    self._judge(letters, lookup)
                    letters = []
        self._judge(letters, lookup)
        return self._ledger.plan(unreadable)

    def send(self, audited: Audited, rate_limit: RateLimit, progress: Callable[[int], None]) -> int:
        """Append the deliveries of `plan`, each after its Redriven fact; return how many, when all are done or it is
        stopped.

        ``progress`` gets the number so far. Raises `flows.topics.interface.TopicError` and
        `flows.sqlite.database.DatabaseError`; the same command can be run again.
        """
        self._ledger.forget(self._clock() - LEDGER_SECONDS * 1_000)
        count = 0
        with closing(self._topics.producer()) as producer:
            producer.send(*fact(audited.subject.encode(), audited))
            producer.flush()
            began_seconds = rate_limit.monotonic_seconds()
            for chunk in self._chunks(min(CHUNK_DELIVERIES, rate_limit.rate_per_second)):
                due_seconds = began_seconds + count / rate_limit.rate_per_second
                if rate_limit.wait(max(0.0, due_seconds - rate_limit.monotonic_seconds())):
                    break
                self._append(producer, chunk, audited)
                count += len(chunk)
                progress(count)
        return count

    def close(self) -> None:
        """Release the ledger."""
        self._ledger.close()

    def _judge(self, letters: list[SelectedLetter], lookup: Lookup) -> None:
        roots = sorted({letter.root for letter in letters})
        if not roots:
            return
        written, recorded = self._ledger.numbers(roots), lookup(roots)
        rows = []
        for letter in letters:
            earlier = latest(written.get(letter.root, 0), recorded.get(letter.root, Earlier()))
            why = skip(letter.redrive, earlier) or (Skip.GONE if letter.gone else None)
            number = max(letter.redrive, earlier.number) + 1
            kept = (letter.code, letter.state, why, letter.partition, letter.offset)
            rows.append((letter.root, letter.redrive, number, *kept))
        self._ledger.add_candidates(rows)

    def _append(self, producer: Producer, chunk: list[tuple[Delivery, int]], audited: Audited) -> None:
        topic, now_ms = RETRY_TIERS[0].topic, self._clock()
        before = [self._topics.bounds(topic, number)[1] for number in range(self._topics.partitions(topic))]
        numbers = {delivery.key: number for delivery, number in chunk}
        started = Chunk(now_ms, audited.run, audited.author, before, numbers)
        self._ledger.start_chunk(started)
        for delivery, number in chunk:
            again = redrive_of(delivery, number, now_ms)
            producer.send(*retry(again, now_ms))
            producer.send(*_redriven_fact(again, started))
        producer.flush()
        self._ledger.finish_chunk()

    def _finish(self) -> None:
        """Complete the chunk of a command that was killed: what is in the topic was sent, the rest was not."""
        chunk = self._ledger.unfinished_chunk()
        if chunk is None:
            return
        topic = RETRY_TIERS[0].topic
        missing = {redrive_id(root, number).encode(): root for root, number in chunk.numbers.items()}
        with closing(self._topics.producer()) as producer:
            for partition, start in enumerate(chunk.before):
                _, end = self._topics.bounds(topic, partition)
                for record in _records(self._topics, topic, partition, start, end):
                    if missing.pop(record.key, None) is not None:
                        # Its fact may exist already; a repeated fact folds.
                        producer.send(*_redriven_fact(Delivery.from_record(record.value), chunk))
            producer.flush()
        self._ledger.finish_chunk(missing=missing.values())

    def _chunks(self, most: int) -> Iterator[list[tuple[Delivery, int]]]:
        chunk: list[tuple[Delivery, int]] = []
        size_bytes = 0
        for delivery, number in self._deliveries():
            if len(chunk) == most or (chunk and size_bytes + delivery.size_bytes > CHUNK_BYTES):
                yield chunk
                chunk, size_bytes = [], 0
            chunk.append((delivery, number))
            size_bytes += delivery.size_bytes
        if chunk:
            yield chunk

    def _deliveries(self) -> Iterator[tuple[Delivery, int]]:
        """The deliveries of the plan and the numbers of their redrives, read again from their dead letters."""
        after = (-1, -1)
        while places := self._ledger.next_page(after):
            for partition, group in groupby(places, key=lambda place: place[0]):
                numbers = {offset: number for _, offset, number in group}
                for record in _records(self._topics, DEAD_LETTERS, partition, min(numbers), max(numbers) + 1):
                    if record.offset in numbers:
                        yield read_dead_letter(record.value).delivery, numbers[record.offset]
            after = places[-1][:2]


def _redriven_fact(delivery: Delivery, chunk: Chunk) -> OutgoingRecord:
    redriven_fact = redriven(delivery, at_ms=chunk.at_ms, batch=chunk.batch, author=chunk.author)
    return fact(delivery.delivery_id.encode(), redriven_fact)


def _records(topics: Topics, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
    """The records of [start, end); records deleted by retention meanwhile are skipped."""
    position = max(start, topics.bounds(topic, partition)[0])
    while position < end:
        with closing(topics.reader(topic, partition, position)) as reader:
            try:
                while reader.position < end:
                    yield from reader.read(min(READ_RECORDS, end - reader.position), READ_BYTES)
                return
            except PositionLost as lost:
                if lost.earliest <= reader.position:
                    raise
                position = lost.earliest
