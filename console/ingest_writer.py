"""Appends for many requests at once: whoever waits at the moment of a flush shares it (group commit).

Flushing blocks, so one thread does it; requests wait on the event loop. A failed flush fails the requests that shared
it and nothing else: their records are discarded, and the senders, told 503, send them again.
"""

import asyncio
import logging
import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple

from flows.topics import ProduceFailed, Producer, Topics

log = logging.getLogger(__name__)


class Append(NamedTuple):
    """One record to append to the partition its key hashes to."""

    topic: str
    key: bytes
    value: bytes


class Saturated(Exception):
    """More is waiting to be written than may be held; try again."""


class _Waiting(NamedTuple):
    records: Sequence[Append]
    size_bytes: int
    done: "asyncio.Future[None]"


class GroupWriter:
    """Belongs to one event loop: `start`, `append` and `close` are called there."""

    def __init__(self, topics: Topics, *, max_waiting_bytes: int) -> None:
        self._topics = topics
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting_bytes = 0
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ingest-writer", daemon=True)

    def start(self) -> None:
        """Start the writing thread."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def append(self, records: Sequence[Append]) -> None:
        """Return when all records are acknowledged. Raises `Saturated`, or `ProduceFailed`: none may be relied on."""
        size_bytes = sum(len(record.value) for record in records)
        if self._waiting_bytes and self._waiting_bytes + size_bytes > self._max_waiting_bytes:
            raise Saturated
        self._waiting_bytes += size_bytes
        done: asyncio.Future[None] = self._loop.create_future()
        self._queue.put(_Waiting(records, size_bytes, done))
        await done

    async def close(self) -> None:
        """Write what waits, then end the thread."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        producer = self._topics.producer()
        open_for_more = True
        while open_for_more:
            group, open_for_more = self._next_group()
            if group:
                failure = self._write(producer, group)
                self._loop.call_soon_threadsafe(self._finish, group, failure)
        producer.close()

    def _next_group(self) -> tuple[list[_Waiting], bool]:
        """Wait for a request, then take all that came meanwhile; False when there will be no more."""
        group: list[_Waiting] = []
        waiting = self._queue.get()
        while waiting is not None:
            group.append(waiting)
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _write(self, producer: Producer, group: list[_Waiting]) -> ProduceFailed | None:
        try:
            for waiting in group:
                for record in waiting.records:
                    producer.send(record.topic, record.key, record.value)
            producer.flush()
        except ProduceFailed as failure:
            log.warning("%d requests could not be stored: %s", len(group), failure)
            producer.discard()
            return failure
        except Exception as error:  # whatever it is, the thread must live: every later request depends on it
            log.exception("%d requests could not be stored", len(group))
            producer.discard()
            return ProduceFailed(f"unexpected {type(error).__name__}")
        return None

    def _finish(self, group: list[_Waiting], failure: ProduceFailed | None) -> None:
        for waiting in group:
            self._waiting_bytes -= waiting.size_bytes
            if waiting.done.done():  # the request was cancelled meanwhile
                continue
            if failure is None:
                waiting.done.set_result(None)
            else:
                waiting.done.set_exception(failure)
