"""`waybill demo`: the whole system with simulated events and destinations, in about a minute.

A healthy destination, a flaky one (503, 429 with Retry-After, 400 with a message) and a dead one (connection refused).
The demo's own workspace file shortens the retry delays and the window.
"""

import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from console.data_dir import view_of
from console.errors import Failure
from console.processes.up import Running, run_all
from console.reports.report import Report, build_report
from flows.engine.clock import wall_clock_ms
from flows.runtime.deployment import open_deployment
from flows.workspace.loader import load_workspace

BATCH_EVENTS = 100
DEADLINE_SECONDS = 85.0  # for up to 5,000 events; each further hundred gets a second more
POLL_SECONDS = 0.5
WORKSPACE = """\
version: 1
sources:
  - {id: shop, name: Web shop, write_keys: [%(write_key)s]}
destinations:
  - {id: healthy, name: Answers 200, type: webhook, url: "http://127.0.0.1:%(receiver)d/healthy"}
  - {id: flaky, name: Answers 503 429 and 400 at times, type: webhook, url: "http://127.0.0.1:%(receiver)d/flaky"}
  - {id: dead, name: Refuses connections, type: webhook, url: "http://127.0.0.1:%(closed)d/"}
connections:
  - {source: shop, destination: healthy}
  - {source: shop, destination: flaky}
  - {source: shop, destination: dead}
delivery:
  # Four hours and ten attempts are too long to watch.
  attempts: 4
  window_seconds: 25
  first_wait_seconds: 1
  allow_addresses: [127.0.0.0/8]
"""


WRITE_KEY = "demo-write-key"
CALLS = ("track", "track", "track", "track", "identify", "page", "page", "screen", "group", "alias")
TRACKED = ("Order Completed", "Product Viewed", "Product Added", "Signed Up", "Cart Viewed")
PAGES = ("Home", "Product", "Cart", "Checkout")
VERSIONS = ("3.1.0", "3.2.0")


class DemoFailed(Failure):
    """The demo could not run; the text says where."""


def run_demo(events: int, console: Console, *, seed: int = 7) -> Report:
    """Send ``events`` through the whole system and wait until each delivery has an outcome. Raises `DemoFailed`."""
    with tempfile.TemporaryDirectory(prefix="waybill-demo-") as scratch, receiver() as port, closed_port() as closed:
        file = Path(scratch) / "workspace.yaml"
        file.write_text(WORKSPACE % {"write_key": WRITE_KEY, "receiver": port, "closed": closed}, encoding="utf-8")
        deployment = open_deployment(load_workspace(file, {}), Path(scratch) / "data")
        from_ms = wall_clock_ms() // 60_000 * 60_000
        try:
            with run_all(deployment, port=0) as running:
                deadline = time.monotonic() + DEADLINE_SECONDS + max(0, events - 5_000) / 100
                # Two bars: events sent, deliveries settled.
                columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
                with Progress(*columns, console=console) as progress:
                    send_events(running.address, events, progress, random.Random(seed))  # noqa: S311 (sample data)
                    return follow(running, events, from_ms, deadline, progress)
        finally:
            deployment.topics.close()


@contextmanager
def receiver() -> Iterator[int]:
    """Run the receiver in a process; gives its port."""
    command = [sys.executable, "-P", "-m", "console.demo.receiver", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise DemoFailed(f"the receiver ended at once with code {process.wait()}")
            port: int = orjson.loads(line)["port"]
            yield port
        finally:
            process.terminate()


@contextmanager
def closed_port() -> Iterator[int]:
    """Reserve a port without listening on it, so that connections are refused."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        yield port


def send_events(address: str, events: int, progress: Progress, chance: random.Random) -> None:
    """Post ``events`` in batches, as an SDK would."""
    task = progress.add_task("Sending events", total=events)
    with httpx.Client(base_url=address, auth=(WRITE_KEY, ""), timeout=30, trust_env=False) as client:
        for start in range(0, events, BATCH_EVENTS):
            now = datetime.now(UTC)
            batch = [demo_event(number, now, chance) for number in range(start, min(start + BATCH_EVENTS, events))]
            body = {"batch": batch, "sentAt": now.isoformat()}
            answer = client.post("/v1/batch", content=orjson.dumps(body), headers={"Content-Type": "application/json"})
            if answer.status_code != httpx.codes.OK:
                raise DemoFailed(f"ingest answered {answer.status_code}: {answer.text[:300]}")
            progress.advance(task, len(batch))


def demo_event(number: int, now: datetime, chance: random.Random) -> dict[str, Any]:
    """Make one event of a web shop, which happened up to two seconds ago; ``number`` chooses the call type."""
    call = CALLS[number % len(CALLS)]
    happened = now - timedelta(milliseconds=chance.randrange(2_000))
    event: dict[str, Any] = {
        "type": call,
        "userId": f"user-{chance.randrange(1_000)}",
        "timestamp": happened.isoformat(),
        "context": {"app": {"name": "Shop", "version": chance.choice(VERSIONS)}, "locale": "en-GB"},
    }
    if call == "track":
        event["event"] = chance.choice(TRACKED)
        event["properties"] = {
            "order_id": f"order-{number}",
            "revenue": round(chance.uniform(5, 200), 2),
            "currency": "EUR",
        }
    elif call in {"page", "screen"}:
        event["name"] = chance.choice(PAGES)
        event["properties"] = {"path": f"/{event['name'].lower()}"}
    elif call == "identify":
        event["traits"] = {"email": f"user-{chance.randrange(1_000)}@example.com", "plan": "free"}
    elif call == "group":
        event |= {"groupId": f"company-{chance.randrange(50)}", "traits": {"industry": "retail"}}
    else:
        event["previousId"] = f"anonymous-{number}"
    return event


def follow(running: Running, events: int, from_ms: int, deadline: float, progress: Progress) -> Report:
    """Poll until nothing is pending, or until the deadline; return the last report."""
    task = progress.add_task("Delivering, retrying", total=None)
    while True:
        # Up to the end of the next minute, because the clock goes on while the views are read.
        to_ms = wall_clock_ms() // 60_000 * 60_000 + 120_000
        report = build_report(view_of(running.store), from_ms, to_ms)
        routed = report.total("routed")
        progress.update(task, total=max(routed, 1), completed=routed - report.total("pending"))
        # Minutes become visible a second after facts; wait until both show the same.
        settled = report.metrics.delivered + report.metrics.not_delivered + report.metrics.filtered
        if report.ingest.accepted >= events and report.pending == 0 and settled == routed:
            return report
        if time.monotonic() > deadline:
            return report
        if failure := running.failure():
            raise DemoFailed(failure)
        time.sleep(POLL_SECONDS)
