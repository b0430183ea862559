"""Every part as processes of its own, over a Kafka broker, with delivery in one and in two: what does sharing cost?"""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import orjson
import psutil
from rich.progress import Progress

from model.events.ids import shard_of
from tests.kit.clickhouse.process import clickhouse
from tests.kit.cluster import EVER
from tests.kit.system import Receiver, Waybill, receiver, running, wait_until

DESTINATIONS = ("ads", "hub", "crm", "search")
assert sorted(shard_of(name, 4) for name in DESTINATIONS) == [0, 1, 2, 3]  # one in each shard, two in each process
EVENTS = 40_000  # as in the other scenario over Kafka; each to one destination
BATCH = 100
ROUNDS = 3
SETTLE_SECONDS = 300.0


def measure_processes(broker: str, progress: Progress) -> Iterator[dict[str, Any]]:
    """One row for each number of delivery processes: medians over rounds that take turns."""
    rounds: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    task = progress.add_task("1 and 2 delivery processes", total=2 * ROUNDS)
    for number in range(ROUNDS):
        for processes, measured in rounds.items():
            with receiver() as target:  # a new one: it knows what it has received by key
                measured.append(_round(broker, target, processes, f"{number}-{processes}"))
            progress.advance(task)
    alone = median(sum(cpu.values()) for cpu in rounds[1])
    for processes, measured in rounds.items():
        spent = median(sum(cpu.values()) for cpu in measured)
        yield {
            "scenario": f"over_kafka_with_{processes}_delivery_processes",
            "events": EVENTS,
            "cpu_s_per_million_events": {part: round(median(cpu[part] for cpu in measured)) for part in measured[0]},
            "all_parts": round(spent),
            "to_one_process": round(spent / alone, 3),
        }


def _round(broker: str, target: Receiver, processes: int, name: str) -> dict[str, float]:
    """CPU seconds per million events of each part."""
    with tempfile.TemporaryDirectory(prefix="waybill-bench-") as made, clickhouse(Path(made) / "store") as store:
        system = Waybill(Path(made), _workspace(broker, store.url(), target, name))
        migrate = [sys.executable, "-m", "console", "migrate", "-w", str(system.file), "-d", str(system.data), "--json"]
        subprocess.run(migrate, check=True, stdout=subprocess.DEVNULL)
        system.start(sys.executable, "-m", "console", "run", "ingest")
        assert system.process is not None
        with (
            running(system, started=True),
            _part(system, "recording") as recording,
            _part(system, "delivery", "--processes", str(processes)) as delivery,
        ):
            parts = {"ingest": system.process.pid, "delivery": delivery.pid, "recording": recording.pid}
            _send(system, 400)
            _settled(system, target, name, 400)
            before = {part: _cpu_seconds(pid) for part, pid in parts.items()}
            _send(system, EVENTS)
            _settled(system, target, name, 400 + EVENTS)
            return {part: (_cpu_seconds(pid) - before[part]) / EVENTS * 1e6 for part, pid in parts.items()}


def _workspace(broker: str, store: str, target: Receiver, name: str) -> str:
    """A source for each destination."""
    each = [(f"source-{number}", destination) for number, destination in enumerate(DESTINATIONS)]
    return orjson.dumps(
        {
            "version": 1,
            "topics": {"url": f"kafka://{broker}/bench-{secrets.token_hex(4)}", "partitions": 4},
            "store": {"url": store},
            "ingest": {"port": 0},
            "sources": [{"id": source, "write_keys": [source]} for source, _ in each],
            "destinations": [
                {"id": destination, "type": "webhook", "url": f"{target.address}/healthy/{name}-{destination}"}
                for destination in DESTINATIONS
            ],
            "connections": [{"source": source, "destination": destination} for source, destination in each],
            "delivery": {"allow_addresses": ["127.0.0.0/8"]},
        }
    ).decode()


@contextmanager
def _part(system: Waybill, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "WAYBILL_WORKSPACE": str(system.file), "WAYBILL_DATA": str(system.data)}
    with (system.directory / f"{arguments[0]}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "console", "run", *arguments], env=environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _send(system: Waybill, events: int) -> None:
    run = secrets.token_hex(4)
    with httpx.Client(timeout=60, trust_env=False) as client:
        for first in range(0, events, BATCH):
            key = f"source-{first // BATCH % len(DESTINATIONS)}"
            batch = [
                {"type": "track", "event": f"Order {n % 10}", "userId": f"user-{n % 1000}", "messageId": f"{run}-{n}",
                 "properties": {"order_id": n, "revenue": 12.5, "currency": "EUR", "note": "x" * 120}}
                for n in range(first, first + BATCH)
            ]  # fmt: skip
            body = orjson.dumps({"writeKey": key, "batch": batch})
            headers = {"Content-Type": "application/json"}
            client.post(f"{system.address}/v1/batch", content=body, headers=headers).raise_for_status()


def _settled(system: Waybill, target: Receiver, name: str, events: int) -> None:
    """Delivered, and counted."""

    def delivered() -> bool:
        tally = target.tally()
        counts: list[int] = [tally.get(f"healthy/{name}-{d}", {}).get("delivered_keys", 0) for d in DESTINATIONS]
        return sum(counts) >= events

    wait_until(delivered, SETTLE_SECONDS, "all delivered", 0.1)
    everything = {**EVER, "source": "", "destination": ""}
    wait_until(
        lambda: system.view("delivery_metrics", **everything)[0]["delivered"] >= events, SETTLE_SECONDS, "counted", 0.2
    )


def _cpu_seconds(pid: int) -> float:
    """Of a process and of those it has started."""
    process = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))
