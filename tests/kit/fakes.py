"""In-memory stand-ins for the seams, for tests that need no disk: topics, the call loop, an HTTP engine, clocks."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from flows.delivery.http_loop import Batch, CompletedBatch
from flows.delivery.sender import BatchSender
from flows.functions.host import FunctionHost
from flows.topics.interface import PositionLost, Record, TopicSpec, UnknownTopic
from flows.workspace.compiled import CompiledWorkspace
from model.events.ids import partition_of
from model.http.messages import HttpFailure, HttpRequest, HttpResponse


class Clock:
    """Unix ms that stand still until told."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> None:
        self.now_ms += ms


class MemoryTopics:
    """The `Topics` protocol over lists.

    ``failure`` makes every flush raise, ``away`` every look at bounds; ``after_flush`` is called after other flushes.
    """

    def __init__(self, clock: Callable[[], int], partitions: int = 1, names: Sequence[str] = ()) -> None:
        self._clock = clock
        self._logs: dict[str, list[list[Record]]] = {name: [[] for _ in range(partitions)] for name in names}
        self._earliest: dict[tuple[str, int], int] = {}
        self._metadata: dict[str, bytes] = {}
        self.failure: Exception | None = None
        self.away: Exception | None = None
        self.after_flush: Callable[[], None] = lambda: None
        self.flushes = 0

    def create(self, specs: Sequence[TopicSpec]) -> None:
        for spec in specs:
            self._logs.setdefault(spec.name, [[] for _ in range(spec.partitions)])

    def partitions(self, topic: str) -> int:
        return len(self._of(topic))

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        if self.away is not None:
            raise self.away
        return self._earliest.get((topic, partition), 0), len(self._of(topic)[partition])

    def offset_at(self, topic: str, partition: int, appended_ms: int) -> int:
        earliest, end = self.bounds(topic, partition)
        log = self._of(topic)[partition]
        return next((at for at in range(earliest, end) if log[at].appended_ms >= appended_ms), end)

    def producer(self) -> "MemoryProducer":
        return MemoryProducer(self)

    def reader(self, topic: str, partition: int, position: int) -> "MemoryReader":
        return MemoryReader(self, topic, partition, position)

    def expire(self) -> int:
        return 0

    def get_metadata(self, name: str) -> bytes | None:
        return self._metadata.get(name)

    def put_metadata(self, name: str, value: bytes) -> None:
        self._metadata[name] = value

    def close(self) -> None:
        pass

    def append(
        self, topic: str, value: bytes, *, key: bytes = b"", partition: int = 0, at_ms: int | None = None
    ) -> int:
        """Append one record at once and return its offset."""
        log = self._of(topic)[partition]
        log.append(Record(partition, len(log), self._clock() if at_ms is None else at_ms, key, value))
        return len(log) - 1

    def delete_below(self, topic: str, partition: int, offset: int) -> None:
        """Do what retention does."""
        self._earliest[topic, partition] = offset

    def records(self, topic: str) -> list[Record]:
        """Every record of a topic."""
        return [record for log in self._of(topic) for record in list(log)]

    def _of(self, topic: str) -> list[list[Record]]:
        if topic not in self._logs:
            raise UnknownTopic(f"topic {topic} does not exist")
        return self._logs[topic]


class MemoryProducer:
    def __init__(self, topics: MemoryTopics) -> None:
        self._topics = topics
        self._buffer: list[tuple[str, bytes, bytes, int | None]] = []

    def send(self, topic: str, key: bytes, value: bytes, partition: int | None = None) -> None:
        self._buffer.append((topic, key, value, partition))

    def poll(self) -> None:
        self.flush()

    def flush(self) -> None:
        if self._topics.failure is not None:
            raise self._topics.failure
        self._topics.flushes += 1
        buffer, self._buffer = self._buffer, []
        for topic, key, value, partition in buffer:
            where = partition_of(key, self._topics.partitions(topic)) if partition is None else partition
            self._topics.append(topic, value, key=key, partition=where)
        self._topics.after_flush()

    def discard(self) -> None:
        self._buffer.clear()

    def close(self) -> None:
        pass


class MemoryReader:
    def __init__(self, topics: MemoryTopics, topic: str, partition: int, position: int) -> None:
        self._topics = topics
        self._topic = topic
        self._partition = partition
        self.position = position

    def read(self, max_records: int, max_bytes: int) -> list[Record]:
        earliest, end = self._topics.bounds(self._topic, self._partition)
        if not earliest <= self.position <= end:
            raise PositionLost(self._topic, self._partition, self.position, earliest=earliest, end=end)
        log = self._topics._of(self._topic)[self._partition]
        found: list[Record] = []
        size = 0
        for record in log[self.position : min(end, self.position + max_records)]:
            size += len(record.value)
            if found and size > max_bytes:
                break
            found.append(record)
        self.position += len(found)
        return found

    def close(self) -> None:
        pass


class HeldCalls:
    """A call loop whose batch_results end when the test says how; everything but the HTTP call itself is real."""

    def __init__(self, clock: Callable[[], int], configuration: Callable[[], CompiledWorkspace]) -> None:
        self._clock = clock
        self._configuration = configuration
        self.under_way: deque[tuple[Batch, deque[CompletedBatch]]] = deque()

    def submit(self, groups: list[Batch], finished: deque[CompletedBatch]) -> None:
        self.under_way.extend((group, finished) for group in groups)

    def ids(self) -> list[str]:
        """The deliveries under way."""
        return [waiting.delivery.delivery_id for group, _ in self.under_way for waiting in group]

    def finish(self, *results: HttpResponse | HttpFailure) -> None:
        """End as many batch_results, oldest first; each of their calls is answered so."""
        for result in results:
            group, finished = self.under_way.popleft()
            sender = BatchSender(
                configuration=self._configuration,
                engine=ScriptedEngine(lambda _, result=result: result),  # type: ignore[misc]
                functions=FunctionHost(),
                clock=self._clock,
            )
            finished.append(CompletedBatch(group, asyncio.run(sender.send([waiting.delivery for waiting in group]))))


class ScriptedEngine:
    """Answers each request as ``script`` says, after ``seconds``; keeps what it was asked."""

    def __init__(
        self, script: Callable[[HttpRequest], HttpResponse | HttpFailure], seconds: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._script = script
        self._seconds = seconds
        self.begun: list[HttpRequest] = []
        self.ended: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        self.begun.append(request)
        await asyncio.sleep(self._seconds())
        result = self._script(request)
        self.ended.append(request)
        return result

    async def close(self) -> None:
        pass
