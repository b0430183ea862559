"""The main job under load: `waybill up` and the receiver as processes of their own, one request per event.

Scenarios: as fast as it goes, the same over a Kafka broker on this machine (where there is Java), there also with
delivery in 1 and in 2 processes, and a steady half of the rate we promise. Bounded in events and time. Last, with
nothing beside it, `reading`: how fast a dashboard is read that stands on 30 days of deliveries.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
from rich.console import Console
from rich.progress import Progress

from tests.bench.processes import measure_processes
from tests.bench.reading import measure_reading
from tests.kit.kafka.broker import Broker
from tests.kit.kafka.install import CannotInstall, find_java, install
from tests.kit.system import WRITE_KEY, Receiver, Waybill, receiver, running, wait_until, workspace_text

SCENARIOS: dict[str, tuple[int, float | None, bool]] = {  # events, rate per second, over Kafka
    "as_fast_as_it_goes": (40_000, None, False),
    "over_kafka": (40_000, None, True),
    "steady_750_per_s": (15_000, 750.0, False),
}
PROCESSES = "processes"
READING = "reading"
BATCH = 100
SETTLE_SECONDS = 300.0


class Usage:
    """CPU seconds and peak memory of processes between start and stop."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._before = {name: self._cpu_seconds(process) for name, process in self._processes.items()}
        self.peak_bytes = dict.fromkeys(pids, 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, float]:
        """CPU seconds by process."""
        self._stop.set()
        self._thread.join()
        return {name: self._cpu_seconds(p) - self._before[name] for name, p in self._processes.items()}

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            for name, process in self._processes.items():
                self.peak_bytes[name] = max(self.peak_bytes[name], process.memory_info().rss)

    @staticmethod
    def _cpu_seconds(process: psutil.Process) -> float:
        times = process.cpu_times()
        return float(times.user + times.system)


def load(system: Waybill, events: int, rate_per_second: float | None, progress: Progress) -> None:
    """Post events in batches, at a steady rate or as fast as ingest takes them."""
    task = progress.add_task("Sending", total=events)
    started = time.monotonic()
    with httpx.Client(timeout=60, trust_env=False) as client:
        for first in range(0, events, BATCH):
            if rate_per_second is not None:
                time.sleep(max(0.0, started + first / rate_per_second - time.monotonic()))
            body = {"writeKey": WRITE_KEY, "batch": [event(number) for number in range(first, first + BATCH)]}
            headers = {"Content-Type": "application/json"}
            answer = client.post(f"{system.address}/v1/batch", content=orjson.dumps(body), headers=headers)
            answer.raise_for_status()
            progress.advance(task, BATCH)


def event(number: int) -> dict[str, Any]:
    """A track call of about 400 bytes."""
    return {
        "type": "track",
        "event": f"Order {number % 10}",
        "userId": f"user-{number % 1000}",
        "messageId": f"bench-{number}",
        "context": {"app": {"version": "1.0"}, "library": {"name": "bench", "version": "1"}},
        "properties": {"order_id": number, "revenue": 12.5, "currency": "EUR", "note": "x" * 120},
    }


@contextmanager
def broker(directory: Path) -> Iterator[Broker]:
    """A broker of Kafka that ends with this."""
    made = Broker(directory, find_java(), install())
    made.start()
    try:
        yield made
    finally:
        made.stop()


def scenario(
    name: str,
    events: int,
    rate_per_second: float | None,
    target: Receiver,
    progress: Progress,
    kafka: Broker | None = None,
) -> dict[str, Any]:
    """Run one scenario in a new deployment."""
    more = f"topics: {{url: 'kafka://{kafka.address}/bench'}}" if kafka else ""
    with tempfile.TemporaryDirectory(prefix="waybill-bench-") as directory:
        system = Waybill(Path(directory), workspace_text({"crm": f"{target.address}/healthy/{name}"}, more=more))
        with running(system):
            assert system.process is not None
            pids = {"waybill": system.process.pid, "receiver": target.pid}
            if kafka and kafka.process:
                pids["broker"] = kafka.process.pid
            usage = Usage(pids)
            started = time.monotonic()
            load(system, events, rate_per_second, progress)
            path = f"healthy/{name}"
            wait_until(
                lambda: target.tally().get(path, {}).get("delivered_keys", 0) >= events,
                SETTLE_SECONDS,
                "all delivered",
                0.1,
            )
            seconds = time.monotonic() - started
            period = {"from_ms": 0, "to_ms": 4_000_000_000_000, "source": "", "destination": ""}
            wait_until(
                lambda: system.view("delivery_metrics", **period)[0]["delivered"] >= events,
                SETTLE_SECONDS,
                "recorded",
                0.2,
            )
            recorded_seconds = time.monotonic() - started
            cpu = usage.stop()
            [metrics] = system.view("delivery_metrics", **period)
            balance = system.view("balance", **period, settle_seconds=120)
            system.stop()
    return {
        "scenario": name,
        "events": events,
        "events_per_s": round(events / seconds),
        "recorded_after_s": round(recorded_seconds - seconds, 2),
        "cpu_s_per_million_events": {process: round(spent / events * 1e6) for process, spent in cpu.items()},
        **{f"p{q}_ms": metrics[f"p{q}_latency_ms"] for q in (50, 95, 99)},
        "peak_mb": {process: round(peak / 1e6) for process, peak in usage.peak_bytes.items()},
        "unexplained": sum(row["unexplained"] for row in balance),
    }


def main() -> None:
    """Run every scenario; one JSON line each on stdout."""
    names = (*SCENARIOS, PROCESSES, READING)
    wanted = set(sys.argv[1:]) or set(names)
    if wanted - set(names):
        sys.exit(f"scenarios are {', '.join(names)}")
    with Progress(console=Console(stderr=True)) as progress:
        if wanted - {READING}:
            measure_delivering(wanted, progress)
        if READING in wanted:
            print(orjson.dumps(measure_reading(progress)).decode(), flush=True)


def measure_delivering(wanted: set[str], progress: Progress) -> None:
    """Run the scenarios in which events are delivered; one JSON line each on stdout."""
    with receiver() as target, ExitStack() as stack:
        try:
            kafka = stack.enter_context(broker(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        except CannotInstall as reason:
            progress.console.print(f"what needs Kafka is left out: {reason}")
            kafka = None
        for name, (events, rate, over_kafka) in SCENARIOS.items():
            if name not in wanted or (over_kafka and kafka is None):
                continue
            measured = scenario(name, events, rate, target, progress, kafka if over_kafka else None)
            print(orjson.dumps(measured).decode(), flush=True)
        if kafka and PROCESSES in wanted:
            for measured in measure_processes(kafka.address, progress):
                print(orjson.dumps(measured).decode(), flush=True)


if __name__ == "__main__":
    main()
