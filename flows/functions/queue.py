"""The queue of one connection's insert function: a thread, a process and the waiting events.

Events go to the process in batches and return one by one, so when it crashes or takes too long, the current event is
known: that one fails, the others go to the next process.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from flows.functions.process import Child
from flows.functions.results import STOPPING, FunctionResult, NoEvent, result_of

BATCH_EVENTS = 64
BATCH_BYTES = 1 << 20  # reached, not crossed twice: the event that reaches it still goes along
BATCH_SECONDS = 0.5  # a slow function gets smaller batches, so that the timeouts of waiting events are checked in time
IMPORT_LIMIT_SECONDS = 30.0
IDLE_SECONDS = 60.0  # an idle process stops after this
WAIT_SECONDS = 10.0  # an event that waited this long moves to a retry tier
TIMEOUTS_IN_A_ROW = 2  # so many in a row without an answer pause the function
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 60.0
MAX_BACKOFF_SECONDS = 1.0  # between processes that gave no answer


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One event for a function, and its future."""

    line: bytes  # the encoded order
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[FunctionResult]"
    since_seconds: float = field(default_factory=time.monotonic)

    def end(self, result: FunctionResult) -> None:
        """Set the result; from any thread."""

        def settle() -> None:
            if not self.future.done():
                self.future.set_result(result)

        try:
            self.loop.call_soon_threadsafe(settle)
        except RuntimeError:  # the loop is closed
            pass


class Slots:
    """Counts processes. ``make_room`` stops an idle one when all slots are taken."""

    def __init__(self, most: int, make_room: Callable[[], None]) -> None:
        self._free = most
        self._waiting = 0
        self._make_room = make_room
        self._changed = threading.Condition()

    @property
    def wanted(self) -> bool:
        """A queue waits for a slot: holders release theirs between two batches."""
        return self._waiting > 0

    def take(self) -> None:
        """Wait for a slot."""
        with self._changed:
            if self._free:
                self._free -= 1
                return
            self._waiting += 1
        try:
            self._make_room()
            with self._changed:
                self._changed.wait_for(lambda: self._free > 0)
                self._free -= 1
        finally:
            with self._changed:
                self._waiting -= 1

    def give(self) -> None:
        """Release a slot."""
        with self._changed:
            self._free += 1
            self._changed.notify()


