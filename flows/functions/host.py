"""Runs insert functions in one child process, so that nothing they do can harm the worker.

Events go to the child in batches and come back one by one, so when it crashes or takes too long, the event it had in
hand is known: that one is classified, the others go to the next child. A thread of its own owns the child.
"""

import asyncio
import os
import select
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from flows.functions.messages import ANSWER_LIMIT_BYTES, Order, Word, decode_word, encode

BATCH_EVENTS = 64
IMPORT_LIMIT_SECONDS = 30.0
SHORT_LIFE_SECONDS = 2.0  # a child that dies sooner is not started again at once
LONGEST_PAUSE_SECONDS = 5.0
OUTPUT_BYTES_PER_SECOND = 4096


@dataclass(frozen=True, slots=True)
class Returned:
    """The event to send."""

    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dropped:
    """Not to be sent."""

    why: str


@dataclass(frozen=True, slots=True)
class RetryAsked:
    """To be tried again later."""

    why: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Wrong, in the function's eyes."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The function failed: FUNCTION_FAILED, FUNCTION_CRASHED, FUNCTION_TIMEOUT or FUNCTION_UNAVAILABLE."""

    code: str
    why: str


FunctionResult = Returned | Dropped | RetryAsked | Rejected | Failed
_KINDS: dict[str, Callable[[str], FunctionResult]] = {
    "dropped": Dropped,
    "retry": RetryAsked,
    "rejected": Rejected,
    "failed": lambda why: Failed("FUNCTION_FAILED", why),
    "unavailable": lambda why: Failed("FUNCTION_UNAVAILABLE", why),
}


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    order: Order
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[FunctionResult]"

    def end(self, result: FunctionResult) -> None:
        def settle() -> None:
            if not self.future.done():
                self.future.set_result(result)

        try:
            self.loop.call_soon_threadsafe(settle)
        except RuntimeError:  # the loop is closed: nobody waits any more
            pass


