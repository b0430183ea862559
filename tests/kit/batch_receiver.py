"""A partner that takes batches, in the test's own process: it counts by message, not by call, and can wait on order."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson

from flows.topics.interface import OUTCOMES
from model.recording.facts import Fact, Outcome, decode
from tests.kit.cluster import QUICK, Cluster
from tests.kit.ingest import records
from tests.kit.system import Receiver, wait_until, workspace_text

NAME = "batches"  # in the tally
MULTI_STATUS = 207

Event = dict[str, Any]
Answering = Callable[[Sequence[Event], Sequence[int]], int | list[int]]
"""Events of a call, and how many answers each had before, to one status for all or a 207 with one for each."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it was answered. ``statuses``: one for each message, be it their own or that of the whole."""

    messages: tuple[str, ...]
    statuses: tuple[int, ...]
    status: int


class BatchReceiver(Receiver):
    """What came in, in order of arrival. A call that got no answer because its client died counts as answered."""

    def __init__(self, answering: Answering, delay_seconds: float) -> None:
        super().__init__("", os.getpid())
        self.calls: list[Call] = []
        self.waiting = 0  # calls that are held
        self._answering = answering
        self._delay_seconds = delay_seconds
        self._lock = threading.Lock()
        self._answers_before: dict[str, int] = {}
        self._free = threading.Event()
        self._free.set()

    def hold(self) -> None:
        """Keep calls that come from now on waiting for their answer."""
        self._free.clear()

    def release(self) -> None:
        """Answer again."""
        self._free.set()

    def tally(self) -> dict[str, Any]:
        """Calls, and messages taken at least once."""
        calls = list(self.calls)
        return {NAME: {"calls": len(calls), "taken": len(taken(calls)), "waiting": self.waiting}}

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Take one call: its status and body, once it may be answered."""
        events = orjson.loads(body)
        messages = tuple(event["messageId"] for event in events)
        with self._lock:
            said = self._answering(events, [self._answers_before.get(message, 0) for message in messages])
            for message in messages:
                self._answers_before[message] = self._answers_before.get(message, 0) + 1
            status = said if isinstance(said, int) else MULTI_STATUS
            statuses = [said] * len(messages) if isinstance(said, int) else said
            self.calls.append(Call(messages, tuple(statuses), status))
            held = not self._free.is_set()
            self.waiting += held
        if held:
            self._free.wait()
            with self._lock:
                self.waiting -= 1
        time.sleep(self._delay_seconds)
        parts = {"message": f"answered {status}"} if isinstance(said, int) else [{"status": one} for one in said]
        return status, orjson.dumps(parts)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


@contextmanager
def batch_cluster(
    directory: Path, answering: Answering, settings: str, *, delivery: str = QUICK, delay_seconds: float = 0
) -> Iterator[tuple[Cluster, BatchReceiver]]:
    """Make a cluster with one destination, crm, which is the partner; ``settings`` are its own in the workspace."""
    partner = BatchReceiver(answering, delay_seconds)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            status, answer = partner.answer(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            except ConnectionError:  # the client was killed
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    partner.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        made = Cluster(directory, workspace_text({"crm": partner.address}, delivery, settings=settings), partner)
        try:
            yield made, partner
        finally:
            made.close()
    finally:
        partner.release()
        server.shutdown()
        server.server_close()
        thread.join()


def taken(calls: Sequence[Call]) -> dict[str, int]:
    """How often each message was answered with success, of those that were."""
    found: dict[str, int] = {}
    for call in calls:
        for message, status in zip(call.messages, call.statuses, strict=True):
            if 200 <= status < 300:
                found[message] = found.get(message, 0) + 1
    return found


def facts_of(made: Cluster) -> list[Fact]:
    """Everything said in topic outcomes."""
    return [decode(record.value) for record in records(made.deployment.topics, OUTCOMES)]


def wait_until_settled(made: Cluster, deliveries: int, seconds: float = 60) -> None:
    """Wait until so many deliveries have an outcome."""

    def settled() -> bool:
        return len({fact.delivery_id for fact in facts_of(made) if isinstance(fact, Outcome)}) >= deliveries

    try:
        wait_until(settled, seconds, f"{deliveries} settled", every_seconds=0.2)
    except AssertionError as error:
        raise AssertionError(f"{error}; {made.target.tally()}; {made.log_of('delivery')}") from None
