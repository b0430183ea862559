"""Runs insert functions in one child process, so that nothing they do can harm the worker.

Events go to the child in batches and come back one by one, so when it crashes or takes too long, the event it had in
hand is known: that one is classified, the others go to the next child. A thread of its own owns the child.
"""

import asyncio
import contextlib
import os
import select
import signal
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

from flows.functions.messages import ANSWER_LIMIT_BYTES, Order, Word, decode_event, decode_word, encode

BATCH_EVENTS = 64
BATCH_BYTES = 1 << 20  # reached, not crossed twice: the event that reaches it still goes along
IMPORT_LIMIT_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 1.0  # between children that answered nothing; all functions stand still meanwhile
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


_STOPPING = Failed("FUNCTION_UNAVAILABLE", "Waybill is stopping")
FunctionResult = Returned | Dropped | RetryAsked | Rejected | Failed
_KINDS: dict[str, Callable[[str], FunctionResult]] = {
    "dropped": Dropped,
    "retry": RetryAsked,
    "rejected": Rejected,
    "failed": lambda why: Failed("FUNCTION_FAILED", why),
    "exhausted": lambda why: Failed("FUNCTION_FAILED", why),
    "unavailable": lambda why: Failed("FUNCTION_UNAVAILABLE", why),
}


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    line: bytes  # the encoded order
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
        self._fruitless_lives = 0

    async def run(self, handler: str, event: dict[str, Any], settings: dict[str, str]) -> FunctionResult:
        """Run one function on one event. Never raises for what the function does."""
        try:
            line = encode(Order(handler, event, settings)) + b"\n"
        except (UnicodeEncodeError, RecursionError, OverflowError, TypeError) as error:
            return Failed("FUNCTION_FAILED", f"the event or its settings are no JSON: {type(error).__name__}")
        loop = asyncio.get_running_loop()
        run = _Run(line, loop, loop.create_future())
        with self._changed:
            if self._closed:
                return _STOPPING
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
        """End the child. What still runs or comes later is unavailable: tried again when Waybill is back."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._child is not None:
            self._child.kill()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 5)

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            try:
                left = self._run_batch(self._started(), batch)
            except Exception as error:  # a system out of processes or files; nobody may wait for ever because of it
                self._end_child()
                for run in batch:
                    run.end(Failed("FUNCTION_UNAVAILABLE", f"its process cannot be run: {type(error).__name__}"))
                self._rest()
                continue
            with self._changed:
                self._runs.extendleft(reversed(left))
            if self._child is not None and self._child.dead:
                fruitful, self._child = self._child.answered, None
                if fruitful:
                    self._fruitless_lives = 0
                else:
                    self._rest()
        self._end_child()
        for run in self._runs:
            run.end(_STOPPING)

    def _next_batch(self) -> list[_Run] | None:
        with self._changed:
            while not self._runs and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            batch: list[_Run] = []
            batch_bytes = 0
            while self._runs and len(batch) < BATCH_EVENTS and batch_bytes < BATCH_BYTES:
                run = self._runs.popleft()
                if not run.future.done():  # given up while it waited
                    batch.append(run)
                    batch_bytes += len(run.line)
            return batch

    def _started(self) -> "_Child":
        if self._reload:
            self._reload = False
            self._end_child()
        if self._child is None:
            self._child = _Child(self._directory, self._show)
        return self._child

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _run_batch(self, child: "_Child", batch: list[_Run]) -> list[_Run]:
        """Run a batch and return what must go to another child: what stood behind an event that killed this one."""
        child.send([run.line for run in batch])
        for index, run in enumerate(batch):
            stage, limit_seconds = "", IMPORT_LIMIT_SECONDS
            while True:
                word = child.listen(limit_seconds)
                if isinstance(word, Failed):
                    child.kill()
                    if self._closed:
                        run.end(_STOPPING)
                    elif stage == "began":
                        run.end(word)
                    elif stage == "importing" or not child.answered:
                        run.end(Failed("FUNCTION_UNAVAILABLE", word.why))
                    else:
                        return batch[index:]  # it died between two events: neither is to blame
                    return batch[index + 1 :]
                if word.kind not in {"importing", "began"}:
                    break
                stage = word.kind
                limit_seconds = self._limit_seconds if stage == "began" else IMPORT_LIMIT_SECONDS
            child.answered = True
            known = _KINDS.get(word.kind)
            run.end(known(word.why) if known else Returned(decode_event(word.event)))
        return []

    def _rest(self) -> None:
        self._fruitless_lives += 1
        pause_seconds = min(LONGEST_PAUSE_SECONDS, 0.05 * 2 ** min(self._fruitless_lives, 10))
        with self._changed:
            self._changed.wait_for(lambda: self._closed, pause_seconds)


class _Child:
    """A running child process."""

    def __init__(self, directory: Path | None, show: Callable[[str], None]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flows.functions.child", str(os.getpid())],
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
        self.answered = False  # anything at all
        self.dead = False
        threading.Thread(target=_show_output, args=(self._process.stderr, show), daemon=True).start()

    def send(self, lines: list[bytes]) -> None:
        """Give it a batch. That it is gone shows when it is listened to."""
        with contextlib.suppress(OSError):
            self._in.write(b"%d\n" % len(lines) + b"".join(lines))
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
        """End it now, and what it started."""
        self.dead = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _cause_of_death(self) -> str:
        try:
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return "it closed the pipe its answers go through"
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