class FunctionHost:
    """One per worker process. ``show`` gets what handlers print, cut to 4 KB a second; redacting it is its business."""

    def __init__(
        self,
        directory: Path | None = None,
        *,
        limit_seconds: float = 5.0,
        show: Callable[[str], None] = lambda line: None,
    ) -> None:
        """``directory``: where modules are looked for beside what is installed; by default the current one."""
        self._directory = directory
        self._limit_seconds = limit_seconds
        self._show = show
        self._runs: deque[_Run] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._reload = False
        self._child: _Child | None = None
        self._short_lives = 0

    async def run(self, handler: str, event: dict[str, Any], settings: dict[str, str]) -> FunctionResult:
        """Run one function on one event. Never raises for what the function does."""
        loop = asyncio.get_running_loop()
        run = _Run(Order(handler, event, settings), loop, loop.create_future())
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="insert-functions", daemon=True)
                self._thread.start()
            self._runs.append(run)
            self._changed.notify()
        return await run.future

    def reload(self) -> None:
        """Import all modules anew, from the next batch on."""
        self._reload = True

    async def close(self) -> None:
        """End the child. What still runs gets no answer."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._child is not None:
            self._child.kill()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 5)

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            if self._reload and self._child is not None:
                self._child.kill()
                self._child = None
            self._reload = False
            try:
                child = self._started()
            except OSError as error:
                for run in batch:
                    run.end(Failed("FUNCTION_UNAVAILABLE", f"its process cannot be started: {error.strerror}"))
                self._rest()
                continue
            left = self._run_batch(child, batch)
            if left or child.dead:
                self._child = None
                with self._changed:
                    self._runs.extendleft(reversed(left))
                if child.age_seconds() < SHORT_LIFE_SECONDS:
                    self._rest()
                else:
                    self._short_lives = 0
        if self._child is not None:
            self._child.kill()

    def _next_batch(self) -> list[_Run] | None:
        with self._changed:
            while not self._runs and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            return [self._runs.popleft() for _ in range(min(BATCH_EVENTS, len(self._runs)))]

    def _started(self) -> "_Child":
        if self._child is None:
            self._child = _Child(self._directory, self._show)
        return self._child

    def _run_batch(self, child: "_Child", batch: list[_Run]) -> list[_Run]:
        """Run a batch and return what must go to another child: what stood behind an event that killed this one."""
        try:
            child.send([run.order for run in batch])
        except OSError:
            child.kill()
            return batch  # it had died since its last batch: no event of this one is to blame
        for index, run in enumerate(batch):
            limit_seconds = IMPORT_LIMIT_SECONDS
            while True:
                word = child.listen(limit_seconds)
                if isinstance(word, Failed):
                    child.kill()
                    run.end(word)
                    return batch[index + 1 :]
                if word.kind == "importing":
                    limit_seconds = IMPORT_LIMIT_SECONDS
                elif word.kind == "began":
                    limit_seconds = self._limit_seconds
                else:
                    break
            known = _KINDS.get(word.kind)
            run.end(known(word.why) if known else Returned(word.event or {}))
        return []

    def _rest(self) -> None:
        self._short_lives += 1
        pause_seconds = min(LONGEST_PAUSE_SECONDS, 0.05 * 2 ** min(self._short_lives, 10))
        with self._changed:
            self._changed.wait_for(lambda: self._closed, pause_seconds)


class _Child:
    """A running child process."""

    def __init__(self, directory: Path | None, show: Callable[[str], None]) -> None:
        self._started_seconds = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flows.functions.child"],
            cwd=directory,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the worker, which ends its children when it is done
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._in: IO[bytes] = self._process.stdin
        self._out = self._process.stdout.fileno()
        self._heard = b""
        self.dead = False
        threading.Thread(target=_show_output, args=(self._process.stderr, show), daemon=True).start()

    def age_seconds(self) -> float:
        """How long it has lived."""
        return time.monotonic() - self._started_seconds

    def send(self, orders: list[Order]) -> None:
        """Give it a batch; it reads all of it before it begins. Raises `OSError` when it is gone."""
        self._in.write(encode(orders) + b"\n")
        self._in.flush()

    def listen(self, limit_seconds: float) -> Word | Failed:
        """Return what it says next, or what became of it."""
        deadline = time.monotonic() + limit_seconds
        while b"\n" not in self._heard:
            poll = select.poll()
            poll.register(self._out, select.POLLIN)
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1_000):
                return Failed("FUNCTION_TIMEOUT", f"it took longer than {limit_seconds:g} s")
            read = os.read(self._out, 1 << 16)
            if not read:
                return Failed("FUNCTION_CRASHED", self._cause_of_death())
            self._heard += read
            if len(self._heard) > 2 * ANSWER_LIMIT_BYTES:
                return Failed("FUNCTION_CRASHED", "it sent more than an answer")
        line, _, self._heard = self._heard.partition(b"\n")
        try:
            return decode_word(line)
        except msgspec.DecodeError:
            return Failed("FUNCTION_CRASHED", "it sent what is no answer")

    def kill(self) -> None:
        """End it now."""
        self.dead = True
        self._process.kill()
        self._process.wait()

    def _cause_of_death(self) -> str:
        code = self._process.wait(timeout=5)
        return f"its process was ended by signal {-code}" if code < 0 else f"its process ended with exit code {code}"


def _environment() -> dict[str, str]:
    # The child finds Waybill's own packages wherever they are installed or checked out.
    here = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))}


def _show_output(stream: IO[bytes], show: Callable[[str], None]) -> None:
    second, shown_bytes = 0, 0
    for line in iter(lambda: stream.readline(OUTPUT_BYTES_PER_SECOND), b""):
        now = int(time.monotonic())
        if now != second:
            second, shown_bytes = now, 0
        shown_bytes += len(line)
        if shown_bytes <= OUTPUT_BYTES_PER_SECOND:
            show(line.decode("utf-8", "replace").rstrip())
