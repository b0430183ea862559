"""Delivery over Kafka in one process and in two, turn about: what does sharing cost?"""

import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from rich.progress import Progress

from tests.faults.cluster import Cluster, cluster, plain_events

EVENTS = 10_000  # each to four destinations
DESTINATIONS = 4
ROUNDS = 3
SETTLE_SECONDS = 300.0


def measure_processes(broker: str, progress: Progress) -> Iterator[dict[str, Any]]:
    """One row for each number of processes: medians over rounds that take turns, of the delivery processes alone."""
    rounds: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    task = progress.add_task("1 and 2 delivery processes", total=2 * ROUNDS)
    for _ in range(ROUNDS):
        for processes, measured in rounds.items():
            measured.append(_round(broker, processes))
            progress.advance(task)
    alone = median(cpu for cpu, _ in rounds[1])
    for processes, measured in rounds.items():
        cpu = median(cpu for cpu, _ in measured)
        yield {
            "scenario": f"over_kafka_{processes}_delivery_processes",
            "deliveries": EVENTS * DESTINATIONS,
            "deliveries_per_s": round(median(rate for _, rate in measured)),
            "delivery_cpu_s_per_million": round(cpu),
            "to_one_process": round(cpu / alone, 3),
        }


def _round(broker: str, processes: int) -> tuple[float, float]:
    """CPU seconds per million deliveries, and deliveries per second."""
    destinations = {f"d{number}": f"/healthy/{number}" for number in range(DESTINATIONS)}
    more = f"topics: {{url: 'kafka://{broker}/bench-{secrets.token_hex(4)}', partitions: 4}}"
    with (
        tempfile.TemporaryDirectory(prefix="waybill-bench-") as directory,
        cluster(Path(directory), destinations, delivery="", more=more) as made,
    ):
        made.start_processes(processes)
        made.send(plain_events(100))
        _wait(made, 100)
        before, began = made.cpu_seconds(), time.monotonic()
        made.send(plain_events(EVENTS, first=100))
        _wait(made, EVENTS + 100)
        took = time.monotonic() - began
        return (made.cpu_seconds() - before) / (EVENTS * DESTINATIONS) * 1e6, EVENTS * DESTINATIONS / took


def _wait(made: Cluster, events: int) -> None:
    for number in range(DESTINATIONS):
        made.wait_for(f"healthy/{number}", {"delivered_keys": events}, SETTLE_SECONDS)
