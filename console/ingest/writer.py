"""Group commit: all requests that wait when a flush starts share it.

Flushing blocks, so one thread does it, one group after the other, while requests wait on the event loop. A failed flush
fails only the requests that share it: their records are discarded, and the senders get 503 and send them again.
"""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from flows.topics.interface import ProduceFailed, Producer, Topics

log = logging.getLogger("waybill.ingest")


class Append(NamedTuple):
    """One record to append to the partition its key hashes to."""

    topic: str
    key: bytes
    value: bytes


class Saturated(Exception):
    """Too many bytes are waiting to be written; send again later."""


class _Waiting(NamedTuple):
    records: Sequence[Append]
    size_bytes: int
    done: "asyncio.Future[None]"


class GroupWriter:
    """Belongs to one event loop: `start`, `append` and `close` are called there."""

    def __init__(self, topics: Topics, *, max_waiting_bytes: int) -> None:
        self._topics = topics
        self._max_waiting_bytes = max_waiting_bytes
        self._held_bytes = 0
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ingest-writer")  # one: a producer has one owner

    async def start(self) -> None:
        """Open the producer, on the thread that owns it."""
        self._loop = asyncio.get_running_loop()
        self._producer: Producer = await self._loop.run_in_executor(self._thread, self._topics.producer)

    async def append(self, records: Sequence[Append]) -> None:
        """Return when all records are acknowledged. Raises `Saturated`, or `ProduceFailed`: none may be stored."""
        size_bytes = sum(len(record.value) for record in records)
        if self._held_bytes and self._held_bytes + size_bytes > self._max_waiting_bytes:
            raise Saturated
        self._held_bytes += size_bytes
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(_Waiting(records, size_bytes, done))
        if self._writing is None:
            self._writing = self._loop.create_task(self._write_groups())
        await done

    async def close(self) -> None:
        """Write all waiting records, then end the thread."""
        if self._writing is not None:
            await self._writing
        await self._loop.run_in_executor(self._thread, self._producer.close)
        self._thread.shutdown()

    async def _write_groups(self) -> None:
        """Write until nothing waits. All requests that arrive during one flush are the next group."""
        while self._waiting:
            group, self._waiting = self._waiting, []
            failure = await self._loop.run_in_executor(self._thread, self._write, group)
            self._finish(group, failure)
        self._writing = None

    def _write(self, group: list[_Waiting]) -> ProduceFailed | None:
        try:
            for waiting in group:
                for record in waiting.records:
                    self._producer.send(record.topic, record.key, record.value)
            self._producer.flush()
        except ProduceFailed as failure:
            log.warning(
                "%(requests)d requests could not be stored: %(error)s", {"requests": len(group), "error": failure}
            )
            self._producer.discard()
            return failure
        except Exception as error:  # the writer must survive any error: every later request depends on it
            log.exception("%(requests)d requests could not be stored", {"requests": len(group)})
            self._producer.discard()
            return ProduceFailed(f"unexpected {type(error).__name__}")
        return None

    def _finish(self, group: list[_Waiting], failure: ProduceFailed | None) -> None:
        for waiting in group:
            self._held_bytes -= waiting.size_bytes
            if waiting.done.done():  # the request was cancelled meanwhile
                continue
            if failure is None:
                waiting.done.set_result(None)
            else:
                waiting.done.set_exception(failure)