class FunctionQueue:
    """``start`` starts a process, once ``slots`` permits one more."""

    def __init__(self, start: Callable[[], Child], slots: Slots, limit_seconds: float) -> None:
        self._start = start
        self._slots = slots
        self._limit_seconds = limit_seconds
        self._changed = threading.Condition()
        self._runs: deque[Run] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._busy = False
        self._leave = False  # another connection needs the slot
        self._reload = False
        self._child: Child | None = None
        self._restarts_without_reply = 0
        self._timeouts = 0  # in a row
        self._paused_until_seconds = 0.0
        self._mean_seconds = 0.0  # an event takes
        self.used_seconds = 0.0  # when it last had an event

    def add(self, run: Run) -> None:
        """Queue a run; its future gets the result."""
        with self._changed:
            if self._closed:
                run.end(STOPPING)
            elif self._is_paused():
                run.end(self._paused())
            else:
                self._runs.append(run)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="insert-function", daemon=True)
                    self._thread.start()
                self._changed.notify()

    def reload(self) -> None:
        """Import all modules again, from the next batch on, and resume a paused function."""
        with self._changed:
            self._reload = True
            self._timeouts = 0
            self._paused_until_seconds = 0.0

    def leave(self) -> bool:
        """Stop the process if it is idle; return whether it was."""
        with self._changed:
            idle = self._child is not None and not self._busy and not self._runs
            self._leave = self._leave or idle
            self._changed.notify()
        return idle

    def close(self) -> threading.Thread | None:
        """Stop now; returns the thread, to be joined."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            if self._child is not None:
                self._child.stop()
            return self._thread

    def _is_paused(self) -> bool:
        if self._timeouts < TIMEOUTS_IN_A_ROW:
            return False
        on_trial = self._busy or bool(self._runs)  # one event at a time probes it
        return on_trial or time.monotonic() < self._paused_until_seconds

    def _paused(self) -> NoEvent:
        return NoEvent(
            "FUNCTION_PAUSED",
            f"it took longer than {self._limit_seconds:g} s for {self._timeouts} events in a row: one event at a time "
            "tries it",
        )

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            try:
                left = self._run_batch(self._started(), batch)
            except Exception as error:  # the system is out of processes or files
                self._end_child()
                for run in batch:
                    run.end(NoEvent("FUNCTION_UNAVAILABLE", f"its process cannot be started: {type(error).__name__}"))
                self._back_off()
                continue
            with self._changed:
                self._runs.extendleft(reversed(left))
            if self._child is not None and self._child.dead:
                fruitful = self._child.replied
                self._end_child()
                if fruitful:
                    self._restarts_without_reply = 0
                else:
                    self._back_off()
            elif self._slots.wanted:
                self._end_child()  # more connections than processes: they take turns

    def _next_batch(self) -> list[Run] | None:
        """The next batch; None after a long idle time, when the thread ends."""
        with self._changed:
            self._busy = False
            self.used_seconds = time.monotonic()
            while not self._closed:
                if self._leave:
                    self._end_child()
                self._drop_late()
                if self._runs:
                    self._busy = True
                    return self._taken()
                if not self._changed.wait(IDLE_SECONDS) and not self._runs:
                    break
            self._end_child()
            for run in self._runs:
                run.end(STOPPING)
            self._runs.clear()
            self._thread = None
            return None

    def _drop_late(self) -> None:
        latest_seconds = time.monotonic() - WAIT_SECONDS
        while self._runs and (self._runs[0].since_seconds < latest_seconds or self._runs[0].future.done()):
            why = f"it waited {WAIT_SECONDS:g} s in the queue: the function is slower than events arrive"
            self._runs.popleft().end(NoEvent("FUNCTION_PAUSED", why))

    def _taken(self) -> list[Run]:
        most = BATCH_EVENTS
        if self._timeouts:
            most = 1
        elif self._mean_seconds:
            most = max(1, min(BATCH_EVENTS, int(BATCH_SECONDS / self._mean_seconds)))
        batch: list[Run] = []
        batch_bytes = 0
        while self._runs and len(batch) < most and batch_bytes < BATCH_BYTES:
            run = self._runs.popleft()
            if not run.future.done():  # cancelled while it waited
                batch.append(run)
                batch_bytes += len(run.line)
        return batch

    def _started(self) -> Child:
        if self._reload:
            self._reload = False
            self._end_child()
        if self._child is None:
            self._slots.take()
            try:
                self._child = self._start()
            except BaseException:
                self._slots.give()
                raise
            if self._closed:
                self._child.kill()
        return self._child

    def _end_child(self) -> None:
        self._leave = False
        if self._child is not None:
            child, self._child = self._child, None
            child.kill()
            self._slots.give()

    def _run_batch(self, child: Child, batch: list[Run]) -> list[Run]:
        """Run a batch; return the events for another process: those behind an event that ended this one."""
        started_seconds = time.monotonic()
        fresh = not child.replied
        child.send([run.line for run in batch])
        for index, run in enumerate(batch):
            stage, limit_seconds = "", IMPORT_LIMIT_SECONDS
            while True:
                reply = child.read_reply(limit_seconds)
                if isinstance(reply, NoEvent):
                    child.kill()
                    if self._closed:
                        run.end(STOPPING)
                    elif stage == "started":
                        run.end(reply)
                        self._note_timeout(reply.code == "FUNCTION_TIMEOUT")
                    elif stage == "importing" or not child.replied:
                        run.end(NoEvent("FUNCTION_UNAVAILABLE", reply.why))
                    else:
                        return batch[index:]  # it exited between two events: neither caused it
                    return batch[index + 1 :]
                if reply.kind not in {"importing", "started"}:
                    break
                stage = reply.kind
                limit_seconds = self._limit_seconds if stage == "started" else IMPORT_LIMIT_SECONDS
            if reply.kind == "exhausted" and not (fresh and index == 0):
                child.kill()
                return batch[index:]  # earlier events may have used the memory: run it again in a new process
            child.replied = True
            self._timeouts = 0
            run.end(STOPPING if self._closed else result_of(reply))
        if not fresh:  # importing does not count
            self._mean_seconds = (time.monotonic() - started_seconds) / len(batch)
        return []

    def _note_timeout(self, timed_out: bool) -> None:
        with self._changed:
            self._timeouts = self._timeouts + 1 if timed_out else 0
            if self._timeouts >= TIMEOUTS_IN_A_ROW:
                doubled = FIRST_PAUSE_SECONDS * 2 ** min(self._timeouts - TIMEOUTS_IN_A_ROW, 10)
                self._paused_until_seconds = time.monotonic() + min(LONGEST_PAUSE_SECONDS, doubled)
                while self._runs:
                    self._runs.popleft().end(self._paused())

    def _back_off(self) -> None:
        self._restarts_without_reply += 1
        pause_seconds = min(MAX_BACKOFF_SECONDS, 0.05 * 2 ** min(self._restarts_without_reply, 10))
        with self._changed:
            self._changed.wait_for(lambda: self._closed, pause_seconds)
