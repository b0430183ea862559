"""A healthy destination by itself or in bad company, under a steady load, and what became of its deliveries."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path

import orjson

from flows.topics.interface import EVENTS, OUTCOMES, Producer
from model.events.event import to_record
from model.events.ids import event_key
from model.recording.facts import DeliveryFact, Outcome, State, decode
from tests.kit.cluster import Cluster
from tests.kit.ingest import records
from tests.kit.system import Receiver, wait_until

HEALTHY = "healthy"
SLICE_SECONDS = 0.02
WARM_UP_SECONDS = 3.0  # connections are opened, code is loaded, and it is known which destination does not keep up
GRACE_SECONDS = 3.0  # for the last events to be delivered and their facts to be flushed
EVENT_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class Measured:
    """Of the healthy destination, for events sent after the warm-up: one that was not delivered took for ever."""

    sent: int
    delivered_in_time: int  # while events were still being sent, or within the grace
    p95_ms: float
    most_held: int
    peak_bytes: int
    failed_others: int  # attempts, requeues and outcomes of the others: they were really tried

    @property
    def kept(self) -> float:
        """Which share of its rate was delivered."""
        return self.delivered_in_time / self.sent


def workspace(target: Receiver, others: dict[str, str], shards: int) -> str:
    """The healthy destination and others, given as id: URL, all fed by one source."""
    urls = {HEALTHY: f"{target.address}/healthy", **others}
    lines = ["version: 1", "ingest: {port: 0}", "sources: [{id: web, write_keys: [test-write-key]}]", "destinations:"]
    # Longer than the hanging calls take: they succeed, and no breaker helps.
    lines += [f'  - {{id: {name}, type: webhook, url: "{url}", timeout_seconds: 15}}' for name, url in urls.items()]
    lines += ["connections:", *(f"  - {{source: web, destination: {name}}}" for name in urls)]
    lines += ["delivery:", "  allow_addresses: [127.0.0.0/8]", f"  shards: {shards}"]
    return "\n".join(lines) + "\n"


@contextmanager
def closed_port() -> Iterator[str]:
    """An address that refuses connections and that nobody else can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"


def append_steadily(made: Cluster, rate_per_second: float, seconds: float) -> None:
    """Append events to the topic, past ingest, at a rate, in small slices."""
    producer = made.deployment.topics.producer()
    started, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - started) < seconds:
        while sent < elapsed * rate_per_second:
            _send(producer, sent)
            sent += 1
        producer.flush()
        time.sleep(SLICE_SECONDS)
    producer.close()


def burst(directory: Path, target: Receiver, others: dict[str, str], events: int) -> tuple[float, int]:
    """Deliver events to all as fast as it goes; returns events a second, and how many retry records that took."""
    directory.mkdir()
    made = Cluster(directory, workspace(target, others, shards=4), target)

    def least_calls() -> int:
        tally = target.tally()
        paths = [url.removeprefix(f"{target.address}/") for url in (f"{target.address}/{HEALTHY}", *others.values())]
        return min(int(tally.get(path, {"calls": 0})["calls"]) for path in paths)

    try:
        producer = made.deployment.topics.producer()
        for number in range(events):
            _send(producer, number)
        producer.flush()
        producer.close()
        made.start("delivery")
        wait_until(lambda: least_calls() > events // 5, 60, "warm")
        started, done = time.monotonic(), least_calls()
        wait_until(lambda: least_calls() >= events, 120, "all delivered")
        rate_per_second = (events - done) / (time.monotonic() - started)
        made.stop("delivery")
        return rate_per_second, made.retry_records()
    finally:
        made.close()


def measure(
    directory: Path,
    target: Receiver,
    others: dict[str, str],
    rate_per_second: float,
    seconds: float,
    *,
    shared_queue: bool = False,
) -> Measured:
    """Run one side of the comparison in a new deployment."""
    directory.mkdir()
    made = Cluster(directory, workspace(target, others, shards=1 if shared_queue else 4), target)
    try:
        pid = made.start("delivery", "shared" if shared_queue else "own", program="tests.kit.queue_process")
        append_steadily(made, rate_per_second, seconds)
        ended_ms = time.time_ns() // 1_000_000
        wait_until(lambda: time.time_ns() // 1_000_000 > ended_ms + GRACE_SECONDS * 1_000, 60, "grace", 0.1)
        peak_bytes = _peak_bytes(pid)
        made.kill("delivery")  # a clean stop would wait for the hanging calls
        return _measured(made, peak_bytes)
    finally:
        made.close()


def _measured(made: Cluster, peak_bytes: int) -> Measured:
    topics = made.deployment.topics
    facts = [decode(record.value) for record in records(topics, OUTCOMES)]
    appended = [record.appended_ms for record in records(topics, EVENTS)]
    since_ms = min(appended) + WARM_UP_SECONDS * 1_000
    sent = sum(appended_ms >= since_ms for appended_ms in appended)
    latencies: dict[str, int] = {}
    failed_others = 0
    for fact in facts:
        if not isinstance(fact, DeliveryFact):
            continue
        if fact.destination != HEALTHY:
            failed_others += 1
        elif isinstance(fact, Outcome) and fact.state is State.DELIVERED and fact.received_at_ms >= since_ms:
            latencies[fact.delivery_id] = fact.at_ms - fact.received_at_ms
    ordered = [*sorted(latencies.values()), *[inf] * (sent - len(latencies))]
    return Measured(
        sent=sent,
        delivered_in_time=len(latencies),
        p95_ms=ordered[int(0.95 * (len(ordered) - 1))],
        most_held=int((made.data / "most_held").read_text(encoding="utf-8")),
        peak_bytes=peak_bytes,
        failed_others=failed_others,
    )


def _peak_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1_024
    raise AssertionError("no peak of memory")


def _send(producer: Producer, number: int) -> None:
    message_id = f"m-{number}"
    event = {
        "type": "track",
        "event": f"Event {number % 7}",
        "userId": f"u{number % 50}",
        "messageId": message_id,
        "properties": {"n": number, "note": "x" * EVENT_BYTES},
    }
    producer.send(EVENTS, event_key("web", message_id), to_record("web", orjson.dumps(event)))
